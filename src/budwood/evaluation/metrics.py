"""What `metrics.json` says of one split: scores of the predictions, each with its 95 % interval."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from budwood.evaluation.calibration import ECE_BINS, bin_of, ece
from budwood.evaluation.figures import GroupsInfo, Interval, SplitFigures
from budwood.evaluation.groups import (
    Grouping,
    cautious_range,
    drawn_to_worst,
    rare_groups,
    score_interval,
    share_interval,
    widening,
)
from budwood.evaluation.statistics import bootstrap_interval, resampled_sums

TOP = 5
UNBOUNDED = ("loss", "ece")
"""Scores that are no mean of shares."""
FEWEST_RARE = 5
"""In fewer groups of equal size with the rarer outcome the bootstrap says too little of the loss."""


def compute_metrics(
    labels: Int[np.ndarray, "n"],
    probabilities: Float[np.ndarray, "n classes"],
    classes: Sequence[str],
    *,
    resamples: int = 10_000,
    seed: int = 0,
    groups: Grouping | None = None,
) -> SplitFigures:
    """Return the scores of one split as plain numbers, from scikit-learn where it has them.

    A class that is neither among the labels nor predicted counts in no mean; one without a photo counts in no
    balanced accuracy; a precision or recall of nothing is 0. Intervals, under `<name>_ci95`, are Wilson's for the
    shares of photos and bootstrap ones for the others: these have no width where every prediction is right.
    With groups of several photos they are those of `budwood.evaluation.groups`; None where there are too few groups.

    Args:
        labels: true class numbers, one photo or more.
        probabilities: a row a photo, sums of 1.
        classes: names in the order of the columns.
        resamples: bootstrap resamples behind the intervals.
        seed: decides them.
        groups: which photos belong together; by default none do.

    Returns:
        n, groups (where photos belong together: num, effective, largest, and accuracy_range, which has no confidence
        level, where there are too few for intervals), loss (mean negative log-likelihood), accuracy,
        top5_accuracy (None up to five classes), balanced_accuracy, macro_f1, weighted_precision, weighted_recall,
        weighted_f1, ece (15 bins of equal width, Guo et al. 2017), per_class (class, precision, recall, f1, support),
        confusion (rows true).
    """
    from sklearn import metrics

    n, numbers = len(labels), np.arange(len(classes))
    # As float64, so that sums of float32 that miss 1 by a rounding are no warning.
    probabilities = probabilities.astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    correct = predicted == labels

    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predicted, labels=numbers, zero_division=0
    )
    weighted_precision, weighted_recall, weighted_f1, _ = metrics.precision_recall_fscore_support(
        labels, predicted, average="weighted", zero_division=0
    )
    scores = {
        "loss": metrics.log_loss(labels, probabilities, labels=numbers),
        # Not balanced_accuracy_score, which warns of every class that is predicted but absent.
        "balanced_accuracy": recall[support > 0].mean(),
        "macro_f1": metrics.f1_score(labels, predicted, average="macro", zero_division=0),
        "weighted_precision": weighted_precision,
        "weighted_recall": weighted_recall,
        "weighted_f1": weighted_f1,
        "ece": ece(confidence, correct),
    }
    if groups is not None and groups.single:
        groups = None
    found: dict[str, object] = {"n": n}
    if groups is not None:
        found["groups"] = describe_groups(correct, groups)
    top = None
    if len(classes) > TOP:
        # As scikit-learn's top_k_accuracy_score breaks ties.
        best = np.argsort(probabilities, axis=1, kind="mergesort")[:, ::-1][:, :TOP]
        top = (best == labels[:, None]).any(axis=1)
    for name, right in {"accuracy": correct, "top5_accuracy": top}.items():
        found[name] = None if right is None else int(right.sum()) / n
        found[f"{name}_ci95"] = None if right is None else share_interval(right, groups)
    intervals = _score_intervals(scores, labels, probabilities, resamples, seed, groups)
    for name, score in scores.items():
        found[name] = float(score)
        found[f"{name}_ci95"] = intervals[name]
    found["per_class"] = [
        {"class": name, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
        for name, p, r, f, s in zip(classes, precision, recall, f1, support, strict=True)
    ]
    found["confusion"] = metrics.confusion_matrix(labels, predicted, labels=numbers).tolist()
    return SplitFigures.model_validate(found)


def describe_groups(correct: Bool[np.ndarray, "n"], groups: Grouping) -> GroupsInfo:
    """Return how many groups there are, and a range for the accuracy where they are too few for an interval."""
    return GroupsInfo(
        num=groups.num,
        effective=groups.effective,
        largest=int(groups.sizes.max()),
        accuracy_range=None if groups.enough else cautious_range(correct, groups),
    )


def _score_intervals(
    scores: Mapping[str, float], labels, probabilities, resamples: int, seed: int, groups: Grouping | None
) -> dict[str, Interval | None]:
    if groups is not None and not groups.enough:
        return dict.fromkeys(scores)
    photos = _resample(labels, probabilities, resamples, seed)
    if groups is None:
        return {name: _bootstrapped(name, float(score), photos[name]) for name, score in scores.items()}
    drawn = _resample(labels, probabilities, resamples, seed, groups)
    rare = rare_groups(probabilities.argmax(axis=1) == labels, groups)
    return {
        name: _grouped(name, float(score), photos[name], drawn[name], groups, rare)
        for name, score in scores.items()
    }


def _bootstrapped(
    name: str, score: float, resampled: Float[np.ndarray, "resamples"], widening: float = 1.0
) -> Interval:
    low, high = bootstrap_interval(score, resampled, basic=name == "ece")
    if widening > 1:
        low, high = score - widening * (score - low), score + widening * (high - score)
    # Reflected ends may lie outside of what the score can be.
    return max(0.0, low), high if name == "loss" else min(1.0, high)


def _grouped(
    name: str,
    score: float,
    photos: Float[np.ndarray, "resamples"],
    drawn: Float[np.ndarray, "resamples"],
    groups: Grouping,
    rare: float,
) -> Interval | None:
    """Return the interval of a score that resamples of photos and of whole groups were taken of.

    Means of shares get an interval of Wilson's kind, which has a width where every prediction is right too.
    """
    variance = float(photos.var())
    effect = drawn_to_worst(float(drawn.var()) / variance if variance else np.inf, groups, rare)
    if name in UNBOUNDED:
        few = name == "loss" and rare < FEWEST_RARE
        return None if few else _bootstrapped(name, score, photos, widening(effect, groups))
    independent = score * (1 - score) / (variance * effect) if variance and 0 < score < 1 else 0.0
    return score_interval(score, min(max(independent, groups.effective), len(groups.numbers)), groups)


def _resample(
    labels, probabilities, resamples: int, seed: int, groups: Grouping | None = None
) -> dict[str, Float[np.ndarray, "resamples"]]:
    """Return every bootstrapped score, by name, on the same resamples of the photos or of whole groups."""
    from scipy.sparse import coo_array, hstack

    n, num_classes = probabilities.shape
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    correct = predicted == labels
    likelihood = probabilities[np.arange(n), labels].clip(np.finfo(np.float64).eps)

    def spread(values, places, width):
        """Return a row a photo, its value in the column of its place."""
        return coo_array((values, (np.arange(n), places)), shape=(n, width))

    columns = [
        spread(-np.log(likelihood), np.zeros(n, int), 1),
        spread(confidence - correct, bin_of(confidence), ECE_BINS),
        spread(np.ones(n), labels, num_classes),
        spread(np.ones(n), predicted, num_classes),
        spread(correct.astype(float), predicted, num_classes),
    ]
    ends = np.cumsum([part.shape[1] for part in columns])[:-1]
    rows = hstack(columns, format="csr")
    if groups is not None:
        rows = groups.sums(rows)
    chunks = [
        _scores_of_sums(np.split(sums, ends, axis=1), n if groups is None else None)
        for sums in resampled_sums(rows, resamples, seed)
    ]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def _scores_of_sums(
    parts: list[np.ndarray], n: int | Float[np.ndarray, "some"] | None
) -> dict[str, Float[np.ndarray, "some"]]:
    """Return the scores of some resamples, from how often each class is true, predicted and hit; without n,
    of as many photos as the drawn groups have."""
    losses, gaps, true, predicted, hits = parts
    if n is None:
        n = true.sum(axis=1)
    recall = hits / np.maximum(true, 1)
    precision = hits / np.maximum(predicted, 1)
    f1 = 2 * hits / np.maximum(true + predicted, 1)
    return {
        "loss": losses[:, 0] / n,
        "ece": np.abs(gaps).sum(axis=1) / n,
        "balanced_accuracy": recall.sum(axis=1) / (true > 0).sum(axis=1),
        "macro_f1": f1.sum(axis=1) / (true + predicted > 0).sum(axis=1),
        "weighted_precision": (precision * true).sum(axis=1) / n,
        "weighted_recall": hits.sum(axis=1) / n,
        "weighted_f1": (f1 * true).sum(axis=1) / n,
    }
