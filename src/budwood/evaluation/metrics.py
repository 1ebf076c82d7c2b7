"""What `metrics.json` says of one split: scores of the predictions, each with its 95 % interval."""

from collections.abc import Sequence
from typing import TypedDict, cast

import numpy as np
from jaxtyping import Float, Int

from budwood.evaluation.calibration import ECE_BINS, bin_of, ece
from budwood.evaluation.statistics import bootstrap_interval, resampled_sums, wilson_interval

TOP = 5

Interval = list[float]
"""Lower and upper end."""
ClassFigures = TypedDict(
    "ClassFigures", {"class": str, "precision": float, "recall": float, "f1": float, "support": int}
)


class SplitFigures(TypedDict):
    """What metrics.json says of one split: every figure, and its 95 % interval under `<name>_ci95`."""

    n: int
    accuracy: float
    accuracy_ci95: Interval
    top5_accuracy: float | None
    top5_accuracy_ci95: Interval | None
    loss: float
    loss_ci95: Interval
    balanced_accuracy: float
    balanced_accuracy_ci95: Interval
    macro_f1: float
    macro_f1_ci95: Interval
    weighted_precision: float
    weighted_precision_ci95: Interval
    weighted_recall: float
    weighted_recall_ci95: Interval
    weighted_f1: float
    weighted_f1_ci95: Interval
    ece: float
    ece_ci95: Interval
    per_class: list[ClassFigures]
    confusion: list[list[int]]


def compute_metrics(
    labels: Int[np.ndarray, "n"],
    probabilities: Float[np.ndarray, "n classes"],
    classes: Sequence[str],
    *,
    resamples: int = 10_000,
    seed: int = 0,
) -> SplitFigures:
    """The scores of one split as plain numbers, from scikit-learn where it has them.

    A class that is neither among the labels nor predicted counts in no mean; one without a photo counts in no
    balanced accuracy; a precision or recall of nothing is 0. Intervals, under `<name>_ci95`, are Wilson's for the
    shares of photos and bootstrap ones for the others: these have no width where every prediction is right.

    Args:
        labels: true class numbers, one photo or more.
        probabilities: a row a photo, sums of 1.
        classes: names in the order of the columns.
        resamples: bootstrap resamples behind the intervals.
        seed: decides them.

    Returns:
        n, loss (mean negative log-likelihood), accuracy, top5_accuracy (None up to five classes),
        balanced_accuracy, macro_f1, weighted_precision, weighted_recall, weighted_f1, ece (15 bins of equal width,
        Guo et al. 2017), per_class (class, precision, recall, f1, support), confusion (rows true).
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
    resampled = _resample(labels, probabilities, resamples, seed)

    found: dict[str, object] = {"n": n}
    shares = {"accuracy": int(correct.sum()), "top5_accuracy": None}
    if len(classes) > TOP:
        shares["top5_accuracy"] = int(
            metrics.top_k_accuracy_score(labels, probabilities, k=TOP, labels=numbers, normalize=False)
        )
    for name, successes in shares.items():
        found[name] = None if successes is None else successes / n
        found[f"{name}_ci95"] = None if successes is None else list(wilson_interval(successes, n))
    for name, score in scores.items():
        found[name] = float(score)
        low, high = bootstrap_interval(float(score), resampled[name], basic=name == "ece")
        # Reflected ends may lie outside of what the score can be.
        found[f"{name}_ci95"] = [max(0.0, low), high if name == "loss" else min(1.0, high)]
    found["per_class"] = [
        {"class": name, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
        for name, p, r, f, s in zip(classes, precision, recall, f1, support, strict=True)
    ]
    found["confusion"] = metrics.confusion_matrix(labels, predicted, labels=numbers).tolist()
    return cast(SplitFigures, found)


def _resample(labels, probabilities, resamples: int, seed: int) -> dict[str, Float[np.ndarray, "resamples"]]:
    """Every bootstrapped score, by name, on the same resamples of the photos."""
    from scipy.sparse import coo_array, hstack

    n, num_classes = probabilities.shape
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    correct = predicted == labels
    likelihood = probabilities[np.arange(n), labels].clip(np.finfo(np.float64).eps)

    def spread(values, places, width):
        """A row a photo, its value in the column of its place."""
        return coo_array((values, (np.arange(n), places)), shape=(n, width))

    columns = [
        spread(-np.log(likelihood), np.zeros(n, int), 1),
        spread(confidence - correct, bin_of(confidence), ECE_BINS),
        spread(np.ones(n), labels, num_classes),
        spread(np.ones(n), predicted, num_classes),
        spread(correct.astype(float), predicted, num_classes),
    ]
    ends = np.cumsum([part.shape[1] for part in columns])[:-1]
    chunks = [
        _scores_of_sums(np.split(sums, ends, axis=1), n)
        for sums in resampled_sums(hstack(columns, format="csr"), resamples, seed)
    ]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def _scores_of_sums(parts: list[np.ndarray], n: int) -> dict[str, Float[np.ndarray, "some"]]:
    """The scores of some resamples, from how often each class is true, predicted and hit."""
    losses, gaps, true, predicted, hits = parts
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
