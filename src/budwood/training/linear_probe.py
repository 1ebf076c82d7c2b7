"""The linear head: multinomial logistic regression whose L2 strength is chosen by cross-validation.

What is minimised is the mean cross-entropy per photo + strength / 2 * ||W||^2 on standardised features, the bias
unpenalised; scikit-learn's C is 1 / (strength * n). The standardisation is folded into kernel and bias, so that
the result is a plain dense layer on the raw features.

Memory: about three times the features of the training split (float32: 4 bytes * photos * features): the caller's
array and 1.8 rotated copies, whatever the number of threads. flower_photos with 1280 features: 45 MB. With many
classes also some 24 arrays of features * classes for each of two to five fits at once, 1 GiB at most, and 20 for the
solutions that others start from: 1,000 classes with 1280 features 500 MB on two cores.
"""

import time
from collections import defaultdict
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32, Int

from budwood.config.recipe import Recipe
from budwood.core.errors import DataError
from budwood.core.progress.base import SILENT, Progress, Stage, expect
from budwood.core.system import num_cores
from budwood.training.class_weights import class_weights
from budwood.training.logistic import ROWS_AT_A_TIME, Axes, Problem
from budwood.training.strength_path import TYPICAL, Known, PathPoint, best, search

MAX_BYTES = 2**30
"""Features above 1 GiB would need 3 GiB here, more than a laptop with 8 GB has to spare; likewise a fit's own."""
MAX_WORK = 2 * 10**10
"""photos * features * classes. 12,000 photos of 120 classes with 1280 features are 1.8e9."""
UNTUNED_STRENGTH = 0.1
"""Where no photo can be held out."""

SMALLEST_SCALE = 0.05
"""Of the median feature's standard deviation: what a feature is divided by at least when it is standardised."""

# Of the penalty: how much more loss may be left. On flower_photos and birds525 the losses of the path are within 0.02
# of those of a full solution, and the best strength is the same.
PATH_TOLERANCE = 2e-4
FINAL_TOLERANCE = 1e-9
FINAL_STEPS = 300
"""Of the fit on all photos where it is small, ..."""
FEWEST_FINAL_STEPS = 30
"""... and where it is large, so that it takes no longer than the path: its weakest strengths take hundreds."""
FINAL_WORK = 6 * 10**10
FINAL_BLOCKS = 4
"""Parts of its rows that are multiplied apart, in threads."""
STEPS_ON_PATH = 8
"""That a fit takes on the path; of birds525 7.5, of flower_photos 6, ..."""
PRODUCTS_A_STEP = 4
"""... and the time of each in products of all rows by the weights: two, and as much again around them."""
STATES = 24
"""Arrays as large as the weights that a fit has at once."""


@dataclass(frozen=True)
class LinearFit:
    """A fitted linear head: probabilities are softmax(features @ kernel + bias)."""

    kernel: Float32[np.ndarray, "features classes"]
    bias: Float32[np.ndarray, "classes"]
    strength: float
    path: list[PathPoint]
    seconds: float


def linear_fits(n: int, features: int, classes: int) -> bool:
    """Whether `fit_linear` is within its stated memory and a few minutes on two cores.

    >>> linear_fits(2936, 1280, 5), linear_fits(12_000, 1280, 120), linear_fits(58_000, 1280, 400)
    (True, True, False)
    """
    return (
        4 * n * features <= MAX_BYTES
        and _fit_bytes(features, classes) <= MAX_BYTES
        and n * features * classes <= MAX_WORK
    )


