"""Whether an exported model answers as the run's own does, on photos that the run did not learn from."""

from typing import Literal

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict

from budwood.evaluation.statistics import paired_difference
from budwood.evaluation.task import Task
from budwood.exporting.quantization import most_lost

LARGEST_DIFFERENCE = 1e-3
"""In a probability, at full precision; another order of summing costs about 1e-6."""


class Speed(BaseModel):
    """What fewer bits are worth on the machine that exported: one picture at a time, the two in turn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    f32_milliseconds: float
    """Of one picture in the median."""
    milliseconds: float
    f32_megabytes: float
    megabytes: float


class PageParity(BaseModel):
    """How the page of an export answers for the photos as files: the browser decodes them, the page scales them.

    Browsers decode JPEG otherwise than Pillow, by a level or two, and never at a fraction of the size.
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


class Parity(BaseModel):
    """The content of parity.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    photos: int
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
    run_correct: float
    """Share of photos that the run's model answers rightly: their class, or every label."""
    export_correct: float
    difference: float
    """Of these shares, the exported model's less the run's."""
    difference_ci95: tuple[float, float]
    """Of the same photos (Tango 1998)."""
    speed: Speed | None = None
    """Before and after quantisation; null at full precision."""
    page: PageParity | None = None
    """Of a page for the browser that was opened in one; null where none is here, and for other formats."""

    @property
    def holds(self) -> bool:
        """Return whether the exported model may stand for the run's: equal at full precision, else with as few
        losses as `quantization.most_lost` allows."""
        if self.precision != "f32":
            return -self.difference <= most_lost(self.photos) + 1e-9
        return self.same_answers == self.photos and self.largest_difference <= LARGEST_DIFFERENCE


def compare(
    task: Task,
    classes: tuple[str, ...],
    targets: np.ndarray,
    own: Float[np.ndarray, "n classes"],
    exported: Float[np.ndarray, "n classes"],
    *,
    split: str,
    batches: tuple[int, ...],
    precision: Literal["f32", "float16", "int8"] = "f32",
    speed: Speed | None = None,
) -> Parity:
    """Return how the answers of an exported model differ from those of the run.

    Args:
        task: with the thresholds of the run.
        classes: in the order of the columns.
        targets: what is true of each photo, as the task gives it.
        own, exported: probabilities.
        split: of which the photos are.
        batches: numbers of pictures at once that were tried.
        precision: of the exported model.
        speed: before and after quantisation.
    """
    answers = [task.answers(shares, classes) for shares in (own, exported)]
    right = [task.correct(shares, targets) for shares in (own, exported)]
    gap = paired_difference(right[1], right[0])
    apart = np.abs(own.astype(np.float64) - exported)
    losses = [float(task.losses(shares, targets).mean()) for shares in (own, exported)]
    return Parity(
        photos=len(own),
        precision=precision,
        split=split,
        batches=batches,
        same_answers=sum(a == b for a, b in zip(*answers, strict=True)),
        largest_difference=float(apart.max()),
        mean_difference=float(apart.mean()),
        run_loss=losses[0],
        export_loss=losses[1],
        run_correct=float(right[0].mean()),
        export_correct=float(right[1].mean()),
        difference=gap.difference,
        difference_ci95=(gap.low, gap.high),
        speed=speed,
    )
