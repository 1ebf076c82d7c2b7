"""Cross-validation of the linear head: which photos a fold holds out, and what fits without them say of these."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Float, Float32, Int

from budwood.core.progress.base import SILENT, Progress, Stage, expect
from budwood.core.system import num_cores
from budwood.training.logistic import ROWS_AT_A_TIME, Axes, Problem
from budwood.training.strength_path import TYPICAL, Known, PathPoint, best, search

MAX_BYTES = 2**30
"""Of what a fit needs at once beside the features: 1 GiB."""
STATES = 24
"""Arrays as large as the weights that a fit has at once."""
SMALLEST_SCALE = 0.05
"""Of the median feature's standard deviation: the least that a feature's counts as when features are scaled."""
# Of the penalty: how much more loss may be left. On flower_photos and birds525 the losses of the path are within 0.02
# of those of a full solution, and the best strength is the same.
PATH_TOLERANCE = 2e-4


def assign_folds(
    labels: Int[np.ndarray, "n"], folds: int, seed: int, groups: Sequence[Hashable] | None = None
) -> Int[np.ndarray, "n"]:
    """Return the fold that holds out each photo, 0 to `folds` - 1, or -1 for a class's only photo.

    Stratified; a class with fewer photos than folds is spread over as many folds as it has photos, so that the
    rest of the photos always hold every class. Photos of a group are in one fold; a class of one group alone is never
    held out.
    """
    rng = np.random.default_rng(seed)
    fold_of = np.full(len(labels), -1)
    if groups is not None and any(groups):
        return _folds_of_groups(labels, folds, rng, groups)
    dealt = 0
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        if len(members) > 1:
            fold_of[members] = (dealt + np.arange(len(members))) % folds
            dealt += len(members)
    return fold_of


def _folds_of_groups(
    labels: Int[np.ndarray, "n"], folds: int, rng: np.random.Generator, groups: Sequence[Hashable]
) -> Int[np.ndarray, "n"]:
    """Large groups first, each to the fold that has fewest of its classes' photos."""
    members: dict[Hashable, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[("group", group) if group else ("photo", index)].append(index)
    units = [np.array(some) for some in members.values()]
    classes, places = np.unique(labels, return_inverse=True)
    counts = np.array([np.bincount(places[unit], minlength=len(classes)) for unit in units])
    totals = counts.sum(axis=0)
    only = np.array([np.count_nonzero(column) == 1 for column in counts.T])
    alone = np.sum(counts[:, only], axis=1) > 0
    held = np.zeros((folds, len(classes)))
    fold_of = np.full(len(labels), -1)
    for index in sorted(rng.permutation(len(units)).tolist(), key=lambda unit: -len(units[unit])):
        if alone[index]:
            continue
        # A fold may not hold out all of a class.
        left = np.where(counts[index] > 0, totals - held - counts[index], 1)
        allowed = np.flatnonzero(left.min(axis=1) > 0)
        if not len(allowed):
            continue
        full = (held[allowed] / totals) @ counts[index]
        fold = allowed[np.lexsort((held[allowed].sum(axis=1), full))[0]]
        fold_of[units[index]] = fold
        held[fold] += counts[index]
    return fold_of


def moments(
    features: Float32[np.ndarray, "n features"],
) -> tuple[Float[np.ndarray, "features"], Float[np.ndarray, "features"]]:
    """Return what to take off features and what to divide them by."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    for first in range(0, len(features), ROWS_AT_A_TIME):
        scaler.partial_fit(features[first : first + ROWS_AT_A_TIME])
    return scaler.mean_, pareto_scale(scaler.scale_, scaler.var_)


def pareto_scale(
    deviations: Float[np.ndarray, "features"], variances: Float[np.ndarray, "features"]
) -> Float[np.ndarray, "features"]:
    """Return what to divide features by, from their standard deviations: the root of these (Pareto scaling, van den
    Berg et al. 2006), in the unit that leaves them a mean variance of 1.

    Divided by the deviation itself, each of a thousand features counts alike under the penalty, also those that say
    little and of which few photos estimate the deviation badly: up to 5 points of accuracy less with few photos, and no
    more with thousands (docs/experiments/log.md). Features that hardly move count as if they moved a twentieth as much
    as the median one: those that are constant have no deviation to be divided by.
    """
    moving = deviations[variances > 0]
    if not len(moving):
        return np.ones(len(deviations))
    return np.sqrt(np.maximum(deviations, SMALLEST_SCALE * np.median(moving)) * moving.mean())


def wrap(fold_of: Int[np.ndarray, "n"]) -> tuple[np.ndarray, list[slice], list[slice]]:
    """Return an order of rows in which each fold's training rows, and all rows, are contiguous: no fold needs a copy.

    The folds in a row, then what is never held out, then the folds again without the last: the training rows of
    a fold begin behind it and end before it comes again.
    """
    names = [fold for fold in np.unique(fold_of) if fold >= 0]
    members = [np.flatnonzero(fold_of == fold) for fold in names]
    rows = np.concatenate([*members, np.flatnonzero(fold_of < 0), *members[:-1]])
    ends = np.cumsum([len(member) for member in members])
    n = len(fold_of)
    train = [slice(int(end), n + int(end) - len(m)) for end, m in zip(ends, members, strict=True)]
    held_out = [slice(int(end) - len(m), int(end)) for end, m in zip(ends, members, strict=True)]
    return rows, train, held_out


def fit_bytes(features: int, classes: int) -> int:
    """Return the bytes that one fit needs beside its features."""
    return 4 * STATES * features * classes


def threads(features: int, classes: int) -> int:
    """Return how many fits are solved at once: as many as there are cores and memory for."""
    return max(1, min(num_cores(), MAX_BYTES // fit_bytes(features, classes)))


class CrossValidation:
    """Scores strengths on the folds, each fold in a thread of its own."""

    def __init__(
        self, problems: Sequence[Problem], held_out: Sequence[tuple], pool: ThreadPoolExecutor, stage: Stage
    ):
        self.problems, self.held_out, self.pool, self.stage = problems, held_out, pool, stage
        self.known = Known()

    def score(self, strength: float) -> PathPoint:
        """Return what a strength does to the photos that were held out, weighted as in the loss."""
        starts = self.known.nearest(strength, len(self.problems))
        if len(self.known.points) >= TYPICAL:
            expect(self.stage, num_fits(len(self.known.points) + 1, self.problems))
        solve = lambda problem, start: problem.solve(strength, PATH_TOLERANCE, start)  # noqa: E731
        solutions, losses, correct = [], [], []
        for solution, (x, labels, weights) in zip(
            self.pool.map(solve, self.problems, starts), self.held_out, strict=True
        ):
            solutions.append(solution)
            loss, right = _measure(x @ solution, labels)
            losses.append(loss * weights)
            correct.append(right)
            self.stage.advance()
        loss, right = np.concatenate(losses), np.concatenate(correct)
        error = loss.std(ddof=1) / np.sqrt(len(loss))
        point = PathPoint(strength, float(loss.mean()), float(right.mean()), float(error))
        self.known.add(point, solutions)
        return point


def _measure(
    logits: Float32[np.ndarray, "n classes"], labels: Int[np.ndarray, "n"]
) -> tuple[np.ndarray, np.ndarray]:
    """Return each photo's loss, and whether it is right."""
    from scipy.special import log_softmax

    losses = -log_softmax(logits, axis=1)[np.arange(len(logits)), labels]
    return losses.astype(np.float64), logits.argmax(axis=1) == labels


def num_fits(strengths: int, folds: Sequence) -> int:
    """Return the number of fits of a path and the one on all photos."""
    return strengths * len(folds) + 1


class OutOfFold:
    """What linear heads say of photos that they did not learn from: one head a fold, asked as often as needed.

    Args:
        features: one row a photo, float32.
        labels: class numbers, 0 to `num_classes` - 1.
        num_classes: number of classes, 2 or more.
        folds, seed, groups: as `assign_folds` takes them.
        progress: told of every fit, as stage "labels".

    Memory: as `fit_linear`.
    """

    def __init__(
        self,
        features: Float32[np.ndarray, "n features"],
        labels: Int[np.ndarray, "n"],
        num_classes: int,
        *,
        folds: int = 5,
        seed: int = 0,
        groups: Sequence[Hashable] | None = None,
        progress: Progress = SILENT,
    ):
        from threadpoolctl import threadpool_limits

        self.fold_of = assign_folds(labels, folds, seed, groups)
        self._rows, self._train, self._held_out = wrap(self.fold_of)
        with threadpool_limits(1):
            self._axes = Axes.of(features, *moments(features))
            self._x = self._axes.rotate(features, self._rows)
        self._labels, self._num_classes, self._progress = labels, num_classes, progress
        self._threads = threads(features.shape[1], num_classes)
        self._starts: dict[float, list[np.ndarray]] = {}

    def logits(
        self,
        strength: float | None = None,
        weights: Float[np.ndarray, "n"] | None = None,
        near: float | None = None,
    ) -> tuple[Float32[np.ndarray, "n classes"], float]:
        """Return the logits of each photo by the head of its fold, NaN where none holds it out, and the strength.

        Args:
            strength: of the L2 penalty; by default the one of lowest cross-validated loss.
            weights: how much each photo counts in what is learned and in that loss; by default all alike.
            near: the strength of the last answer, beside which, or weaker, that one is looked for, from the solutions
                that are known; by default anywhere.
        """
        from threadpoolctl import threadpool_limits

        n = len(self._labels)
        found = np.full((n, self._num_classes), np.nan, np.float32)
        if not self._train:
            return found, 0.0
        weights = np.ones(n) if weights is None else weights
        x, y, w = self._x, self._labels[self._rows], weights[self._rows]
        parts = [(x[part], y[part], w[part]) for part in self._held_out]
        problems = [Problem(x[p], y[p], w[p], self._axes.variances, self._num_classes) for p in self._train]
        total = num_fits(TYPICAL if strength is None else 1, self._train) - 1
        with (
            self._progress.stage("labels", total, "fits") as stage,
            threadpool_limits(1),
            ThreadPoolExecutor(self._threads) as pool,
        ):
            validation = CrossValidation(problems, parts, pool, stage)
            if near is not None:
                validation.known.solutions |= self._starts
            if strength is None:
                path = search(validation.score, near)
                expect(stage, len(path) * len(self._train))
                strength = best(path).strength
            else:
                validation.score(strength)
            solutions = validation.known.solutions[strength]
        self._starts = {strength: solutions}
        for solution, part in zip(solutions, self._held_out, strict=True):
            found[self._rows[part]] = x[part] @ solution
        return found, strength
