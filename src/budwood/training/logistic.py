"""Multinomial logistic regression on rotated features: L-BFGS, preconditioned, its line search free of products.

What is minimised is sum(weight * cross-entropy) / n + strength / 2 * ||W||^2, the last row of W, the bias, unpenalised.

Three things make it fast where classes are many. The features are rotated once into their principal axes, which
changes no penalty; there the curvature is nearly diagonal, about c * variance + strength, and dividing by its root
lets a handful of steps do what takes hundreds without it (c: Boehning 1992 bounds it; the mean of p * (1 - p) over
classes is near 1 / classes). Along a line the logits are linear in the step, so that a line search costs no matrix
product, and Newton's method finds its minimum from slopes alone, which float32 holds to the end. And a start is
first improved along the line through another known solution, then in its scale: that is how solutions move from one
strength to the next.

A problem is one regression whose columns are classes, or several beside one another whose columns are labels
(`label_logistic`): these share every matrix product, and each has its own strength, step along the line and end. What
is one number of the one is a row of numbers of the others.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int

ROWS_AT_A_TIME = 4096
PAIRS = 8
"""Of steps and changes of the gradient that L-BFGS remembers."""
CURVATURE = 0.25
"""Times 1 / classes: c above. Between 0.05 and 1 the number of steps changes by a third."""
LINE_STEPS = 20
SLOPE_LEFT = 0.2
"""Of a line's first slope: what its search may leave."""
RANK_TOLERANCE = 1e-10
"""Of the largest variance: directions that vary less hold nothing but rounding errors."""

Weights = Float32[np.ndarray, "axes_and_one classes"]
Map = Callable[..., Iterable[Any]]
Numbers = float | np.float64 | Float[np.ndarray, "..."]
"""One of one regression, `(labels,)` of several."""
Dot = Callable[[np.ndarray, np.ndarray], Numbers]


@dataclass(frozen=True)
class Axes:
    """The principal axes of scaled features."""

    mean: Float[np.ndarray, "features"]
    scale: Float[np.ndarray, "features"]
    directions: Float32[np.ndarray, "features k"]
    variances: Float[np.ndarray, "k"]

    @classmethod
    def of(
        cls,
        features: Float32[np.ndarray, "n features"],
        mean: Float[np.ndarray, "features"],
        scale: Float[np.ndarray, "features"],
    ) -> "Axes":
        """Return the axes of features; of fewer photos than features as many as they span."""
        n, width = features.shape
        if n < width:
            # Solutions lie in the span of the photos: what is at right angles to all of them is not needed.
            rows = (features - mean) / scale
            squares, left = np.linalg.eigh(rows @ rows.T)
            kept = squares > RANK_TOLERANCE * max(squares[-1], np.finfo(np.float64).tiny)
            directions = rows.T @ (left[:, kept] / np.sqrt(squares[kept]))
            return cls(mean, scale, directions.astype(np.float32), squares[kept] / n)
        products = np.zeros((width, width))
        for first in range(0, n, ROWS_AT_A_TIME):
            rows = ((features[first : first + ROWS_AT_A_TIME] - mean) / scale).astype(np.float32)
            products += rows.T @ rows
        variances, directions = np.linalg.eigh(products / n)
        return cls(mean, scale, directions.astype(np.float32), np.maximum(variances, 0.0))

    def rotate(
        self, features: Float32[np.ndarray, "n features"], rows: Int[np.ndarray, "rows"]
    ) -> Float32[np.ndarray, "rows axes_and_one"]:
        """Return chosen rows, scaled, along the axes, and a column of ones for the bias."""
        rotated = np.ones((len(rows), len(self.variances) + 1), np.float32)
        for first in range(0, len(rows), ROWS_AT_A_TIME):
            chosen = features[rows[first : first + ROWS_AT_A_TIME]]
            scaled = ((chosen - self.mean) / self.scale).astype(np.float32)
            rotated[first : first + ROWS_AT_A_TIME, :-1] = scaled @ self.directions
        return rotated

    def unfold(
        self, weights: Weights, *, centred: bool = True
    ) -> tuple[Float32[np.ndarray, "features classes"], np.ndarray]:
        """Return kernel and bias on the features as they are. Centred, the biases' mean is 0, which changes
        nothing where classes share one softmax."""
        kernel = (self.directions @ weights[:-1]).astype(np.float64) / self.scale[:, None]
        bias = weights[-1] - self.mean @ kernel
        return kernel.astype(np.float32), (bias - bias.mean() if centred else bias).astype(np.float32)


