"""The linear head of several labels: a logistic regression each, solved together, its L2 strength by cross-validation.

What is minimised for each label is its mean binary cross-entropy per known photo + strength / 2 * ||w||^2 on
scaled features, the bias unpenalised; scikit-learn's C is 1 / (strength * n). The scaling, that of all photos, is
folded into kernel and bias.

Each label has the strength of its own lowest loss; the labels' searches go on side by side, so that all of them cost
what the longest costs. Memory: as `linear_probe`.
"""

import time
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32, Float64

from budwood.config.recipe import Recipe
from budwood.core.errors import DataError
from budwood.core.progress.base import SILENT, Progress, Stage, expect
from budwood.training.class_weights import relative
from budwood.training.cross_validation import PATH_TOLERANCE, moments, num_fits, threads, wrap
from budwood.training.label_folds import assign_label_folds
from budwood.training.label_logistic import LabelProblem
from budwood.training.label_weights import cell_weights, label_weights, refuse_unlearnable
from budwood.training.linear_probe import (
    FINAL_BLOCKS,
    FINAL_STEPS,
    FINAL_TOLERANCE,
    UNTUNED_STRENGTH,
    refuse_infinite,
)
from budwood.training.logistic import Axes
from budwood.training.strength_path import (
    TYPICAL,
    Known,
    PathPoint,
    Search,
    best,
    search_together,
    searching,
    trying,
)

Cells = Float32[np.ndarray, "n labels"]


@dataclass(frozen=True)
class LabelsFit:
    """A fitted linear head: probabilities are sigmoid(features @ kernel + bias), each label for itself."""

    kernel: Float32[np.ndarray, "features labels"]
    bias: Float32[np.ndarray, "labels"]
    strengths: Float64[np.ndarray, "labels"]
    """Of each label."""
    path: tuple[tuple[PathPoint, ...], ...]
    """Of each label, in order of falling strength; `accuracy` is the share of held-out photos for which a probability
    of 0.5 divides rightly."""
    held_out: Cells
    """Logits that heads gave which had not learned from the photo; NaN where none held it out."""
    seconds: float


def fit_labels(
    features: Float32[np.ndarray, "n features"],
    targets: Cells,
    labels: Sequence[str],
    *,
    strengths: Literal["auto"] | Sequence[float] = "auto",
    folds: int = 5,
    seed: int = 0,
    weights: Float[np.ndarray, "n labels"] | None = None,
    groups: Sequence[Hashable] | None = None,
    hold_out: bool = False,
    progress: Progress = SILENT,
    stage_name: str = "head",
) -> LabelsFit:
    """Return for each label the logistic regression of lowest cross-validated log loss along a path of L2 strengths.

    Args:
        features: one row a training photo, float32.
        targets: 1 where the photo has the label, 0 where it has not, NaN where that is unknown: such a photo is left
            out of this label's fit and of its loss.
        labels: their names, in the order of the columns; one or more.
        strengths: the L2 strengths to try, in units of the mean loss per photo. "auto" looks for the best of three a
            decade, for each label by itself. One strength alone is taken as it is for all: nothing is held out, and the
            paths are empty.
        folds: folds of the cross-validation, stratified by labels (`assign_label_folds`).
        seed: decides the folds.
        weights: how much each target counts, from 0 up; within a label only the ratios matter.
        groups: of each photo what it shares with those that belong with it: they are held out together. None or ""
            for a photo that stands alone.
        hold_out: hold photos out where one strength alone is given too; the head is the same but for rounding.
        progress: told of every fit, as the stage `stage_name`.

    Returns:
        The fit on all rows, each label at its best strength. A label of which no positive or no negative can be held
        out has an empty path, and the strength 0.1.

    Raises:
        DataError: a label without a positive or without a negative, or a feature that is not finite.
    """
    from threadpoolctl import threadpool_limits

    started = time.perf_counter()
    refuse_infinite(features)
    refuse_unlearnable(targets, labels)
    alone = None if isinstance(strengths, str) or len(strengths) > 1 else float(strengths[0])
    n, num_labels = targets.shape
    held = alone is None or hold_out
    fold_of = assign_label_folds(targets, folds, seed, groups) if held else np.full(n, -1)
    rows, train, parts = wrap(fold_of)
    tried = TYPICAL if isinstance(strengths, str) else len(set(strengths))
    with (
        progress.stage(stage_name, num_fits(tried, train), "fits") as stage,
        threadpool_limits(1),
        ThreadPoolExecutor(threads(features.shape[1], num_labels)) as pool,
    ):
        axes = Axes.of(features, *moments(features))
        x, y, w = axes.rotate(features, rows), targets[rows], _normal(weights, targets)[rows]

        def problem(part: slice, blocks: int = 1) -> LabelProblem:
            over = pool.map if blocks > 1 else map
            return LabelProblem(x[part], y[part], w[part], axes.variances, blocks=blocks, map=over)

        path: list[list[PathPoint]] = [[] for _ in labels]
        untuned = UNTUNED_STRENGTH if alone is None else alone
        chosen = np.full(num_labels, untuned)
        starts, held_out = [], np.full((n, num_labels), np.nan, np.float32)
        if train:
            others = [(x[part], y[part], w[part]) for part in parts]
            validation = _LabelValidation([problem(part) for part in train], others, pool, stage)
            tuned = _both_sides(targets[fold_of >= 0])
            paths = search_together(
                [_search(strengths) if one else trying([untuned]) for one in tuned], validation.score
            )
            expect(stage, num_fits(validation.rounds, train))
            chosen = np.array([best(points).strength for points in paths])
            if alone is None:
                path = [points if one else [] for points, one in zip(paths, tuned, strict=True)]
            solutions = validation.solutions(chosen.tolist())
            starts = [np.mean(solutions, axis=0)] if alone is None else []
            for solution, part in zip(solutions, parts, strict=True):
                held_out[rows[part]] = x[part] @ solution
        final = problem(slice(0, n), FINAL_BLOCKS)
        found = final.solve(chosen, FINAL_TOLERANCE, starts, most_steps=FINAL_STEPS)
        kernel, bias = axes.unfold(found, centred=False)
        stage.advance()
    seconds = time.perf_counter() - started
    return LabelsFit(kernel, bias, chosen, tuple(map(tuple, path)), held_out, seconds)


