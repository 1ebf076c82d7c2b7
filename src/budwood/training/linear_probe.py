"""The linear head: multinomial logistic regression whose L2 strength is chosen by cross-validation.

What is minimised is the mean cross-entropy per photo + strength / 2 * ||W||^2 on standardised features, the bias
unpenalised; scikit-learn's C is 1 / (strength * n). The standardisation is folded into kernel and bias, so that
the result is a plain dense layer on the raw features.

Memory: about three times the features of the training split (float32: 4 bytes * photos * features): the caller's
array and 1.8 standardised copies, whatever the number of threads. flower_photos with 1280 features: 45 MB.
"""

import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32, Int

from budwood.config.recipe import Recipe
from budwood.core.errors import DataError
from budwood.core.progress.base import SILENT, Progress
from budwood.core.system import num_cores
from budwood.training.class_weights import class_weights

MAX_BYTES = 2**30
"""Features above 1 GiB would need 3 GiB here, more than a laptop with 8 GB has to spare."""
MAX_WORK = 4 * 10**9
"""photos * features * classes. 12,000 photos of 120 classes with 1280 features are 1.8e9."""
STRENGTHS = tuple(float(strength) for strength in np.logspace(0, -3, 10))
"""The path of "auto", three strengths a decade; on photos and ImageNet features the best is near 0.03."""
WEAKEST, STRONGEST = 1e-6, 1e2
"""How far the path is extended while its best strength is at an edge."""
UNTUNED_STRENGTH = 0.1
"""Where no photo can be held out."""

SMALLEST_SCALE = 0.05
"""Of the median feature's standard deviation: what a feature is divided by at least when it is standardised."""

ROWS_AT_A_TIME = 4096
# Of the largest entry of the gradient. A gradient g leaves at most |g|^2 / (2 * strength) of loss above the minimum
# (strong convexity): tolerances in proportion to the square root of the strength are equally exact along the path.
# A class's gradient goes with its share of the photos: hence 1 / classes. Ten times tighter, the path's losses on
# flower_photos move by less than 0.005 and the best strength not at all.
PATH_TOLERANCE = 0.03
FINAL_TOLERANCE = 5e-4


@dataclass(frozen=True)
class PathPoint:
    """Cross-validated quality of one strength: means over the held-out photos, and the loss's standard error."""

    strength: float
    loss: float
    accuracy: float
    loss_se: float


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
    return 4 * n * features <= MAX_BYTES and n * features * classes <= MAX_WORK