class Problem:
    """One logistic regression on rotated features, to be solved at several strengths.

    Args:
        x: features along the axes, and a column of ones.
        labels: class numbers of its rows.
        weights: how much the loss of each row counts.
        variances: of the axes.
        num_classes: number of classes.
        blocks: parts of the rows that are multiplied apart, by `map`: threads may share them. The sums depend on
            their number, and not on that of the threads.
        map: as the built-in one.
    """

    def __init__(
        self,
        x: Float32[np.ndarray, "rows axes_and_one"],
        labels: Int[np.ndarray, "rows"],
        weights: Float[np.ndarray, "rows"],
        variances: Float[np.ndarray, "k"],
        num_classes: int,
        *,
        blocks: int = 1,
        map: Map = map,
    ):
        shares = (weights / len(labels)).astype(np.float32)
        self._blocks: list[Any] = [
            _Block(x[part], labels[part], shares[part]) for part in cuts(len(labels), blocks)
        ]
        self._curvatures = np.append(variances, 1.0)[:, None] * (CURVATURE / num_classes)
        self._shape, self._map = (x.shape[1], num_classes), map

    dot: Dot = staticmethod(lambda one, other: float(np.vdot(one, other)))
    """Of two arrays of weights."""

    def solve(
        self,
        strength: Numbers,
        tolerance: float,
        starts: Sequence[Weights] = (),
        *,
        most_steps: int = 200,
    ) -> Weights:
        """Return the weights of least loss.

        Args:
            strength: of the L2 penalty.
            tolerance: of the penalty: how much more loss may be left, as the preconditioned gradient has it.
            starts: solutions of other strengths, the nearest first; of two the line through both is searched.
            most_steps: after so many, what was reached is the answer.
        """
        penalties = np.full((self._shape[0], np.size(strength)), strength)
        penalties[-1] = 0
        scale = (1 / np.sqrt(self._curvatures + penalties)).astype(np.float32)
        line = _Line(self._blocks, self._map, scale, (penalties * scale**2).astype(np.float32), self.dot)
        at = np.zeros(self._shape, np.float32) if not starts else starts[0] / scale
        line.begin(at)
        if len(starts) > 1:
            at = line.search(at, (starts[1] - starts[0]) / scale)
        if starts:
            at = line.rescale(at)
        gradient = line.gradient(at)
        pairs: list[tuple[np.ndarray, np.ndarray, Numbers]] = []
        ended = np.zeros(np.shape(strength), bool)
        for _ in range(most_steps):
            ended = ended | (self.dot(gradient, gradient) / 2 <= tolerance * line.penalty(at))
            if ended.all():
                break
            direction = lbfgs_direction(gradient, pairs, self.dot)
            if ended.any():
                # The others go on without it.
                direction[:, ended] = 0
            new = line.search(at, direction)
            change = line.gradient(new)
            change, gradient, step, at = change - gradient, change, new - at, new
            curvature = self.dot(step, change)
            # Where it is not above 0, rounding errors are all that is left.
            ended = ended | (curvature <= 0)
            pairs = [*pairs[1 - PAIRS :], (step, change, inverse_of(curvature))]
        return at * scale


def cuts(rows: int, blocks: int) -> list[slice]:
    """Return so many parts of the rows, one after another, or as many as there are rows."""
    ends = np.linspace(0, rows, min(blocks, rows) + 1).astype(int)
    return [slice(int(first), int(end)) for first, end in itertools.pairwise(ends)]


class _Block:
    """Some rows, their logits, and how these change along the line that is searched."""

    def __init__(self, x: np.ndarray, labels: np.ndarray, shares: np.ndarray):
        self.x, self.shares, self.own = x, shares, (np.arange(len(labels)), labels)

    def begin(self, weights: np.ndarray) -> None:
        self.logits = self.x @ weights
        self.look_along(None)
        self.slope_at(0.0)

    def look_along(self, direction: np.ndarray | None) -> None:
        """Along a direction of the weights; None: along the logits themselves."""
        self.along = self.logits if direction is None else self.x @ direction

    def slope_at(self, step: float) -> tuple[float, float]:
        """First and second derivative of the loss along the line. The probabilities there are kept."""
        shares = self.along * np.float32(step)
        shares += self.logits
        shares -= shares.max(axis=1, keepdims=True)
        np.exp(shares, out=shares)
        shares /= shares.sum(axis=1, keepdims=True)
        self.probabilities = shares
        weighted = shares * self.along
        mean = weighted.sum(axis=1)
        slope = self.shares @ (mean - self.along[self.own])
        return float(slope), float(self.shares @ (np.einsum("ij,ij->i", weighted, self.along) - mean * mean))

    def move(self, step: float) -> None:
        self.logits = self.logits + np.float32(step) * self.along

    def gradient(self) -> np.ndarray:
        errors = self.probabilities
        errors[self.own] -= 1
        errors *= self.shares[:, None]
        return self.x.T @ errors


