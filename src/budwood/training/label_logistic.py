"""Logistic regressions of several labels beside one another: yes or no for each, on the same rotated features.

For each label what is minimised is sum(weight * binary cross-entropy) / n + strength / 2 * ||w||^2 over its n known
rows, the bias unpenalised: what scikit-learn minimises with C = 1 / (strength * n). All labels go through the same
matrix products, so that one more costs no pass over the features.
"""

import numpy as np
from jaxtyping import Float, Float32

from budwood.training.logistic import Map, Problem, cuts

CURVATURE = 0.5
"""Times the shares of positives and of negatives: about a label's curvature. Between 0.1 and 2 the number of steps
changes by a seventh."""


class LabelProblem(Problem):
    """One logistic regression a label, to be solved at several strengths, one for each label.

    Args:
        x: features along the axes, and a column of ones.
        targets: 1, 0, or NaN where nothing is known: that the label is not fitted to.
        weights: how much each target counts.
        variances: of the axes.
        blocks, map: as `Problem` takes them.
    """

    def __init__(
        self,
        x: Float32[np.ndarray, "rows axes_and_one"],
        targets: Float32[np.ndarray, "rows labels"],
        weights: Float[np.ndarray, "rows labels"],
        variances: Float[np.ndarray, "k"],
        *,
        blocks: int = 1,
        map: Map = map,
    ):
        known = ~np.isnan(targets)
        shares = (np.where(known, weights, 0) / np.maximum(known.sum(axis=0), 1)).astype(np.float32)
        has = np.where(known, targets, 0).astype(np.float32)
        self._blocks = [_LabelBlock(x[part], has[part], shares[part]) for part in cuts(len(targets), blocks)]
        positive = (shares * has).sum(axis=0, dtype=np.float64)
        negative = (shares * (1 - has)).sum(axis=0, dtype=np.float64)
        self._curvatures = np.append(variances, 1.0)[:, None] * (CURVATURE * positive * negative)
        self._shape, self._map = (x.shape[1], targets.shape[1]), map

    @staticmethod
    def dot(one: np.ndarray, other: np.ndarray) -> Float[np.ndarray, "labels"]:
        return np.einsum("ij,ij->j", one, other, dtype=np.float64)


class _LabelBlock:
    """Some rows, their logits, and how these change along the lines that are searched."""

    def __init__(self, x: np.ndarray, has: np.ndarray, shares: np.ndarray):
        self.x, self.has, self.shares = x, has, shares

    def begin(self, weights: np.ndarray) -> None:
        self.logits = self.x @ weights
        self.look_along(None)
        self.slope_at(0.0)

    def look_along(self, direction: np.ndarray | None) -> None:
        self.along = self.logits if direction is None else self.x @ direction

    def slope_at(self, step: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and second derivative of each label's loss along its line. The probabilities there are kept."""
        from scipy.special import expit

        self.probabilities = expit(self.logits + np.float32(step) * self.along)
        weighted = self.shares * self.along
        slope = np.einsum("ij,ij->j", weighted, self.probabilities - self.has, dtype=np.float64)
        spread = self.probabilities * (1 - self.probabilities)
        weighted *= self.along
        return slope, np.einsum("ij,ij->j", weighted, spread, dtype=np.float64)

    def move(self, step: np.ndarray) -> None:
        self.logits = self.logits + np.float32(step) * self.along

    def gradient(self) -> np.ndarray:
        return self.x.T @ (self.shares * (self.probabilities - self.has))