def fit_linear(
    features: Float32[np.ndarray, "n features"],
    labels: Int[np.ndarray, "n"],
    num_classes: int,
    *,
    strengths: Literal["auto"] | Sequence[float] = "auto",
    folds: int = 5,
    seed: int = 0,
    weights: Float[np.ndarray, "n"] | None = None,
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
        strengths: the L2 strengths to try, in units of the mean loss per photo. "auto" goes from 1 down to 0.001,
            stops early where the loss has risen twice, and goes on past either end while the best is there. One
            strength alone is taken as it is: nothing is held out, and the path is empty.
        folds: folds of the cross-validation. They are stratified; a class's only photo is never held out.
        seed: decides the folds.
        weights: how much each photo's loss counts, 1 on average; in the cross-validated loss too.
        progress: told of every fit, as stage "head".

    Returns:
        The fit on all rows at the best strength, with the path in order of falling strength. Where every class
        has one photo alone, nothing can be held out: the path is empty and the strength 0.1.

    Raises:
        DataError: a class without a photo, fewer than two classes, or a feature that is not finite.
    """
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    started = time.perf_counter()
    _refuse_bad_input(features, labels, num_classes)
    mean, scale = _moments(features)
    given = None if isinstance(strengths, str) or len(strengths) > 1 else float(strengths[0])
    fold_of = assign_folds(labels, folds, seed) if given is None else np.full(len(labels), -1)
    rows, train, held_out = _wrap(fold_of)
    x, y = _standardise(features, rows, mean, scale), labels[rows]
    w = np.ones(len(rows)) if weights is None else weights[rows]
    problems = [_Problem(x[a], y[a], w[a], x[b], y[b], w[b]) for a, b in zip(train, held_out, strict=True)]

    # A thread a fold with one BLAS thread each: several times faster than BLAS threads on such narrow products,
    # and the sums do not depend on the number of cores.
    threads = min(len(problems), num_cores()) or 1
    with (
        progress.stage("head", unit="fits") as stage,
        threadpool_limits(1),
        ThreadPoolExecutor(threads) as pool,
        warnings.catch_warnings(),
    ):
        # Float32 cannot always reach the tolerance; what it reaches is the answer.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # With few photos a class, scikit-learn asks whether this is a regression.
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        solutions: dict[float, list[tuple]] = {}

        def score(strength: float) -> PathPoint:
            results = list(pool.map(lambda problem: problem.score(strength), problems))
            stage.advance(len(problems))
            solutions[strength] = [solution for solution, _, _ in results]
            losses = np.concatenate([losses for _, losses, _ in results])
            correct = np.concatenate([correct for _, _, correct in results])
            error = losses.std(ddof=1) / np.sqrt(len(losses))
            return PathPoint(strength, float(losses.mean()), float(correct.mean()), float(error))

        if not problems:
            path, strength, start = [], UNTUNED_STRENGTH if given is None else given, None
        else:
            path = _auto_path(score) if isinstance(strengths, str) else _given_path(score, strengths)
            strength = best(path).strength
            start = tuple(np.mean(parts, axis=0) for parts in zip(*solutions[strength], strict=True))
        n = len(labels)
        final = _Problem(x[:n], y[:n], w[:n], x[:0], y[:0], w[:0])
        coefficients, intercept = final.solve(strength, FINAL_TOLERANCE, start)
        stage.advance()

    kernel, bias = _softmax_weights(coefficients, intercept)
    bias = bias - (mean / scale) @ kernel
    kernel = kernel / scale[:, None]
    seconds = time.perf_counter() - started
    return LinearFit(kernel.astype(np.float32), bias.astype(np.float32), strength, path, seconds)


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
        progress=progress,
    )


def assign_folds(labels: Int[np.ndarray, "n"], folds: int, seed: int) -> Int[np.ndarray, "n"]:
    """The fold that holds out each photo, 0 to `folds` - 1, or -1 for a class's only photo.

    Stratified; a class with fewer photos than folds is spread over as many folds as it has photos, so that the
    rest of the photos always hold every class.
    """
    rng = np.random.default_rng(seed)
    fold_of = np.full(len(labels), -1)
    dealt = 0
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        if len(members) > 1:
            fold_of[members] = (dealt + np.arange(len(members))) % folds
            dealt += len(members)
    return fold_of


def best(path: Sequence[PathPoint]) -> PathPoint:
    """The point of lowest loss; of equal ones the strongest."""
    return min(path, key=lambda point: (point.loss, -point.strength))


def _auto_path(score) -> list[PathPoint]:
    path: list[PathPoint] = []
    for strength in STRENGTHS:
        path.append(score(strength))
        if _risen_twice(path):
            break
    step = STRENGTHS[0] / STRENGTHS[1]
    while best(path) is path[-1] and path[-1].strength / step >= WEAKEST:
        path.append(score(path[-1].strength / step))
    while best(path) is path[0] and path[0].strength * step <= STRONGEST:
        path.insert(0, score(path[0].strength * step))
    return path


def _risen_twice(path: list[PathPoint]) -> bool:
    return len(path) > 2 and path[-1].loss > path[-2].loss > path[-3].loss


def _given_path(score, strengths: Sequence[float]) -> list[PathPoint]:
    return [score(float(strength)) for strength in sorted(set(strengths), reverse=True)]


class _Problem:
    """One logistic regression, solved at one strength after the other, each from the last one's solution."""

    def __init__(self, x, y, weights, x_held_out, y_held_out, weights_held_out):
        from sklearn.linear_model import LogisticRegression

        self.x, self.y, self.weights = x, y, weights
        self.x_held_out, self.y_held_out, self.weights_held_out = x_held_out, y_held_out, weights_held_out
        self.model = LogisticRegression(warm_start=True, max_iter=1000)

    def solve(self, strength: float, tolerance: float, start: tuple | None = None) -> tuple:
        if start is not None:
            self.model.coef_, self.model.intercept_ = start
        # With two classes scikit-learn fits the difference of their weights, whose penalty is half the sum's.
        num_classes = self.y.max() + 1
        penalty = strength / 2 if num_classes == 2 else strength
        self.model.set_params(
            C=1 / (penalty * len(self.y)), tol=tolerance * np.sqrt(min(penalty, 0.1)) / num_classes
        )
        self.model.fit(self.x, self.y, sample_weight=self.weights)
        return self.model.coef_.copy(), self.model.intercept_.copy()

    def score(self, strength: float) -> tuple:
        from scipy.special import log_softmax

        solution = self.solve(strength, PATH_TOLERANCE)
        kernel, bias = _softmax_weights(*solution)
        logits = self.x_held_out @ kernel.astype(np.float32) + bias
        losses = -log_softmax(logits, axis=1)[np.arange(len(logits)), self.y_held_out]
        return solution, losses * self.weights_held_out, logits.argmax(axis=1) == self.y_held_out


def _softmax_weights(coefficients, intercept) -> tuple[Float[np.ndarray, "features classes"], np.ndarray]:
    if len(coefficients) == 1:
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercept = np.concatenate([-intercept, intercept]) / 2
    # The same constant for every class changes no probability.
    return coefficients.T.astype(np.float64), intercept.astype(np.float64) - intercept.mean()


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


def _standardise(features, rows, mean, scale) -> Float32[np.ndarray, "rows features"]:
    x = np.empty((len(rows), features.shape[1]), np.float32)
    for first in range(0, len(rows), ROWS_AT_A_TIME):
        chosen = rows[first : first + ROWS_AT_A_TIME]
        x[first : first + ROWS_AT_A_TIME] = (features[chosen] - mean) / scale
    return x


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