class _Line:
    """Where a problem stands, in preconditioned weights: the true ones are `scale` times as large."""

    def __init__(self, blocks: Sequence[Any], map: Map, scale: np.ndarray, penalties: np.ndarray, dot: Dot):
        self.blocks, self.map, self.scale, self.penalties, self.dot = blocks, map, scale, penalties, dot

    def begin(self, at: Weights) -> None:
        weights = at * self.scale
        list(self.map(lambda block: block.begin(weights), self.blocks))

    def gradient(self, at: Weights) -> Weights:
        total = sum(self.map(lambda block: block.gradient(), self.blocks))
        return total * self.scale + self.penalties * at

    def penalty(self, at: Weights) -> Numbers:
        return self.dot(at, self.penalties * at) / 2

    def rescale(self, at: Weights) -> Weights:
        return self._search(at, at, None)

    def search(self, at: Weights, direction: Weights) -> Weights:
        return self._search(at, direction, direction * self.scale)

    def _search(self, at: Weights, direction: Weights, of_weights: Weights | None) -> Weights:
        penalised = self.penalties * direction
        first, second = self.dot(at, penalised), self.dot(direction, penalised)
        list(self.map(lambda block: block.look_along(of_weights), self.blocks))

        def derivatives(step: Numbers) -> tuple[Numbers, Numbers]:
            parts = list(self.map(lambda block: block.slope_at(step), self.blocks))
            return first + step * second + sum(a for a, _ in parts), second + sum(b for _, b in parts)

        step = _newton(derivatives)
        list(self.map(lambda block: block.move(step), self.blocks))
        return at + np.float32(step) * direction


def _newton(derivatives: Callable[[Numbers], tuple[Numbers, Numbers]]) -> Numbers:
    """Return where a convex function of one number is nearly least, from its first two derivatives; or several
    functions, each of a number of its own.

    The last numbers asked for are those returned: what was kept of them is of use.
    """
    slope, curvature = derivatives(0.0)
    step = np.zeros(np.shape(slope))
    low, high = step - np.inf, step + np.inf
    enough = SLOPE_LEFT * np.abs(slope)
    going = step == 0
    for _ in range(LINE_STEPS):
        high, low = np.where(slope > 0, step, high), np.where(slope > 0, low, step)
        going &= (slope != 0) & (curvature > 0)
        if not going.any():
            break
        new = step - np.divide(slope, curvature, out=np.zeros(np.shape(slope)), where=going)
        with np.errstate(invalid="ignore"):
            # Where the curvature is falling off, Newton's step leads too far.
            new = np.where((low < new) & (new < high), new, (low + high) / 2)
        lost = ~np.isfinite(new) & going
        going &= ~lost
        step = np.where(going, new, np.where(lost, 0.0, step))
        slope, curvature = derivatives(step[()])
        going &= np.abs(slope) > enough
        if not going.any():
            break
    return step[()]


def lbfgs_direction(
    gradient: np.ndarray, pairs: Sequence[tuple[np.ndarray, np.ndarray, Numbers]], dot: Dot
) -> np.ndarray:
    """Return the two loops of L-BFGS (Nocedal 1980)."""
    direction, alphas = -gradient, []
    for step, change, inverse in reversed(pairs):
        alphas.append(inverse * dot(step, direction))
        direction -= np.float32(alphas[-1]) * change
    if pairs:
        _, change, inverse = pairs[-1]
        direction *= np.float32(inverse_of(inverse * dot(change, change)))
    for (step, change, inverse), alpha in zip(pairs, reversed(alphas), strict=True):
        direction += np.float32(alpha - inverse * dot(change, direction)) * step
    return direction


def inverse_of(numbers: Numbers) -> Numbers:
    """Return 1 divided by each that is above 0, and 0 for the others."""
    above = np.asarray(numbers) > 0
    return np.divide(1.0, numbers, out=np.zeros(above.shape), where=above)[()]
