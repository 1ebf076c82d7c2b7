"""What answers: classes, input, engine and head, and what lies outside of the classes, apart from any run directory."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import closing
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, UInt8

from budwood.core.errors import ImageError, PictureError, RunError
from budwood.core.label_text import as_text
from budwood.core.progress.base import SILENT, Progress
from budwood.core.text import count
from budwood.data.images import ImageLike, ValueRange
from budwood.data.pictures import name_of, take_pictures
from budwood.evaluation.ood import ACCEPTANCE, Reference
from budwood.features.ensemble import ExtractorEnsemble
from budwood.features.extract import stream_through
from budwood.features.store.table import Rows
from budwood.inference.prediction import Prediction


@dataclass(frozen=True)
class InputContract:
    """How a picture becomes what a model sees: 8-bit RGB, a square of `size` pixels."""

    size: int
    resize: str
    """"crop", "stretch" or "pad"."""
    levels: ValueRange | None = None
    """The values that are black and white in pictures of more than 8 bits; None where the training had none."""


class Scores(NamedTuple):
    """What a model gives for one picture."""

    probabilities: Float32[np.ndarray, "classes"]
    features: Float32[np.ndarray, "features"]
    """The pooled features of all backbones, joined; of a picture and its mirror image their mean."""
    distance: float | None = None
    """How far the picture lies from the known photos, where that was computed on the way."""


@dataclass(frozen=True)
class OodDetector:
    """Tells what is none of the classes, by its distance from known photos."""

    reference: Reference
    thresholds: Mapping[float, float] = field(default_factory=dict)
    """Distances by acceptance rate, where they were computed before."""

    def threshold(self, acceptance: float) -> float:
        """Return the distance beyond which a picture is none of the classes."""
        known = self.thresholds.get(acceptance)
        return self.reference.threshold(acceptance) if known is None else known

    def distance(self, features: Float[np.ndarray, "features"]) -> float:
        """Return how far a picture lies from the known photos."""
        return float(self.reference.distance(features[None])[0])


class Predictor(ABC):
    """Answers for pictures, and stays ready for the next ones.

    It knows no run directory. Several threads may use it at once; a process that was forked compiles an engine of its
    own, or is told that it cannot.

    Args:
        classes: names in the order of the model's outputs.
        input: how a picture becomes what the model sees.
        ood: tells what is none of the classes; None for a model that cannot.
        thresholds: of each label, where a picture may have several: from which probability it has it.
    """

    def __init__(
        self,
        classes: Sequence[str],
        input: InputContract,
        ood: OodDetector | None = None,
        thresholds: Sequence[float] | None = None,
    ):
        self.classes, self.input, self.ood = list(classes), input, ood
        self.thresholds = None if thresholds is None else tuple(thresholds)

    @abstractmethod
    def scores(self, views: Iterable[UInt8[np.ndarray, "size size 3"]]) -> Iterator[Scores]:
        """Return the scores of each view, in order, while later views are still being read."""

    def score(self, view: UInt8[np.ndarray, "size size 3"]) -> Scores:
        """Return the scores of one view at once: for many threads that each have one."""
        return next(iter(self.scores([view])))

    @abstractmethod
    def probabilities(self, rows: Rows | np.ndarray) -> Float32[np.ndarray, "n classes"]:
        """Return class probabilities from features as `extractor` stores them."""

    @abstractmethod
    def extractor(self, progress: Progress = SILENT) -> ExtractorEnsemble:
        """Return the feature extractor of the model, before the store that remembers its features."""

    def ask(self, images: Iterable[ImageLike]) -> Generator[Scores | ImageError, None, None]:
        """Return the scores of each image, in order, or the error of one that cannot be decoded."""
        return stream_through(
            images,
            self.scores,
            size=self.input.size,
            resize=self.input.resize,
            levels=self.input.levels,
        )

    def predict(
        self,
        images: object,
        *,
        names: Iterable[str] | None = None,
        confidence_threshold: float = 0.0,
        acceptance: float | None = None,
        progress: Progress = SILENT,
    ) -> list[Prediction]:
        """Return the prediction of each picture, in order, as `stream` gives them."""
        found = self.stream(
            images,
            names=names,
            confidence_threshold=confidence_threshold,
            acceptance=acceptance,
            progress=progress,
        )
        return list(found)

    def stream(
        self,
        images: object,
        *,
        names: Iterable[str] | None = None,
        confidence_threshold: float = 0.0,
        acceptance: float | None = None,
        progress: Progress = SILENT,
    ) -> Iterator[Prediction]:
        """Return the prediction of each picture in order, while later pictures are still being read.

        However many pictures there are, only some are held at a time. One that cannot be read has `error` and no label.

        Args:
            images: one picture or several, as `budwood.data.pictures` takes them; a generator is asked for a picture
                when one is needed.
            names: what to call them; by default the path, or "image N".
            confidence_threshold: the probability below which a prediction is not `confident`.
            acceptance: share of photos of the classes that are to be accepted as such; by default 0.98, 1 for all.
            progress: told of every picture.

        Raises:
            PictureError: something else than pictures was given.
            RunError: an acceptance rate is asked of a model that cannot tell what is none of its classes.
        """
        pictures = take_pictures(images)
        if acceptance is not None and self.ood is None:
            raise RunError(
                "this model cannot tell what is none of its classes. Leave out the acceptance rate"
            )
        far = self.ood.threshold(ACCEPTANCE if acceptance is None else acceptance) if self.ood else np.inf
        total = len(pictures) if isinstance(pictures, Sized) else None
        named: Iterable[tuple[str, ImageLike]]
        if names is None:
            named = ((name_of(picture, number), picture) for number, picture in enumerate(pictures))
        else:
            if total is not None and isinstance(names, Sized) and len(names) != total:
                raise PictureError(
                    f"{count(total, 'picture')} but {count(len(names), 'name')}. Give one name for each picture"
                )
            named = zip(names, pictures, strict=True)
        return self._stream(named, total, confidence_threshold, far, progress)

    def _stream(
        self,
        named: Iterable[tuple[str, ImageLike]],
        total: int | None,
        confidence_threshold: float,
        far: float,
        progress: Progress,
    ) -> Iterator[Prediction]:
        ahead: deque[str] = deque()

        def pictures() -> Iterator[ImageLike]:
            for name, picture in named:
                ahead.append(name)
                yield picture

        with progress.stage("predict", total=total) as stage, closing(self.ask(pictures())) as answers:
            for scores in answers:
                name = ahead.popleft()
                if isinstance(scores, ImageError):
                    yield Prediction(name, None, None, {}, scores.fault)
                else:
                    yield self.prediction_of(name, scores, confidence_threshold, far)
                stage.advance()

    def prediction_of(
        self, name: str, scores: Scores, confidence_threshold: float = 0.0, far: float = np.inf
    ) -> Prediction:
        """Return what is said of a picture whose scores are known; `far` is the distance of "none of these"."""
        shares = scores.probabilities
        labels = None
        if self.thresholds is not None:
            chosen = zip(self.classes, shares, self.thresholds, strict=True)
            labels = tuple(label for label, share, threshold in chosen if share >= threshold)
        distance = None
        if self.ood is not None:
            distance = self.ood.distance(scores.features) if scores.distance is None else scores.distance
        return Prediction(
            name,
            self.classes[int(shares.argmax())] if labels is None else as_text(labels),
            float(shares.max()),
            dict(zip(self.classes, shares.tolist(), strict=True)),
            confident=float(shares.max()) >= confidence_threshold,
            distance=distance,
            out_of_distribution=distance is not None and distance > far,
            labels=labels,
        )


def vectors(rows: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, "n features"]:
    """Return one feature vector a picture; of a picture and its mirror image, `(n, 2, features)`, their mean."""
    return rows.mean(axis=1) if rows.ndim == 3 else rows