def fit_linear(
    features: Float32[np.ndarray, "n features"],
    labels: Int[np.ndarray, "n"],
    num_classes: int,
    *,
    strengths: Literal["auto"] | Sequence[float] = "auto",
    folds: int = 5,
    seed: int = 0,
    weights: Float[np.ndarray, "n"] | None = None,
    groups: Sequence[Hashable] | None = None,
    progress: Progress = SILENT,
) -> LinearFit:
    """The logistic regression with the lowest cross-validated log loss along a path of L2 strengths.

    The loss chooses, not the accuracy: on MobileNetV2 features of flower_photos both choices are as accurate (88.4 %,
    eight splits) while the chosen loss is 4 % lower, and accuracy, a count of a few photos, jumps from fold to fold.
    Ties go to the stronger penalty.

    Args:
        features: one row a training photo, float32.
        labels: class numbers, 0 to `num_classes` - 1, each present.
        num_classes: number of classes, 2 or more.
        strengths: the L2 strengths to try, in units of the mean loss per photo. "auto" looks for the best of three a
            decade, decades first (`strength_path.search`). One strength alone is taken as it is: nothing is held
            out, and the path is empty.
        folds: folds of the cross-validation. They are stratified; a class's only photo is never held out.
        seed: decides the folds.
        weights: how much each photo's loss counts, 1 on average; in the cross-validated loss too.
        groups: of each photo what it shares with those that belong with it: they are held out together. None or ""
            for a photo that stands alone.
        progress: told of every fit, as stage "head".

    Returns:
        The fit on all rows at the best strength, with the path in order of falling strength. Where every class
        has one photo alone, nothing can be held out: the path is empty and the strength 0.1.

    Raises:
        DataError: a class without a photo, fewer than two classes, or a feature that is not finite.
    """
    from threadpoolctl import threadpool_limits

    started = time.perf_counter()
    _refuse_bad_input(features, labels, num_classes)
    given = None if isinstance(strengths, str) or len(strengths) > 1 else float(strengths[0])
    fold_of = assign_folds(labels, folds, seed, groups) if given is None else np.full(len(labels), -1)
    rows, train, held_out = _wrap(fold_of)
    tried = None if isinstance(strengths, str) else sorted({float(one) for one in strengths}, reverse=True)
    # A thread a fold with one BLAS thread each: several times faster than BLAS threads on such narrow products,
    # and the sums do not depend on the number of cores.
    with (
        progress.stage("head", _num_fits(TYPICAL if tried is None else len(tried), train), "fits") as stage,
        threadpool_limits(1),
        ThreadPoolExecutor(_threads(features.shape[1], num_classes)) as pool,
    ):
        axes = Axes.of(features, *_moments(features))
        x, y = axes.rotate(features, rows), labels[rows]
        w = np.ones(len(rows)) if weights is None else weights[rows]

        def problem(part: slice, blocks: int = 1) -> Problem:
            # Each thread has a fold of its own; the fit on all photos has them all.
            over = pool.map if blocks > 1 else map
            return Problem(x[part], y[part], w[part], axes.variances, num_classes, blocks=blocks, map=over)

        path, strength, starts = [], UNTUNED_STRENGTH if given is None else given, []
        if train:
            parts = [(x[part], y[part], w[part]) for part in held_out]
            validation = _CrossValidation([problem(part) for part in train], parts, pool, stage)
            path = search(validation.score) if tried is None else [validation.score(one) for one in tried]
            expect(stage, _num_fits(len(path), train))
            strength = best(path).strength
            starts = [np.mean(validation.known.solutions[strength], axis=0)]
            del validation
        n = len(labels)
        steps = FINAL_WORK // (n * x.shape[1] * num_classes)
        steps = max(FEWEST_FINAL_STEPS, min(FINAL_STEPS, steps))
        final = problem(slice(0, n), FINAL_BLOCKS)
        kernel, bias = axes.unfold(final.solve(strength, FINAL_TOLERANCE, starts, most_steps=steps))
        stage.advance()
    return LinearFit(kernel, bias, strength, path, time.perf_counter() - started)


def resolve_fit(recipe: Recipe, photos: int, features: int, classes: int) -> tuple[Recipe, str | None]:
    """The recipe with `frozen.fit` decided, and a line that says why where the user could be surprised.

    A linear fit that would need too much memory or time gives way to the gradient fit.
    """
    wanted, reason = recipe.frozen.fit, None
    if wanted == "auto":
        wanted = "gradient" if _needs_gradient(recipe) else "linear"
    if wanted == "linear" and not linear_fits(photos, features, classes):
        wanted = "gradient"
        reason = (
            f"{photos:,} photos x {features:,} features x {classes:,} classes are too many for the linear fit: "
            "the head is trained by gradient steps instead"
        )
    return recipe.model_copy(update={"frozen": recipe.frozen.model_copy(update={"fit": wanted})}), reason


