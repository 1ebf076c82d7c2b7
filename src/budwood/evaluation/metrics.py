"""What `metrics.json` says of one split: scores of the predictions, each with its 95 % interval."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from budwood.evaluation.averages import FEWEST_OF_A_CLASS, Average, ClassAverages
from budwood.evaluation.calibration import ece
from budwood.evaluation.calibration_interval import ece_interval
from budwood.evaluation.figures import GroupsInfo, Interval, NoInterval, SplitFigures
from budwood.evaluation.groups import (
    Grouping,
    cautious_range,
    design_effect,
    drawn_to_worst,
    rare_groups,
    share_interval,
    widening,
)
from budwood.evaluation.statistics import bootstrap_interval, resampled_sums

TOP = 5
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
    shares of photos, those of `evaluation.averages` for averages over classes, that of
    `evaluation.calibration_interval` for the calibration error, and a bootstrap one for the loss. With groups of
    several photos they are longer, as far as `evaluation.groups` finds. None where none can be stated: `no_interval`
    says why.

    Args:
        labels: true class numbers, one photo or more.
        probabilities: a row a photo, sums of 1.
        classes: names in the order of the columns.
        resamples: bootstrap resamples behind the interval of the loss.
        seed: decides them.
        groups: which photos belong together; by default none do.

    Returns:
        n, groups (where photos belong together: num, effective, largest, and accuracy_range, which has no confidence
        level, where there are too few for intervals), loss (mean negative log-likelihood), accuracy,
        top5_accuracy (None up to five classes), balanced_accuracy, macro_f1, weighted_precision, weighted_recall,
        weighted_f1, ece (15 bins of equal width, Guo et al. 2017), no_interval (by figure, why it has none), per_class
        (class, precision, recall, f1, support), confusion (rows true).
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
    shares: dict[str, Interval | None] = {}
    for name, right in {"accuracy": correct, "top5_accuracy": top}.items():
        found[name] = None if right is None else int(right.sum()) / n
        shares[name] = found[f"{name}_ci95"] = None if right is None else share_interval(right, groups)
    confusion = metrics.confusion_matrix(labels, predicted, labels=numbers)
    intervals: dict[str, Interval | NoInterval] = dict.fromkeys(scores, "few-groups")
    if groups is None or groups.enough:
        own = probabilities[np.arange(n), labels].clip(np.finfo(np.float64).eps)
        intervals = {
            "loss": _loss_interval(-np.log(own), correct, resamples, seed, groups),
            # The share of all photos that are right, by its definition.
            "weighted_recall": shares["accuracy"] or "few-groups",
            "ece": _ece_interval(confidence, correct, groups),
            **_class_intervals(confusion, labels, predicted, groups),
        }
    for name, score in scores.items():
        found[name], found[f"{name}_ci95"] = float(score), None
        if not isinstance(interval := intervals[name], str):
            found[f"{name}_ci95"] = interval
    found["no_interval"] = {name: why for name, why in intervals.items() if isinstance(why, str)}
    found["per_class"] = [
        {"class": name, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
        for name, p, r, f, s in zip(classes, precision, recall, f1, support, strict=True)
    ]
    found["confusion"] = confusion.tolist()
    return SplitFigures.model_validate(found)


def describe_groups(correct: Bool[np.ndarray, "n"], groups: Grouping) -> GroupsInfo:
    """Return how many groups there are, and a range for the accuracy where they are too few for an interval."""
    return GroupsInfo(
        num=groups.num,
        effective=groups.effective,
        largest=int(groups.sizes.max()),
        accuracy_range=None if groups.enough else cautious_range(correct, groups),
    )


def _class_intervals(
    confusion: Int[np.ndarray, "k k"],
    labels: Int[np.ndarray, "n"],
    predicted: Int[np.ndarray, "n"],
    groups: Grouping | None,
) -> dict[str, Interval | NoInterval]:
    """Return of each average over classes its interval, or why it has none."""
    averages = ClassAverages(confusion)
    found: dict[str, Interval | NoInterval] = {}
    for name in FEWEST_OF_A_CLASS:
        average = averages.of(name)
        if isinstance(average, Average):
            effect = 1.0 if groups is None else averages.effect(name, labels, predicted, groups)
            found[name] = average.interval(groups, effect)
        else:
            found[name] = average
    return found


def _ece_interval(
    confidence: Float[np.ndarray, "n"], correct: Bool[np.ndarray, "n"], groups: Grouping | None
) -> Interval | NoInterval:
    wider = 1.0
    if groups is not None:
        gaps = confidence - correct
        effect = design_effect(
            gaps - gaps.mean(), float(gaps.var()) / len(gaps), groups, rare_groups(correct, groups)
        )
        wider = widening(effect, groups)
    return ece_interval(confidence, correct, wider) or "few-photos"


def _loss_interval(
    losses: Float[np.ndarray, "n"],
    correct: Bool[np.ndarray, "n"],
    resamples: int,
    seed: int,
    groups: Grouping | None,
) -> Interval | NoInterval:
    """Return the bootstrap interval of a mean, made longer as far as whole groups that are drawn ask for it."""
    loss = float(losses.mean())
    photos = _resampled_mean(losses, resamples, seed)
    low, high = bootstrap_interval(loss, photos)
    if groups is None:
        return max(0.0, low), high
    rare = rare_groups(correct, groups)
    if rare < FEWEST_RARE:
        return "few-mistakes"
    drawn, variance = _resampled_mean(losses, resamples, seed, groups), float(photos.var())
    effect = drawn_to_worst(float(drawn.var()) / variance if variance else np.inf, groups, rare)
    wider = max(1.0, widening(effect, groups))
    return max(0.0, loss - wider * (loss - low)), loss + wider * (high - loss)


def _resampled_mean(
    values: Float[np.ndarray, "n"], resamples: int, seed: int, groups: Grouping | None = None
) -> Float[np.ndarray, "resamples"]:
    """Return the means of resamples of the photos or of whole groups, which have as many photos as they have."""
    from scipy.sparse import csr_array

    rows = csr_array(np.stack([values, np.ones(len(values))], axis=1))
    if groups is not None:
        rows = groups.sums(rows)
    sums = np.concatenate(list(resampled_sums(rows, resamples, seed)))
    return sums[:, 0] / sums[:, 1]
