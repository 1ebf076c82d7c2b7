"""What `metrics.json` says of one split where a photo has several labels: scores, each with its 95 % interval."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from budwood.evaluation.figures import NoInterval
from budwood.evaluation.groups import Grouping, share_interval
from budwood.evaluation.metrics import describe_groups
from budwood.evaluation.multi_label_columns import Columns, Decisions
from budwood.evaluation.multi_label_figures import LabelScores, MultiLabelFigures, Together
from budwood.evaluation.multi_label_intervals import Intervals

OF_ALL = ("mean_average_precision", "macro_f1", "micro_f1", "hamming_loss", "loss", "ece")
"""Figures of the whole split that are no shares of photos."""
NO_INTERVAL: dict[str, NoInterval] = {
    **dict.fromkeys(("mean_average_precision", "macro_f1", "micro_f1"), "few-photos-a-label"),
    **dict.fromkeys(("ece", "hamming_loss"), "few-photos"),
    **dict.fromkeys(("loss", "exact_match"), "few-mistakes"),
}
"""Why a figure has none, where there are groups enough."""
OF_LABELS = ("f1", "roc_auc", "average_precision")
"""Figures of one label that are no shares of photos."""


def compute_multi_label_metrics(
    targets: Float[np.ndarray, "n k"],
    probabilities: Float[np.ndarray, "n k"],
    labels: Sequence[str],
    thresholds: Float[np.ndarray, "k"],
    *,
    resamples: int = 10_000,
    seed: int = 0,
    groups: Grouping | None = None,
) -> MultiLabelFigures:
    """Return the scores of one split.

    What is unknown counts in nothing. A label that no photo has, or every photo, is in no mean over labels; a precision
    of nothing is 0. ECE and loss are of all known labels of all photos together; `exact_match` is the share of photos
    of which every known label is answered rightly, among those with a known one.

    Intervals are Wilson's for shares of photos (exact match, precision, recall), of bootstrap resamples of the photos
    for the loss, as in `budwood.evaluation.calibration_interval` for ECE, and for the others as in
    `budwood.evaluation.jackknife`. With groups of several photos whole groups are drawn and left out. None where there
    are too few groups, or where fewer than 5 photos have a label or have it not; of a mean over labels, where fewer
    than 5 do on average; of ECE below 50 known labels.

    Args:
        targets: 1, 0, or NaN where it is unknown.
        probabilities: in [0, 1], each label's own.
        labels: names in the order of the columns.
        thresholds: from which probability on a photo is said to have each label.
        resamples: bootstrap resamples behind the intervals.
        seed: decides them.
        groups: which photos belong together; by default none do.

    Raises:
        DataError: where no label of any photo is known.
    """
    split = Decisions.of(targets, probabilities, thresholds)
    if groups is not None and groups.single:
        groups = None
    some = np.any(split.known, axis=1)
    right = ~np.any(split.wrong[some], axis=1)
    found: dict[str, Any] = {"n": len(targets)}
    if groups is not None:
        found["groups"] = describe_groups(right, groups.part(some))
    columns = Columns.of(split)
    scores = columns.scores(columns.matrix.sum(axis=0)[:, None])
    intervals = Intervals.of(split, columns, scores, resamples=resamples, seed=seed, groups=groups)
    for name in OF_ALL:
        found[name] = _number(scores[name][0])
        found[f"{name}_ci95"] = intervals.of_all(name)
    found["exact_match"] = int(right.sum()) / len(right)
    found["exact_match_ci95"] = share_interval(right, None if groups is None else groups.part(some))
    few = groups is not None and not groups.enough
    found["no_interval"] = {
        name: "few-groups" if few else NO_INTERVAL[name]
        for name in (*OF_ALL, "exact_match")
        if found[name] is not None and found[f"{name}_ci95"] is None
    }
    found["per_label"] = [
        _of_label(split, place, name, float(thresholds[place]), scores, intervals)
        for place, name in enumerate(labels)
    ]
    found["left_out"] = [name for name, use in zip(labels, columns.useful, strict=True) if not use]
    found["taken_together"] = count_together(split)
    return MultiLabelFigures.model_validate(found)


def count_together(split: Decisions) -> Together:
    """Return which labels go together, and which are taken for one another."""
    known, has, said = (part.astype(np.int64) for part in (split.known, split.has, split.said))
    missed, alarm = has * (1 - said) * known, said * (1 - has)
    return Together(
        true=_table(has.T @ has), predicted=_table((said * known).T @ said), instead=_table(missed.T @ alarm)
    )


def _table(counts: np.ndarray) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in counts.tolist())


def _of_label(
    split: Decisions,
    place: int,
    name: str,
    threshold: float,
    scores: dict[str, np.ndarray],
    intervals: Intervals,
) -> LabelScores:
    known, has, said = (part[:, place] for part in (split.known, split.has, split.said))
    found: dict[str, Any] = {
        "label": name,
        "positives": int(has.sum()),
        "negatives": int((known & ~has).sum()),
        "unknown": int((~known).sum()),
        "predicted": int(said.sum()),
        "threshold": threshold,
    }
    for figure, right, among in (("precision", has, said), ("recall", said, has)):
        found[figure] = _number(scores[figure][place, 0])
        found[f"{figure}_ci95"] = None if found[figure] is None else intervals.of_share(right, among)
    for figure in OF_LABELS:
        found[figure] = _number(scores[figure][place, 0])
        found[f"{figure}_ci95"] = intervals.of_label(figure, place)
    return LabelScores.model_validate(found)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