def fit_as_asked(
    recipe: Recipe,
    features: Float32[np.ndarray, "n features"],
    labels: Int[np.ndarray, "n"],
    classes: Sequence[str],
    *,
    groups: Sequence[Hashable] | None = None,
    progress: Progress = SILENT,
) -> LinearFit:
    """`fit_linear` with the strengths, the folds and the class weights of a recipe.

    Raises DataError as `fit_linear` does, and RecipeError where the weights are of other classes.
    """
    weights = class_weights(recipe.loss, labels, classes)[labels]
    return fit_linear(
        features,
        labels,
        len(classes),
        strengths=recipe.frozen.l2_strengths,
        folds=recipe.frozen.folds,
        seed=recipe.seed,
        weights=None if recipe.loss.class_weights == "none" else weights,
        groups=groups,
        progress=progress,
    )


def assign_folds(
    labels: Int[np.ndarray, "n"], folds: int, seed: int, groups: Sequence[Hashable] | None = None
) -> Int[np.ndarray, "n"]:
    """The fold that holds out each photo, 0 to `folds` - 1, or -1 for a class's only photo.

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


def _refuse_bad_input(features, labels, num_classes: int) -> None:
    missing = np.setdiff1d(np.arange(num_classes), labels)
    if num_classes < 2 or len(missing):
        without = f"no photo of class number {missing[0]}" if len(missing) else f"{num_classes} class"
        raise DataError(
            f"the linear head has {without} to learn from. Expected two or more classes, each with a training photo"
        )
    if not np.isfinite(features.sum(dtype=np.float64)):
        raise DataError(
            "some features are not finite, expected plain numbers. Check the backbone's weights, "
            'or take backbone.precision = "f32"'
        )


def _moments(features) -> tuple[Float[np.ndarray, "features"], Float[np.ndarray, "features"]]:
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    for first in range(0, len(features), ROWS_AT_A_TIME):
        scaler.partial_fit(features[first : first + ROWS_AT_A_TIME])
    # A feature that hardly moves on few training photos may be thousands of such deviations away on a new one.
    moving = scaler.scale_[scaler.var_ > 0]
    least = SMALLEST_SCALE * np.median(moving) if len(moving) else 1.0
    return scaler.mean_, np.maximum(scaler.scale_, least)


def _wrap(fold_of: Int[np.ndarray, "n"]) -> tuple[np.ndarray, list[slice], list[slice]]:
    """An order of rows in which each fold's training rows, and all rows, are contiguous: no fold needs a copy.

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


def fit_seconds(n: int, features: int, classes: int, recipe: Recipe) -> float:
    """Return about how long `fit_as_asked` takes on this machine, from the time of a small matrix product.

    Args:
        n: training photos.
        features: numbers a photo.
        classes: number of classes.
        recipe: its [frozen] decides how many fits there are.
    """
    rows = min(n, 512)
    one = np.ones((rows, features), np.float32)
    other = np.ones((features, classes), np.float32)
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        one @ other
        started = time.perf_counter()
        one @ other
        product = (time.perf_counter() - started) * n / rows
    strengths, folds = recipe.frozen.l2_strengths, recipe.frozen.folds
    tried = TYPICAL if isinstance(strengths, str) else len(strengths) * (len(strengths) > 1)
    threads = min(_threads(features, classes), folds)
    path = tried * folds * STEPS_ON_PATH / threads
    final = min(FINAL_STEPS, max(FEWEST_FINAL_STEPS, FINAL_WORK // (n * features * classes)))
    return product * PRODUCTS_A_STEP * (path + final / min(_threads(features, classes), FINAL_BLOCKS))


class _CrossValidation:
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
            expect(self.stage, _num_fits(len(self.known.points) + 1, self.problems))
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


def _num_fits(strengths: int, folds: Sequence) -> int:
    return strengths * len(folds) + 1


def _fit_bytes(features: int, classes: int) -> int:
    return 4 * STATES * features * classes


def _threads(features: int, classes: int) -> int:
    """As many as there are cores and memory for."""
    return max(1, min(num_cores(), MAX_BYTES // _fit_bytes(features, classes)))


def _needs_gradient(recipe: Recipe) -> bool:
    head, loss = recipe.head, recipe.loss
    return bool(
        head.hidden
        or head.batch_norm
        or head.dropout
        or loss.label_smoothing
        or loss.focal
        or recipe.augment.mixup
        or recipe.distill.run
    )
