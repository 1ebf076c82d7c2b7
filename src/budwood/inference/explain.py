"""Why a model says what it says of a picture: where it sees the class, what hangs on which part, what it resembles."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from jaxtyping import Float, Float32, UInt8

from budwood.core.errors import ImageError
from budwood.core.label_text import of_text
from budwood.core.progress.base import SILENT, Progress
from budwood.core.text import shown
from budwood.data.images import ImageLike, view
from budwood.evaluation.ood import Reference
from budwood.features.engines.engine import Engine
from budwood.features.ensemble import EngineEnsemble
from budwood.features.extract import Runner
from budwood.inference.artifact import Artifact
from budwood.inference.grad_cam import GradCam
from budwood.inference.model_info import ModelInfo
from budwood.inference.occlusion import GRID, importance, occlude
from budwood.inference.prediction import Prediction, answered_rightly
from budwood.inference.predictor import vectors
from budwood.network.compose import logits_layer, pooling_layers

SIMILAR = 6
AT_A_TIME = 16
"""Pictures that are explained together."""


@dataclass(frozen=True)
class Similar:
    """A training photo that a picture resembles."""

    name: str
    label: str
    """Its class; where photos have several labels all that it has, as one text (`budwood.core.label_text`)."""
    similarity: float
    """Cosine of the angle between the features of both, in [-1, 1]."""
    thumbnail: bytes = field(repr=False)
    """A small JPEG; empty where the photo was gone when the run was made."""
    labels: tuple[str, ...] | None = None
    """Where photos have several labels: those that it has. None where each has one class."""


@dataclass(frozen=True)
class Explanation:
    """What a model says of one picture, and why."""

    prediction: Prediction
    target: str | None
    """The class or label that is explained; None where the picture cannot be read."""
    picture: UInt8[np.ndarray, "size size 3"] | None = field(default=None, repr=False)
    """The pixels that the network sees."""
    grad_cam: Float32[np.ndarray, "size size"] | None = field(default=None, repr=False)
    """What speaks for the class, and where: log-odds for each share of the picture, 0 or more."""
    occlusion: Float32[np.ndarray, "size size"] | None = field(default=None, repr=False)
    """By how much the log-odds of the class fall where a part is hidden; below 0 where they rise."""
    hidden_probability: float | None = None
    """What is left of the class's probability where the part is hidden on which most hangs."""
    farther_than: float | None = None
    """The share of the validation photos that lie nearer to the training photos: near 1 it may be none of these."""
    similar: tuple[Similar, ...] = ()
    """The most similar of the training photos that the run keeps, the nearest first."""
    true: str | None = None
    """The true class, where it is known; where photos have several labels all of them, as one text."""

    @property
    def right(self) -> bool | None:
        """Return whether the picture is answered rightly, with every known label; None where that is not known."""
        if self.true is None:
            return None
        return answered_rightly(self.prediction, self.true)

    def in_words(self) -> str:
        """Return the prediction, and what it resembles, on one line."""
        nearest = ", ".join(f"{_in_words(one)} {one.similarity:.2f}" for one in self.similar[:3])
        target, said = self.target, self.prediction
        words = said.in_words()
        if target is not None and target not in (said.labels or (said.label,)):
            words += f"\texplained: {shown(target)} {said.probabilities[target]:.1%}"
        return words + (f"\tlike {nearest}" if nearest else "")

    def to_json(self, k: int = 1) -> dict:
        """Plain values, without the maps: the prediction with its k most probable classes, and what it resembles."""
        found = self.prediction.to_json(k)
        if self.target is None:
            return found
        similar = [
            {
                "name": one.name,
                "label": one.label,
                **({} if one.labels is None else {"labels": list(one.labels)}),
                "similarity": one.similarity,
            }
            for one in self.similar
        ]
        several = self.prediction.labels is not None and self.true is not None
        return {
            **found,
            "explained": self.target,
            "true": self.true,
            **({"true_labels": list(of_text(self.true or "")[0])} if several else {}),
            "hidden_probability": self.hidden_probability,
            "farther_than": self.farther_than,
            "similar": similar,
        }


