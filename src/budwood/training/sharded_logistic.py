"""Multinomial logistic regression over shards: the loss and its gradient are summed where rows lie, the solver is here.

What is minimised is what `logistic` minimises, by the same preconditioned L-BFGS, but a step asks the shards for loss
and gradient at a head and for nothing else. Rows are not rotated: the head is, into the principal axes of a sample.
Any rotation leaves the penalty as it is, so the sample decides how many steps it takes and not where they lead.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float

from budwood.training.logistic import CURVATURE, PAIRS, Axes, inverse_of, lbfgs_direction
from budwood.training.row_shards import Head, LossSums, Map, Shard, loss_sums

SINGLE_HOLDS = 1e-6
"""Norm of the gradient to which products in float32 lead; beyond, they are in float64."""
SLOPE_LEFT = 0.5
"""Of a line's first slope: what a step along it may leave. Of a parabola a step that does leads down."""
LEAST_NORM = float(np.finfo(np.float64).eps)
"""Of the gradient by scaled features, whose terms are about 1: what is left below is rounding errors."""
MOST_TRIES = 8
"""Steps tried along one line."""


@dataclass(frozen=True)
class Solution:
    """Where a solver ended."""

    weights: Float[np.ndarray, "axes_and_one classes"]
    """Along the axes, and of the bias."""
    norm: float
    """Of the gradient."""
    loss: float
    passes: int
    """How often all rows were gone through."""


class ShardedProblem:
    """One logistic regression on rows in shards.

    Args:
        shards: the rows; sums are in their order, whatever `map` does.
        axes: of scaled features; their directions are a square, orthogonal matrix.
        num_classes: number of classes.
        map: as the built-in one.
    """

    def __init__(self, shards: Sequence[Shard], axes: Axes, num_classes: int, *, map: Map = map):
        self._shards, self._axes, self._map = shards, axes, map
        self._number = sum(len(shard.labels) for shard in shards)
        self._shape = (len(axes.variances) + 1, num_classes)
        self._curvatures = np.append(axes.variances, 1.0)[:, None] * (CURVATURE / num_classes)
        self.passes = 0

    def weights_of(self, kernel: np.ndarray, bias: np.ndarray) -> Float[np.ndarray, "axes_and_one classes"]:
        """Return a head on the features as they are, along the axes."""
        along = self._axes.directions.T.astype(np.float64) @ (kernel * self._axes.scale[:, None])
        return np.vstack([along, bias + self._axes.mean @ kernel])

    def head(self, weights: np.ndarray) -> Head:
        """Return the head of weights along the axes."""
        kernel = (self._axes.directions.astype(np.float64) @ weights[:-1]) / self._axes.scale[:, None]
        return Head(self._axes.mean, kernel, weights[-1])

    def solve(
        self,
        strength: float,
        tolerance: float,
        start: np.ndarray | None = None,
        *,
        most_steps: int = 200,
        told: Callable[[float], None] = lambda norm: None,
    ) -> Solution:
        """Return the weights of least loss.

        Args:
            strength: of the L2 penalty.
            tolerance: the norm of the gradient, by scaled features, at which it ends; at 2.2e-16 it does always.
            start: weights along the axes.
            most_steps: after so many, what was reached is the answer.
            told: the norm of the gradient, after each pass through the rows.
        """
        penalties = np.full((self._shape[0], 1), strength)
        penalties[-1] = 0
        scale = 1 / np.sqrt(self._curvatures + penalties)

        def look(at: np.ndarray, products: str) -> _Place:
            found = self._look(at, scale, penalties, products)
            told(found.norm)
            return found

        products = "float32"
        place = look(np.zeros(self._shape) if start is None else start / scale, products)
        pairs: list[tuple[np.ndarray, np.ndarray, float]] = []
        for _ in range(most_steps):
            if place.norm <= max(tolerance, LEAST_NORM):
                break
            if products == "float32" and place.norm <= SINGLE_HOLDS:
                products = "float64"
                place = look(place.at, products)
            direction = lbfgs_direction(place.gradient, pairs, _dot)
            new = _along(place, direction, partial(look, products=products))
            if new is None and products == "float64":
                break
            if new is None:
                # Rounding errors are all that is left of this precision.
                products = "float64"
                place = look(place.at, products)
                continue
            step, change = new.at - place.at, new.gradient - place.gradient
            pairs = [*pairs[1 - PAIRS :], (step, change, float(inverse_of(_dot(step, change))))]
            place = new
        return Solution(place.at * scale, place.norm, place.loss, self.passes)

    def _look(self, at: np.ndarray, scale: np.ndarray, penalties: np.ndarray, products: str) -> "_Place":
        weights = at * scale
        sums = self._sums(weights, products)
        penalised = penalties * weights
        along = self._axes.directions.T.astype(np.float64) @ (sums.kernel / self._axes.scale[:, None])
        gradient = np.vstack([along, sums.bias]) / self._number + penalised
        loss = sums.loss / self._number + _dot(weights, penalised) / 2
        return _Place(at, loss, gradient * scale, float(np.linalg.norm(gradient)))

    def _sums(self, weights: np.ndarray, products: str) -> LossSums:
        self.passes += 1
        of_shard = partial(loss_sums, head=self.head(weights), products=products)
        total: LossSums | None = None
        for sums in self._map(of_shard, self._shards):
            total = sums if total is None else total + sums
        assert total is not None, "there are shards"
        return total


@dataclass(frozen=True)
class _Place:
    """Where the solver is, in preconditioned weights: the true ones are `scale` times as large."""

    at: np.ndarray
    loss: float
    gradient: np.ndarray
    """Preconditioned."""
    norm: float
    """Of the gradient as it is."""


def _along(place: _Place, direction: np.ndarray, look: Callable[[np.ndarray], _Place]) -> _Place | None:
    """Return a place along a line where its slope is nearly 0; None where rounding errors hide it."""
    first = _dot(place.gradient, direction)
    step, low, high, below, above = 1.0, 0.0, np.inf, first, np.nan
    for _ in range(MOST_TRIES):
        new = look(place.at + step * direction)
        slope = _dot(new.gradient, direction)
        if abs(slope) <= SLOPE_LEFT * abs(first):
            return new
        # The secant through both ends, or as far again where the slope still leads down.
        if slope < 0:
            low, below = step, slope
        else:
            high, above = step, slope
        step = low - below * (high - low) / (above - below) if np.isfinite(high) else 2 * step
    return None


def _dot(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.vdot(one, other))
