"""What a training came to: every phase read back from disk and measured."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import keras
import numpy as np
from jaxtyping import Float

from budwood.core.errors import ImageError, RunError
from budwood.core.progress.base import SILENT, Progress
from budwood.core.system import num_cores
from budwood.data.images import ValueRange, thumbnail, view
from budwood.data.label_sets import rarest_labels
from budwood.data.manifest import Photo
from budwood.data.split import take_some
from budwood.evaluation.groups import Grouping
from budwood.evaluation.ood import Reference, num_learned
from budwood.evaluation.phases import KEPT, PhaseEvaluation, better
from budwood.evaluation.task import Task
from budwood.features.ensemble import ExtractorEnsemble
from budwood.inference.artifact import Artifact, read_model
from budwood.inference.model_info import ModelInfo
from budwood.inference.predictor import vectors
from budwood.pipeline.few_photos import is_few
from budwood.pipeline.outcome import PhaseOutcome
from budwood.pipeline.session import Session
from budwood.runs.figures import Metrics
from budwood.runs.metrics import describe

HELD_OUT = 2_000
"""Validation photos at most by whose features others are known to be out of distribution."""
THUMBNAIL = 96
"""Side in pixels of what is kept of the former, some 3 kB each."""


@dataclass(frozen=True)
class Measured(PhaseEvaluation):
    """One phase's model, read back from disk, beside what it says of the photos that it did not learn from."""

    artifact: Artifact

    def decided(self, targets: np.ndarray, goal: Literal["f1"] | float) -> "Measured":
        """Return it with the thresholds that the validation photos decide, where the task has any."""
        task = self.task.decide(self.probabilities["validation"], targets, self.artifact.classes, goal)
        return replace(self, task=task)


@dataclass(frozen=True)
class Evaluation:
    """What a training came to."""

    outcome: PhaseOutcome
    """Of the phase whose model is kept."""
    artifact: Artifact
    """That model, read back from disk."""
    photos: Sequence[Photo]
    """Those of validation, test and calibration."""
    probabilities: Float[np.ndarray, "n classes"]
    """The kept model's, a row for each of them."""
    task: Task
    """With what was decided for the kept model."""
    metrics: Metrics
    reference: Reference | None
    """What known photos look like, by which it is known what is none of the classes."""


def evaluate(session: Session, outcomes: Sequence[PhaseOutcome], failure: str | None) -> Evaluation:
    """Read every phase's model back from disk and measure it; keep the one that does better on the validation
    photos (`budwood.evaluation.phases.better`).

    Args:
        outcomes: of the phases in their order; one without a saved model is passed over.
        failure: why a phase that was tried left no model.

    Raise RunError as `measure` does.
    """
    engine, progress = session.recipe.backbone.engine, session.progress
    saved = {one.name: (one.saved.file, one.saved.info) for one in outcomes if one.saved}
    measured = measure(saved, session.parts, session.task, engine=engine, progress=progress)
    goal = session.recipe.evaluate.thresholds
    measured = {name: one.decided(session.labels["validation"], goal) for name, one in measured.items()}
    groups = Grouping.of([photo.group or "" for photo in session.parts["validation"]])
    few = is_few(len(session.parts["train"]), len(session.classes))
    # From few photos all weights of the upper layers lose more often than they gain, scale and bias alone do not.
    clearly = few and session.recipe.finetune.parameters == "all"
    chosen = better(measured, session.labels, groups, clearly=clearly)
    kept = measured[chosen].probabilities
    metrics = describe(
        session.classes,
        session.labels,
        measured,
        [one.trained for one in outcomes if one.trained],
        chosen,
        outcomes[-1].recipe,
        failure,
        session.parts,
        session.twins,
        session.tree,
    )
    return Evaluation(
        next(one for one in outcomes if one.name == chosen),
        measured[chosen].artifact,
        [photo for split in kept for photo in session.parts[split]],
        np.concatenate(list(kept.values())),
        measured[chosen].task,
        metrics,
        make_reference(
            measured[chosen].artifact,
            session.parts,
            tuned=chosen != "frozen",
            engine=engine,
            progress=progress,
        ),
    )


