"""The linear probe of more photos than `fit_linear` takes: its strength from a sample, its weights from all rows.

What is minimised is what `fit_linear` minimises. The strength is chosen on a sample by cross-validation, a photo drawn
by chance and not by its shard: rows lie folder by folder, and a shard held out would be a class held out. The head of
the sample is where the fit on all photos starts.

Memory: that of `fit_linear` for the sample, 2.5 GB at 100,000 photos of 1280 features and 100 classes; then a block of
1,024 rows and two arrays of features * classes in double precision for each shard that is worked on, and 24 for the
solver.
"""

import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from budwood.config.recipe import Recipe
from budwood.core.progress.base import SILENT, Progress
from budwood.core.system import num_cores
from budwood.training.class_weights import photo_weights
from budwood.training.cross_validation import pareto_scale
from budwood.training.linear_probe import (
    LinearFit,
    fit_as_asked,
    fit_linear,
    refuse_bad_labels,
    refuse_infinite,
)
from budwood.training.logistic import Axes
from budwood.training.probe_size import probe_place, sample_size
from budwood.training.row_shards import Map, Shard, chosen_rows, in_shards, moments_of
from budwood.training.sharded_logistic import ShardedProblem

FEWEST_SHARDS = 32
"""Into which rows are cut: enough for the cores of a workstation."""
SHARD_ROWS = 8192
"""Of more photos, the rows of a shard: enough shards for a cluster. One is what a lost worker costs."""
FEWEST_OF_A_CLASS = 2
"""In the sample, where a class has as many: one can be held out."""
TOLERANCE = 1e-6
"""Norm of the gradient by scaled features."""
MOST_STEPS = 200
OpenMap = Callable[[Progress], AbstractContextManager[Map]]
"""Opens what goes through shards, for a `with`."""


@contextmanager
def over_threads(progress: Progress = SILENT) -> Iterator[Map]:
    """Yield a map by the threads of this process."""
    with ThreadPoolExecutor(num_cores()) as pool:
        yield pool.map


@dataclass(frozen=True)
class Sample:
    """Some of the photos, in the order of all."""

    rows: Int[np.ndarray, "some"]
    weights: Float[np.ndarray, "some"]
    """How much each counts, times the photos of its class that it stands for; their mean is that of all photos."""


def fit_rows_as_asked(
    recipe: Recipe,
    rows: Any,
    labels: Int[np.ndarray, "n"],
    classes: Sequence[str],
    *,
    groups: Sequence[Hashable] | None = None,
    weights: Float[np.ndarray, "n"] | None = None,
    open_map: OpenMap = over_threads,
    progress: Progress = SILENT,
) -> LinearFit:
    """`fit_as_asked` where the rows and the fit have room in memory, else the same over shards of the rows, by
    `open_map`: wherever they are gone through, to the same bits."""
    if probe_place(len(labels), rows.shape[1], len(classes)) != "shards":
        return fit_as_asked(
            recipe, rows[:], labels, classes, groups=groups, weights=weights, progress=progress
        )
    counts = photo_weights(recipe.loss, labels, classes, weights)
    counts = np.ones(len(labels)) if counts is None else counts
    from threadpoolctl import threadpool_limits

    # As in `fit_linear`: one thread of BLAS for each shard.
    with threadpool_limits(1), open_map(progress) as over:
        return fit_shards(
            in_shards(rows, labels, counts, max(FEWEST_SHARDS, len(labels) // SHARD_ROWS)),
            len(classes),
            strengths=recipe.frozen.l2_strengths,
            folds=recipe.frozen.folds,
            seed=recipe.seed,
            groups=groups,
            map=over,
            progress=progress,
        )


def fit_shards(
    shards: Sequence[Shard],
    num_classes: int,
    *,
    strengths: Literal["auto"] | Sequence[float] = "auto",
    folds: int = 5,
    seed: int = 0,
    groups: Sequence[Hashable] | None = None,
    tolerance: float = TOLERANCE,
    map: Map = map,
    progress: Progress = SILENT,
) -> LinearFit:
    """Return the logistic regression on the rows of all shards.

    Args:
        shards: the rows; the answer does not depend on where they lie, and in its last bits on how they are cut.
        num_classes: number of classes, 2 or more.
        strengths, folds, seed: as `fit_linear` takes them, for the sample.
        groups: of all rows, as `fit_linear` takes them.
        tolerance: the norm of the gradient, by scaled features, at which the fit ends.
        map: as the built-in one; what it is given can be sent to other processes and machines. Sums are in the order of
            the shards.
        progress: told of the fits of the sample and of every pass through the rows, as stage "head".

    Raise DataError as `fit_linear` does.
    """
    started = time.perf_counter()
    labels = np.concatenate([shard.labels for shard in shards])
    refuse_bad_labels(labels, num_classes)
    moments = reduce(add, map(moments_of, shards))
    refuse_infinite(moments.means)
    refuse_infinite(moments.squares)
    scale = pareto_scale(moments.scale, moments.squares)
    weights = np.concatenate([shard.weights for shard in shards])
    sample = draw(labels, weights, sample_size(len(labels), len(scale), num_classes), num_classes, seed)
    rows = chosen_rows(shards, sample.rows, map)
    found = fit_linear(
        rows,
        labels[sample.rows],
        num_classes,
        strengths=strengths,
        folds=folds,
        seed=seed,
        weights=sample.weights,
        groups=None if groups is None else [groups[row] for row in sample.rows],
        progress=progress,
    )
    problem = ShardedProblem(shards, _axes(rows, moments.means, scale), num_classes, map=map)
    del rows
    start = problem.weights_of(found.kernel.astype(np.float64), found.bias.astype(np.float64))
    with progress.stage("head", None, "passes") as stage:
        solved = problem.solve(
            found.strength, tolerance, start, most_steps=MOST_STEPS, told=lambda _: stage.advance()
        )
    head = problem.head(solved.weights)
    bias = head.bias - head.centre @ head.kernel
    kernel, bias = head.kernel.astype(np.float32), (bias - bias.mean()).astype(np.float32)
    return LinearFit(kernel, bias, found.strength, found.path, time.perf_counter() - started)


def draw(
    labels: Int[np.ndarray, "n"], weights: Float[np.ndarray, "n"], size: int, num_classes: int, seed: int
) -> Sample:
    """Return about so many rows, of each class its share, but two at least where there are two.

    Rows of a class that is over-represented so count less.
    """
    if size >= len(labels):
        return Sample(np.arange(len(labels)), weights)
    rng = np.random.default_rng(seed)
    counts = np.bincount(labels, minlength=num_classes)
    taken = np.clip(
        np.rint(counts * (size / len(labels))).astype(int), np.minimum(FEWEST_OF_A_CLASS, counts), None
    )
    order = rng.permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    starts = np.cumsum(counts) - counts
    rows = np.sort(
        np.concatenate([by_class[first : first + some] for first, some in zip(starts, taken, strict=True)])
    )
    own = weights[rows] * (counts / np.maximum(taken, 1))[labels[rows]]
    return Sample(rows, own * (weights.mean() / own.mean()) if own.any() else own)


def _axes(rows: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> Axes:
    width = len(scale)
    if len(rows) >= width:
        return Axes.of(rows, mean, scale)
    # Fewer rows span a part of the space alone, and the head may lie anywhere in it.
    return Axes(mean, scale, np.eye(width, dtype=np.float32), np.ones(width))
