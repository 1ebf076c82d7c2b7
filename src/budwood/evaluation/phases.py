"""The phases of a training by what they say of the photos that they did not learn from, and the better one of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from budwood.core.scaling import Scaling
from budwood.evaluation.groups import Grouping
from budwood.evaluation.task import Task

MEASURED = ("validation", "test")
KEPT = (*MEASURED, "calibration")
"""Splits of which a run keeps what the model says; the last calibrates sets of classes, and has no figures."""


@dataclass(frozen=True)
class PhaseEvaluation:
    """What one phase's model says of the photos that it did not learn from."""

    probabilities: dict[str, Float[np.ndarray, "n classes"]]
    """By split: a row a photo."""
    scaling: Scaling
    """By which the logits were calibrated for them."""
    task: Task

    def correct(self, split: str, targets: np.ndarray) -> Bool[np.ndarray, "n"]:
        """Return for each photo of a split whether the model is right."""
        return self.task.correct(self.probabilities[split], targets)

    def loss(self, split: str, targets: np.ndarray) -> float:
        """Return the mean negative log-likelihood of a split."""
        return float(self.task.losses(self.probabilities[split], targets).mean())


def better(
    measured: Mapping[str, PhaseEvaluation],
    labels: Mapping[str, np.ndarray],
    groups: Grouping | None = None,
    *,
    clearly: bool = True,
) -> str:
    """Return the phase to keep: a later one takes the place of an earlier one where its mean loss on the validation
    photos is lower, or `clearly` lower: by more than the standard error of the difference.

    The latter is the one-standard-error rule (Breiman et al. 1984): of two models that the photos cannot tell apart,
    the earlier one. It is for a later phase that loses more often than it gains, such as fine-tuning of all weights
    from few photos: on ten photos chance alone often makes the worse one seem better.

    Args:
        measured: by phase, in their order.
        labels: targets of the photos by split.
        groups: which validation photos belong together; each is independent of the others by default.
        clearly: whether a later one has to be clearly better.
    """
    targets = labels["validation"]
    losses = {
        name: one.task.losses(one.probabilities["validation"], targets) for name, one in measured.items()
    }
    best, *later = measured
    for name in later:
        gains = losses[best] - losses[name]
        if gains.mean() > (standard_error(gains, groups) if clearly else 0.0):
            best = name
    return best


def standard_error(values: Float[np.ndarray, "n"], groups: Grouping | None = None) -> float:
    """Return the standard error of a mean, of photos that belong together by the sums of their groups; infinite where
    there are no two groups.

    >>> standard_error(np.array([1.0, 2.0, 3.0, 6.0]))
    1.0801234497346435
    """
    groups = groups or Grouping(np.arange(len(values)))
    if groups.num < 2:
        return np.inf
    sums = np.bincount(groups.numbers, values - values.mean())
    return float(np.sqrt(np.sum(sums**2) * groups.num / (groups.num - 1)) / len(values))