def explain(
    artifact: Artifact,
    part: Runner,
    pictures: Sequence[ImageLike],
    predictions: Sequence[Prediction],
    targets: Sequence[str | None],
    *,
    reference: Reference | None,
    names_of: Sequence[frozenset[str]],
    true: Sequence[str | None],
    labels_of: Mapping[str, str],
    progress: Progress = SILENT,
) -> Iterator[Explanation]:
    """Explain what a model says of each picture, in order.

    Args:
        artifact: the model.
        part: what runs its feature extractor on hidden and unhidden pictures; a little less precision does no harm.
        predictions: what it says of each picture; one that could not be read is not explained.
        targets: for each picture the class to explain; where there is none the predicted one, of several labels the
            most probable.
        reference: what is known of training photos.
        names_of: under which names each picture is a training photo itself: no photo resembles itself.
        true: the true class of each, where it is known.
        labels_of: by the names of training photos their classes, or all their labels as one text.
    """
    cam = GradCam(artifact.model, pooled=pooling_layers(artifact.model), logits=logits_layer(artifact.model))
    jobs = zip(pictures, predictions, targets, names_of, true, strict=True)
    with progress.stage("explain", total=len(pictures)) as stage:
        while batch := list(islice(jobs, AT_A_TIME)):
            yield from _explain_some(artifact, part, cam, reference, batch, labels_of)
            stage.advance(len(batch))


def occlusion_runner(artifact: Artifact, engine: str) -> Runner:
    """Return what runs the feature extractor of a model at half the precision, where the processor has it.

    What hangs on which part of a picture needs no more.
    """
    parts = [
        Engine(part.model, engine=engine, precision="bf16", fingerprint=part.fingerprint)
        for part in artifact.features(engine=engine).parts
    ]
    return parts[0] if len(parts) == 1 else EngineEnsemble(parts)


def _explain_some(
    artifact: Artifact,
    part,
    cam: GradCam,
    reference: Reference | None,
    batch,
    labels_of: Mapping[str, str],
) -> Iterator[Explanation]:
    """Return the explanations of one batch. The hidden parts of all its pictures are asked for in one stream, which
    keeps the cores busy."""
    seen = [
        _view(picture, artifact) if prediction.error is None else None for picture, prediction, *_ in batch
    ]
    usable = [pixels for pixels in seen if pixels is not None]
    labels = [target or _most_probable(prediction) for _, prediction, target, *_ in batch]
    numbers = np.array(
        [
            artifact.classes.index(label)
            for pixels, label in zip(seen, labels, strict=True)
            if pixels is not None and label is not None
        ],
        np.int64,
    )
    maps = deque(cam.maps(np.stack(usable), numbers)) if usable else deque()
    rows = list(part.run(hidden for pixels in usable for hidden in occlude(pixels)))
    # At once: a call of the head takes as long for hundreds of rows as for one.
    shares = deque(np.split(artifact.probabilities(np.stack(rows)), len(usable)) if usable else [])
    features = deque(rows[:: GRID**2 + 1])
    for (_, prediction, _, own, true), pixels, label in zip(batch, seen, labels, strict=True):
        if pixels is None or label is None:
            yield Explanation(prediction, None, true=true)
            continue
        number, hidden = artifact.classes.index(label), shares.popleft()
        yield Explanation(
            prediction,
            label,
            pixels,
            maps.popleft(),
            importance(hidden, number, artifact.size, artifact.info.multi_label),
            float(hidden[1:, number].min()),
            reference.farther_than(prediction.distance)
            if reference and prediction.distance is not None
            else None,
            _similar(reference, artifact.info, vectors(features.popleft()[None]), own, labels_of),
            true,
        )


def _most_probable(prediction: Prediction) -> str | None:
    """Return what is explained of a picture where nothing was asked for."""
    return prediction.label if prediction.labels is None else prediction.top(1)[0][0]


def _in_words(one: Similar) -> str:
    if one.labels is None:
        return shown(one.label)
    return shown(" and ".join(one.labels) or "none of the labels")


def _view(picture: ImageLike, artifact: Artifact) -> UInt8[np.ndarray, "size size 3"] | None:
    try:
        return view(picture, artifact.size, artifact.resize, artifact.levels, only_clear=True)
    except ImageError:
        return None


def _similar(
    reference: Reference | None,
    info: ModelInfo,
    features: Float[np.ndarray, "1 features"],
    own: frozenset[str],
    labels_of: Mapping[str, str],
) -> tuple[Similar, ...]:
    if reference is None or not reference.names:
        return ()
    places, similarities = reference.nearest(features, SIMILAR + len(own))
    found = [
        Similar(
            reference.names[place],
            # Of several labels the reference knows one alone.
            labels_of[reference.names[place]] if info.multi_label else info.classes[reference.labels[place]],
            float(share),
            reference.thumbnails[place],
            of_text(labels_of[reference.names[place]])[0] if info.multi_label else None,
        )
        for place, share in zip(places[0], similarities[0], strict=True)
        if reference.names[place] not in own
    ]
    return tuple(found[:SIMILAR])
