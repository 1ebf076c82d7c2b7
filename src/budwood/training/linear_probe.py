"""The linear head: multinomial logistic regression whose L2 strength is chosen by cross-validation.

What is minimised is the mean cross-entropy per photo + strength / 2 * ||W||^2 on scaled features
(`cross_validation.pareto_scale`), the bias unpenalised; scikit-learn's C is 1 / (strength * n). The scaling is folded
into kernel and bias, so that the result is a plain dense layer on the raw features.

Memory: about three times the features of the training split (float32: 4 bytes * photos * features): the caller's
array and 1.8 rotated copies, whatever the number of threads. flower_photos with 1280 features: 45 MB. With many
classes also some 24 arrays of features * classes for each of two to five fits at once, 1 GiB at most, and 20 for the
solutions that others start from: 1,000 classes with 1280 features 500 MB on two cores.
"""

import time
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32, Int

from budwood.config.recipe import Recipe
from budwood.core.errors import DataError
from budwood.core.progress.base import SILENT, Progress, expect
from budwood.core.system import num_cores
from budwood.training.class_weights import photo_weights
from budwood.training.cross_validation import (
    CrossValidation,
    assign_folds,
    moments,
    num_fits,
    threads,
    wrap,
)
from budwood.training.logistic import Axes, Problem
from budwood.training.probe_size import linear_fits, probe_place, sample_size
from budwood.training.strength_path import TYPICAL, PathPoint, best, search

UNTUNED_STRENGTH = 0.1
"""Where no photo can be held out."""

FINAL_TOLERANCE = 1e-9
FINAL_STEPS = 300
"""Most steps of the fit on all photos, where that is small."""
FEWEST_FINAL_STEPS = 30
"""Most steps where it is large: so it takes no longer than the path, though the weakest strengths take hundreds."""
FINAL_WORK = 6 * 10**10
FINAL_BLOCKS = 4
"""Parts of its rows that are multiplied apart, in threads."""
STEPS_ON_PATH = 8
"""Steps that a fit takes on the path: 7.5 on birds525, 6 on flower_photos."""
SHARDED_PASSES = 50
"""Passes through all rows that a fit over shards takes."""
PRODUCTS_A_STEP = 4
"""The time of a step, in products of all rows by the weights: two, and as much again around them."""


