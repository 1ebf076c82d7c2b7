"""Whether an exported model answers as the run's own does, on photos that the run did not learn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict

from budwood.evaluation.statistics import paired_difference
from budwood.evaluation.task import Task
from budwood.exporting.quantization import loses_too_much

LARGEST_DIFFERENCE = 1e-3
"""In a probability, and in a distance in shares of its threshold, at full precision; another order of summing costs
about 1e-6."""


@dataclass(frozen=True)
class Answered:
    """What a model gave for some photos."""

    probabilities: Float[np.ndarray, "n classes"]
    distances: Float[np.ndarray, "n"] | None = None
    """From the known photos; None where the run cannot tell what is none of its classes."""

    def first(self, number: int) -> "Answered":
        """Return what was given for the first of the photos."""
        far = self.distances
        return Answered(self.probabilities[:number], None if far is None else far[:number])


class Speed(BaseModel):
    """What fewer bits are worth on the machine that exported: one picture at a time, the two in turn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    f32_milliseconds: float
    """Of one picture in the median."""
    milliseconds: float
    f32_megabytes: float
    megabytes: float

    @property
    def slower(self) -> bool:
        """Return whether the model with fewer bits takes longer a picture than the one at full precision."""
        return self.milliseconds > self.f32_milliseconds


class PageParity(BaseModel):
    """How the page of an export answers for the photos as files: the browser decodes them, the page scales them.

    Browsers never decode a large JPEG at a fraction of its size, as the training does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    browser: str
    photos: int
    unread: int
    """Photos of formats that the browser does not know; they are not counted below."""
    same_answers: int
    largest_difference: float
    """In a probability, from the run."""
    mean_difference: float
    run_correct: float
    page_correct: float
    """Share of the photos that are answered rightly."""
    difference: float
    difference_ci95: tuple[float, float]


class DistanceParity(BaseModel):
    """How the second output differs from what the run says of the same photos."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    largest_difference: float
    """In a distance, in shares of the run's threshold."""
    same_side: int
    """Photos on the same side of the threshold."""
    run_threshold: float
    export_threshold: float
    """The run's own at full precision; with fewer bits measured anew on the validation photos."""
    run_beyond: float
    """Share of the photos that are taken for none of the classes."""
    export_beyond: float


class DefaultParity(BaseModel):
    """How the runtime answers that is told no precision, as against the run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    precision: str
    """What it takes on the processor that exported."""
    same_answers: int
    largest_difference: float


class LabelParity(BaseModel):
    """What became of one label of several, at its threshold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    threshold: float
    changed: int
    """Photos that have it by one of the two models alone."""
    run_correct: float | None
    """Share of right answers, of the photos of which the label is known; null where there is none."""
    export_correct: float | None


class Recalibration(BaseModel):
    """What calibrating the logits anew did, after int8 had moved them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    photos: int
    """Of validation, which chose it."""
    scale: tuple[float, ...]
    """By which the logits are multiplied: one number, or one for each label ..."""
    shift: tuple[float, ...]
    """... and what is added."""
    loss_before: float
    """Mean negative log-likelihood of these photos."""
    loss_after: float


class Fallback(BaseModel):
    """How int8 came about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tries: int
    """Each with more layers at full precision than the one before."""
    seconds: float
    photos: int
    """Number of validation and training photos on which the number of those layers was chosen."""
    difference: float
    """Share of these photos that the chosen int8 model has right, less the share that the run has right."""
    difference_ci95: tuple[float, float]
    """Its 95 % interval, computed as for the test photos."""
    layers: int | None
    """That were told apart by the noise that they add; null where the first try was good."""
    left_at_f32: tuple[str, ...]
    """Of these, beside the head and what the distance is made by, which always are."""
    recalibration: Recalibration | None
    """Null where it would not have been worth while, or there are too few validation photos."""


