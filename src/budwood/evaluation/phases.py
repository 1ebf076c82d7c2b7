"""The phases of a training by what they say of the photos that they did not learn from, and the better one of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

MEASURED = ("validation", "test")


@dataclass(frozen=True)
class PhaseEvaluation:
    """What one phase's model says of the photos that it did not learn from."""

    probabilities: dict[str, Float[np.ndarray, "n classes"]]
    """By split: a row a photo."""
    temperature: float
    """By which the logits were divided for them."""

    def correct(self, split: str, labels: Int[np.ndarray, "n"]) -> Bool[np.ndarray, "n"]:
        return self.probabilities[split].argmax(axis=1) == labels

    def loss(self, split: str, labels: Int[np.ndarray, "n"]) -> float:
        """Mean negative log-likelihood, as `compute_metrics` has it."""
        from sklearn.metrics import log_loss

        shares = self.probabilities[split].astype(np.float64)
        shares /= shares.sum(axis=1, keepdims=True)
        return float(log_loss(labels, shares, labels=np.arange(shares.shape[1])))


def better(measured: Mapping[str, PhaseEvaluation], labels: Mapping[str, Int[np.ndarray, "n"]]) -> str:
    """The phase with the lower loss on the validation photos; the earlier one where they are equal."""
    return min(measured, key=lambda name: measured[name].loss("validation", labels["validation"]))