@dataclass(frozen=True)
class LinearFit:
    """A fitted linear head: probabilities are softmax(features @ kernel + bias)."""

    kernel: Float32[np.ndarray, "features classes"]
    bias: Float32[np.ndarray, "classes"]
    strength: float
    path: list[PathPoint]
    seconds: float


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
    """Return the logistic regression with the lowest cross-validated log loss along a path of L2 strengths.

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
    refuse_bad_labels(labels, num_classes)
    refuse_infinite(features)
    given = None if isinstance(strengths, str) or len(strengths) > 1 else float(strengths[0])
    fold_of = assign_folds(labels, folds, seed, groups) if given is None else np.full(len(labels), -1)
    rows, train, held_out = wrap(fold_of)
    tried = None if isinstance(strengths, str) else sorted({float(one) for one in strengths}, reverse=True)
    # A thread a fold with one BLAS thread each: several times faster than BLAS threads on such narrow products,
    # and the sums do not depend on the number of cores.
    with (
        progress.stage("head", num_fits(TYPICAL if tried is None else len(tried), train), "fits") as stage,
        threadpool_limits(1),
        ThreadPoolExecutor(threads(features.shape[1], num_classes)) as pool,
    ):
        axes = Axes.of(features, *moments(features))
        x, y = axes.rotate(features, rows), labels[rows]
        w = np.ones(len(rows)) if weights is None else weights[rows]

        def problem(part: slice, blocks: int = 1) -> Problem:
            # Each thread has a fold of its own; the fit on all photos has them all.
            over = pool.map if blocks > 1 else map
            return Problem(x[part], y[part], w[part], axes.variances, num_classes, blocks=blocks, map=over)

        path, strength, starts = [], UNTUNED_STRENGTH if given is None else given, []
        if train:
            parts = [(x[part], y[part], w[part]) for part in held_out]
            validation = CrossValidation([problem(part) for part in train], parts, pool, stage)
            path = search(validation.score) if tried is None else [validation.score(one) for one in tried]
            expect(stage, num_fits(len(path), train))
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


def resolve_fit(
    recipe: Recipe, photos: int, features: int, classes: int, *, multi_label: bool = False
) -> tuple[Recipe, str | None]:
    """Return the recipe with `frozen.fit` decided, and a line that says why where the user could be
    surprised.

    A linear probe that would need too much memory or time is solved over shards; beyond that, and of several labels a
    photo, it gives way to gradient steps.
    """
    wanted, reason = recipe.frozen.fit, None
    if wanted == "auto":
        wanted = "gradient" if _needs_gradient(recipe) else "linear"
    if wanted == "linear" and not linear_fits(photos, features, classes):
        size = f"{photos:,} photos x {features:,} features x {classes:,} classes are too many for the linear probe"
        if probe_place(photos, features, classes) == "shards" and not multi_label:
            reason = (
                f"{size} in memory: it reads them block by block, and its strength is chosen on "
                f"{sample_size(photos, features, classes):,} of the photos"
            )
        else:
            wanted = "gradient"
            reason = f"{size}: the head is trained by gradient steps instead"
    return recipe.model_copy(update={"frozen": recipe.frozen.model_copy(update={"fit": wanted})}), reason


def fit_as_asked(
    recipe: Recipe,
    features: Float32[np.ndarray, "n features"],
    labels: Int[np.ndarray, "n"],
    classes: Sequence[str],
    *,
    groups: Sequence[Hashable] | None = None,
    weights: Float[np.ndarray, "n"] | None = None,
    progress: Progress = SILENT,
) -> LinearFit:
    """`fit_linear` with the strengths, the folds and the class weights of a recipe, and the photos' own weights.

    Raise DataError as `fit_linear` does or where every weight is 0, and RecipeError where the class weights are of
    other classes.
    """
    return fit_linear(
        features,
        labels,
        len(classes),
        strengths=recipe.frozen.l2_strengths,
        folds=recipe.frozen.folds,
        seed=recipe.seed,
        weights=photo_weights(recipe.loss, labels, classes, weights),
        groups=groups,
        progress=progress,
    )


def refuse_bad_labels(labels: Int[np.ndarray, "n"], num_classes: int) -> None:
    """Raise DataError for fewer than two classes, or one without a photo."""
    missing = np.setdiff1d(np.arange(num_classes), labels)
    if num_classes < 2 or len(missing):
        without = f"no photo of class number {missing[0]}" if len(missing) else f"{num_classes} class"
        raise DataError(
            f"the linear head has {without} to learn from. Expected two or more classes, each with a training photo"
        )


def refuse_infinite(features: Float[np.ndarray, "..."]) -> None:
    """Raise DataError where a feature is not finite."""
    if not np.isfinite(features.sum(dtype=np.float64)):
        raise DataError(
            "some features are not finite, expected plain numbers. Check the backbone's weights, "
            'or take backbone.precision = "f32"'
        )


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
    if probe_place(n, features, classes) != "shards":
        return product * _products(n, features, classes, recipe)
    sample = sample_size(n, features, classes)
    # A pass takes two products and a third of them around these, shared by the cores.
    passes = SHARDED_PASSES * 2.7 / num_cores()
    return product * (passes + sample / n * _products(sample, features, classes, recipe))


def _products(n: int, features: int, classes: int, recipe: Recipe) -> float:
    """Return how many products of all rows by the weights the path and the fit after it take the time of."""
    strengths, folds = recipe.frozen.l2_strengths, recipe.frozen.folds
    tried = TYPICAL if isinstance(strengths, str) else len(strengths) * (len(strengths) > 1)
    path = tried * folds * STEPS_ON_PATH / min(threads(features, classes), folds)
    final = min(FINAL_STEPS, max(FEWEST_FINAL_STEPS, FINAL_WORK // (n * features * classes)))
    return PRODUCTS_A_STEP * (path + final / min(threads(features, classes), FINAL_BLOCKS))


def _needs_gradient(recipe: Recipe) -> bool:
    head, loss = recipe.head, recipe.loss
    return bool(
        head.hidden
        or head.batch_norm
        or head.dropout
        or loss.label_smoothing
        or loss.focal
        or loss.asymmetric
        or loss.clip
        or recipe.augment.mixup
        or recipe.distill.run
    )