class Parity(BaseModel):
    """The content of parity.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    photos: int
    missing: int = 0
    """Further photos of the split that were not found where the photos of the run were looked for."""
    split: str
    """Of the run, whose photos these are."""
    batches: tuple[int, ...]
    """Numbers of pictures at once that were tried."""
    precision: Literal["f32", "float16", "int8"]
    """Of the weights, with int8 also of the values between layers."""
    same_answers: int
    """Photos with the same class, or the same labels."""
    largest_difference: float
    """In a probability."""
    mean_difference: float
    """In a probability."""
    run_loss: float
    """Mean negative log-likelihood: what the probabilities are worth."""
    export_loss: float
    run_ece: float
    """Expected calibration error of the largest probability, or of all labels'."""
    export_ece: float
    run_correct: float
    """Share of photos that the run's model answers rightly: their class, or every label."""
    export_correct: float
    difference: float
    """Of these shares, the exported model's less the run's."""
    difference_ci95: tuple[float, float]
    """Of the same photos (Tango 1998)."""
    distance: DistanceParity | None = None
    """Of the second output; null where there is none."""
    runtime_default: DefaultParity | None = None
    """What came out where the runtime was told no precision."""
    labels: tuple[LabelParity, ...] | None = None
    """Where a photo may have several, with fewer bits; else null."""
    speed: Speed | None = None
    """Before and after quantisation; null at full precision."""
    fallback: Fallback | None = None
    """Of int8; else null."""
    page: PageParity | None = None
    """Of a page for the browser that was opened in one; null where none is here, and for other formats."""

    @property
    def holds(self) -> bool:
        """Return whether the exported model may stand for the run's: equal at full precision, else with as few
        losses as `quantization.loses_too_much` allows."""
        if self.precision != "f32":
            return not loses_too_much(self.difference, self.difference_ci95[1], self.photos)
        apart = self.distance.largest_difference if self.distance else 0.0
        return self.same_answers == self.photos and max(self.largest_difference, apart) <= LARGEST_DIFFERENCE


def compare(
    task: Task,
    classes: tuple[str, ...],
    targets: np.ndarray,
    own: Answered,
    exported: Answered,
    *,
    split: str,
    batches: tuple[int, ...],
    precision: Literal["f32", "float16", "int8"] = "f32",
) -> Parity:
    """Return how the answers of an exported model differ from those of the run.

    Args:
        task: with the thresholds of the run.
        classes: in the order of the columns.
        targets: what is true of each photo, as the task gives it.
        own, exported: what was answered; the distances are compared by `compare_distances`.
        split: of which the photos are.
        batches: numbers of pictures at once that were tried.
        precision: of the exported model.
    """
    both = own.probabilities, exported.probabilities
    right = [task.correct(shares, targets) for shares in both]
    gap = paired_difference(right[1], right[0])
    apart = np.abs(both[0].astype(np.float64) - both[1])
    losses = [float(task.losses(shares, targets).mean()) for shares in both]
    errors = [task.calibration(shares, targets, 1.0)["after"]["ece"] for shares in both]
    return Parity(
        photos=len(targets),
        precision=precision,
        split=split,
        batches=batches,
        same_answers=same_answers(task, classes, *both),
        largest_difference=float(apart.max()),
        mean_difference=float(apart.mean()),
        run_loss=losses[0],
        export_loss=losses[1],
        run_ece=errors[0],
        export_ece=errors[1],
        run_correct=float(right[0].mean()),
        export_correct=float(right[1].mean()),
        difference=gap.difference,
        difference_ci95=(gap.low, gap.high),
    )


def same_answers(task: Task, classes: Sequence[str], own: np.ndarray, exported: np.ndarray) -> int:
    """Return of how many photos two models answer the same."""
    return sum(
        a == b for a, b in zip(task.answers(own, classes), task.answers(exported, classes), strict=True)
    )


def compare_default(
    task: Task, classes: tuple[str, ...], own: Answered, found: Answered, precision: str
) -> DefaultParity:
    """Return how the answers of a runtime that was told no precision differ from those of the run."""
    return DefaultParity(
        precision=precision,
        same_answers=same_answers(task, classes, own.probabilities, found.probabilities),
        largest_difference=float(np.abs(own.probabilities - found.probabilities).max()),
    )


def compare_distances(
    own: Float[np.ndarray, "n"],
    exported: Float[np.ndarray, "n"],
    run_threshold: float,
    export_threshold: float,
) -> DistanceParity:
    """Return how the distances of an exported model differ from those of the run."""
    beyond = own > run_threshold, exported > export_threshold
    return DistanceParity(
        largest_difference=float(np.abs(own.astype(np.float64) - exported).max()) / run_threshold,
        same_side=int((beyond[0] == beyond[1]).sum()),
        run_threshold=run_threshold,
        export_threshold=export_threshold,
        run_beyond=float(beyond[0].mean()),
        export_beyond=float(beyond[1].mean()),
    )


def compare_labels(
    classes: Sequence[str],
    thresholds: Sequence[float],
    targets: np.ndarray,
    own: Answered,
    exported: Answered,
) -> tuple[LabelParity, ...]:
    """Return what became of each label of several; targets are 0, 1, or NaN where it is unknown."""
    found = []
    for place, (label, threshold) in enumerate(zip(classes, thresholds, strict=True)):
        has = [one.probabilities[:, place] >= threshold for one in (own, exported)]
        known = np.isfinite(targets[:, place])
        right = [
            float((one[known] == (targets[known, place] > 0)).mean()) if known.any() else None for one in has
        ]
        found.append(
            LabelParity(
                label=label,
                threshold=threshold,
                changed=int((has[0] != has[1]).sum()),
                run_correct=right[0],
                export_correct=right[1],
            )
        )
    return tuple(found)
