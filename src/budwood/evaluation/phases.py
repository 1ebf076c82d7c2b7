"""The phases of a training by what they say of the photos that they did not learn from, and the better one of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from budwood.core.scaling import Scaling
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


def better(measured: Mapping[str, PhaseEvaluation], labels: Mapping[str, np.ndarray]) -> str:
    """Return the phase with the lower loss on the validation photos; the earlier one where they are equal."""
    return min(measured, key=lambda name: measured[name].loss("validation", labels["validation"]))