def fit_labels_as_asked(
    recipe: Recipe,
    features: Float32[np.ndarray, "n features"],
    targets: Cells,
    labels: Sequence[str],
    *,
    groups: Sequence[Hashable] | None = None,
    weights: Float[np.ndarray, "n"] | None = None,
    hold_out: bool = False,
    progress: Progress = SILENT,
) -> LabelsFit:
    """`fit_labels` with the strengths, the folds and the weights of rare labels of a recipe, and the photos' own
    weights.

    Raise DataError as `fit_labels` does or where every weight is 0, and RecipeError where `loss.class_weights` is of
    other labels.
    """
    own = relative(weights)
    by_side = label_weights(recipe.loss, targets, labels, own)
    return fit_labels(
        features,
        targets,
        labels,
        strengths=recipe.frozen.l2_strengths,
        folds=recipe.frozen.folds,
        seed=recipe.seed,
        weights=cell_weights(by_side, targets, own),
        groups=groups,
        hold_out=hold_out,
        progress=progress,
    )


def _search(strengths: Literal["auto"] | Sequence[float]) -> Search:
    return searching() if isinstance(strengths, str) else trying(strengths)


def _both_sides(targets: Cells) -> list[bool]:
    """Return of each label whether there are positives and negatives."""
    return ((targets == 1).any(axis=0) & (targets == 0).any(axis=0)).tolist()


def _normal(weights: Float[np.ndarray, "n labels"] | None, targets: Cells) -> Float64[np.ndarray, "n labels"]:
    """Return the weights with a mean of 1 over the known photos of each label."""
    known = ~np.isnan(targets)
    if weights is None:
        return known.astype(np.float64)
    counted = weights * known
    sums = counted.sum(axis=0)
    if not sums.all():
        raise DataError(
            "a label has weights of 0 alone, so there is nothing to learn of it. Give some above 0"
        )
    return counted * (known.sum(axis=0) / sums)


class _LabelValidation:
    """Scores strengths on the folds, one of each label at a time, each fold in a thread of its own."""

    def __init__(
        self,
        problems: Sequence[LabelProblem],
        held_out: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
        pool: ThreadPoolExecutor,
        stage: Stage,
    ):
        self.problems, self.held_out, self.pool, self.stage = problems, held_out, pool, stage
        self.known = [Known() for _ in range(held_out[0][1].shape[1])]
        self.rounds = 0

    def score(self, strengths: Sequence[float]) -> list[PathPoint]:
        """Return what each label's strength does to its held-out photos, weighted as in the loss."""
        self.rounds += 1
        if self.rounds > TYPICAL:
            expect(self.stage, num_fits(self.rounds, self.problems))
        asked = np.array(strengths)
        solve = lambda problem, start: problem.solve(asked, PATH_TOLERANCE, start)  # noqa: E731
        solutions, losses, right = [], [], []
        for solution, (x, has, weights) in zip(
            self.pool.map(solve, self.problems, self._starts(strengths)), self.held_out, strict=True
        ):
            logits = (x @ solution).astype(np.float64)
            solutions.append(solution)
            losses.append((np.logaddexp(0, logits) - has * logits) * weights)
            right.append(np.where(np.isnan(has), np.nan, (logits > 0) == (has > 0.5)))
            self.stage.advance()
        points = []
        columns = zip(strengths, np.concatenate(losses).T, np.concatenate(right).T, self.known, strict=True)
        for place, (strength, loss, hits, known) in enumerate(columns):
            loss, hits = loss[~np.isnan(loss)], hits[~np.isnan(hits)]
            # Of a label of which hardly anything is held out, nothing is made.
            enough = len(loss) > 1
            error = loss.std(ddof=1) / np.sqrt(len(loss)) if enough else 0.0
            mean, share = (loss.mean(), hits.mean()) if enough else (0.0, 0.0)
            points.append(PathPoint(strength, float(mean), float(share), float(error)))
            known.add(points[-1], [solution[:, place] for solution in solutions])
        return points

    def solutions(self, strengths: Sequence[float]) -> list[np.ndarray]:
        """Return for each fold the known solutions of these strengths."""
        each = [known.solutions[strength] for known, strength in zip(self.known, strengths, strict=True)]
        return [np.stack(columns, axis=1) for columns in zip(*each, strict=True)]

    def _starts(self, strengths: Sequence[float]) -> list[list[np.ndarray]]:
        """Return for each fold the solutions of each label's nearest strengths."""
        folds = len(self.problems)
        each = [known.nearest(one, folds) for known, one in zip(self.known, strengths, strict=True)]
        # A label that asks for its best again may know fewer than the others.
        number = min(len(some[0]) for some in each)
        return [
            [np.stack([some[fold][place] for some in each], axis=1) for place in range(number)]
            for fold in range(folds)
        ]