def measure(
    saved: Mapping[str, tuple[Path, ModelInfo]],
    parts: Mapping[str, Sequence[Photo]],
    task: Task,
    *,
    engine: str = "auto",
    progress: Progress = SILENT,
) -> dict[str, Measured]:
    """Read every phase's model back and run it on validation and test.

    Args:
        saved: by phase, the `.keras` file and what `model_info` said of the model that went into it.
        parts: photos by split; a split without photos is left out.
        task: what an answer is.
        engine: "auto", "openvino" or "keras".
        progress: told of the photos that had to be computed.

    Raises:
        RunError: what was read back is not what was saved, or Keras and the engine disagree.
    """
    return {
        phase: _measure(read_model(file, info), parts, task, engine, progress)
        for phase, (file, info) in saved.items()
    }


def make_reference(
    artifact: Artifact,
    parts: Mapping[str, Sequence[Photo]],
    *,
    tuned: bool = True,
    engine: str = "auto",
    progress: Progress = SILENT,
) -> Reference | None:
    """Return what the features of known photos look like under the model that is kept, with small pictures of
    those learned from; None where no photo can be read.

    Of the training photos some do, of each class its share: 500 separate other pictures as well as 3,000
    (docs/experiments/log.md).

    Args:
        artifact: the model.
        parts: photos by split.
        tuned: whether the backbone learned from the training photos, which then lie nearer to one another than to new
            ones.
        engine: "auto", "openvino" or "keras".
        progress: told of the photos that had to be computed.
    """
    number = num_learned(len(artifact.classes))
    learned: Sequence[Photo] = take_some(parts["train"], min(number, len(parts["train"])))
    held_out = parts["validation"][:: math.ceil(len(parts["validation"]) / HELD_OUT)]
    with artifact.features(engine=engine, progress=progress) as features:
        failed = features.compute([*learned, *held_out]).failed
        learned, held_out = ([p for p in part if p.name not in failed] for part in (learned, held_out))
        if not learned or not held_out:
            return None
        stratum = rarest_labels(learned)
        with ThreadPoolExecutor(num_cores()) as pool:
            thumbnails = tuple(
                pool.map(partial(_small, resize=artifact.resize, levels=artifact.levels), learned)
            )
        return Reference(
            vectors(features.array(learned)),
            np.array(
                [artifact.classes.index(stratum[photo.name] or artifact.classes[0]) for photo in learned]
            ),
            vectors(features.array(held_out)),
            tuple(photo.name for photo in learned),
            thumbnails,
            alike=not tuned and _apart(learned),
        )


def _apart(photos: Sequence[Photo]) -> bool:
    """Return whether no two photos belong together: those that do are nearer to each other than to new ones."""
    groups = [photo.group for photo in photos if photo.group]
    return len(groups) == len(set(groups))


def _small(photo: Photo, resize: str, levels: ValueRange | None) -> bytes:
    """Return a thumbnail of a photo, nothing where it is gone: its features may have been stored long ago."""
    try:
        return thumbnail(photo.image, THUMBNAIL, resize, levels)
    except ImageError:
        return b""


def _measure(
    artifact: Artifact, parts: Mapping[str, Sequence[Photo]], task: Task, engine: str, progress: Progress
) -> Measured:
    shown = [photo for split in KEPT for photo in parts.get(split, ())]
    with artifact.features(engine=engine, progress=progress) as features:
        if features.fingerprint != artifact.info.fingerprints["frozen"]:
            raise RunError(
                "the model read back from disk is not the one that was saved. Please report this as a bug"
            )
        # Of validation alone, the features were computed when the temperature was fitted.
        if features.compute(shown).num_computed or not parts["test"]:
            _refuse_disagreement(artifact, features, shown)
        probabilities = {
            split: artifact.probabilities(features.rows(parts[split])) for split in KEPT if parts.get(split)
        }
        return Measured(probabilities, artifact.info.calibration, task, artifact)


def _refuse_disagreement(artifact: Artifact, features: ExtractorEnsemble, photos: Sequence[Photo]) -> None:
    """Warn where the whole model on pixels does not give what its head gives on the features that the engine
    computed."""
    sample = photos[:: max(1, len(photos) // 4)][:4]
    pixels = np.stack(
        [view(photo.image, artifact.size, artifact.resize, artifact.levels) for photo in sample]
    )
    whole = keras.ops.convert_to_numpy(artifact.model(pixels.astype(np.float32), training=False))
    difference = float(np.abs(whole - artifact.probabilities(features.array(sample))).max())
    if difference > 1e-2:
        raise RunError(
            f"the saved model and the {features.part.engine} engine disagree by {difference:.2g} in a probability. "
            "Train with --set backbone.engine=keras, and please report this as a bug"
        )
