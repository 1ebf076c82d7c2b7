"""When to say nothing: the probability from which predictions are right as often as wanted (Chow 1970)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from budwood.evaluation.statistics import wilson_interval


@dataclass(frozen=True)
class Answered:
    """What a threshold does to some photos."""

    photos: int
    answered: int
    correct: int
    """Of those that were answered."""

    @property
    def coverage(self) -> float:
        """Share of photos that get an answer."""
        return self.answered / self.photos if self.photos else 0.0

    @property
    def precision(self) -> float:
        """Share of the answers that are right; 1 of none."""
        return self.correct / self.answered if self.answered else 1.0

    @property
    def precision_interval(self) -> tuple[float, float]:
        """Wilson's, 95 %."""
        return wilson_interval(self.correct, self.answered)


def choose_threshold(
    confidence: Float[np.ndarray, "n"], correct: Bool[np.ndarray, "n"], precision: float
) -> float | None:
    """Return the lowest probability such that predictions with it or more are right as often as wanted.

    It is an estimate from these photos: on others the precision may come out lower (risk and coverage, Geifman and
    El-Yaniv 2017).

    Args:
        confidence: probability of the predicted class, photo by photo.
        correct: whether the prediction is right.
        precision: wanted share of right answers, in (0, 1].

    Returns:
        In [0, 1]; None where even the surest predictions are wrong too often.

    >>> choose_threshold(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, True]), 0.75)
    0.6
    >>> choose_threshold(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, True]), 0.9)
    0.8
    """
    order = np.argsort(-confidence, kind="stable")
    sorted_confidence = confidence[order]
    shares = np.cumsum(correct[order]) / np.arange(1, len(order) + 1)
    # Photos of the same probability are answered together or not at all.
    last_of_equals = np.append(np.diff(sorted_confidence) != 0, True)[: len(order)]
    enough = np.flatnonzero((shares >= precision - 1e-12) & last_of_equals)
    return float(sorted_confidence[enough[-1]]) if len(enough) else None


def answer(confidence: Float[np.ndarray, "n"], correct: Bool[np.ndarray, "n"], threshold: float) -> Answered:
    """Return what a threshold does to some photos."""
    given = confidence >= threshold
    return Answered(len(given), int(given.sum()), int((correct & given).sum()))
