"""Configurations of several labels a photo compared, by mean average precision.

Over random splits or folds the test is that of accuracies: a figure a split, corrected for the overlap. On the same
photos every time, or of one trial, it follows from the photos themselves, drawn and left out for both alike.
"""

from collections.abc import Sequence

import numpy as np

from budwood.core.text import count
from budwood.evaluation.figures import Interval
from budwood.evaluation.groups import Grouping
from budwood.evaluation.multi_label_differences import Replicates
from budwood.evaluation.multi_label_means import interval_of, mean_of
from budwood.evaluation.multi_label_verdict import method, photos_to_tell
from budwood.evaluation.statistics import PairedDifference, corrected_resampled_t
from budwood.studies.outcomes import (
    CompleteTrial,
    Estimate,
    Found,
    few_groups,
    grouping_of,
    on_the_same_photos,
)
from budwood.studies.records import ReplicateKind

RESAMPLES, FEW_RESAMPLES = 10_000, 1_000
"""Of what is stated, and of how many photos would be needed, which is named in two figures."""
NORMAL = 1.96
"""Standard errors on either side of a 95 % interval."""
Both = Sequence[tuple[CompleteTrial, CompleteTrial]]


def estimate_label_mean(trials: Sequence[CompleteTrial], split: str, key: str) -> Estimate | None:
    """Return the mean of a figure of metrics.json over the trials that have it; None where none has.

    Args:
        trials: of one configuration.
        split: "validation" or "test".
        key: "mean_average_precision" or "macro_f1".
    """
    measured = [one for one in trials if one.of(split).figure(key)[0] is not None]
    if not measured:
        return None
    values = [float(one.of(split).figure(key)[0] or 0.0) for one in measured]
    n, mean = measured[0].of(split).n, float(np.mean(values))
    standard_deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    few = few_groups(measured, split)
    low, high = None, None
    if few is None and standard_deviation and not on_the_same_photos(measured, split):
        train = float(np.mean([one.train_photos for one in measured]))
        _, low, high, _ = corrected_resampled_t(values, round(train), n)
        low, high = max(0.0, low), min(1.0, high)
    elif few is None:
        low, high = _of_the_photos(measured, split, key) or (None, None)
    return Estimate(mean, standard_deviation, low, high, n, few)


def _of_the_photos(trials: Sequence[CompleteTrial], split: str, key: str) -> Interval | None:
    """Return the interval of the mean over those trials that have the first one's photos."""
    first = trials[0]
    same = [one for one in trials if one.correct[split].keys() == first.correct[split].keys()]
    if len(same) == 1:
        return first.of(split).figure(key)[1]
    return interval_of(mean_of(_replicates(same, split)), key)


def standard_error(trials: Sequence[CompleteTrial], split: str, measured: int) -> float | None:
    """Return the standard error of the mean average precision by the photos that trials were measured on; None where no
    interval of it is known.

    Args:
        trials: with the same training photos in number.
        split: "validation" or "test".
        measured: different photos of all of them together.
    """
    each = [(one.of(split).n, one.of(split).figure(one.figure.key)[1]) for one in trials]
    known = [(n, high - low) for n, ends in each if ends is not None for low, high in [ends]]
    if not known:
        return None
    n, width = np.mean(known, axis=0)
    return float(width / 2 / NORMAL * np.sqrt(n / measured))


def compare_labels(both: Both, replicate_kind: ReplicateKind, split: str) -> Found | None:
    """Return how two configurations differ; None where no label can be measured, or too few photos have one.

    Args:
        both: a trial of each, on the same photos.
        replicate_kind: what is different between the trials of one configuration.
        split: "validation" or "test".
    """
    measured = [
        (one, other) for one, other in both if one.value(split) is not None and other.value(split) is not None
    ]
    if not measured:
        return None
    first, number = measured[0], len(measured)
    ones = [one for one, _ in measured]
    differences = [float((a.value(split) or 0.0) - (b.value(split) or 0.0)) for a, b in measured]
    where, shared = count(number, replicate_kind), on_the_same_photos(ones, split)
    groups = grouping_of(first[0], _names(first[0], split))
    if number == 1 or shared or not np.ptp(differences):
        if number > 1 and not shared:
            where = f"{first[0].replicate} alone, for the difference is the same in all {number}"
            measured = measured[:1]
        pair = _paired(measured, split, RESAMPLES)
        if pair is None:
            return None
        return _found(pair, method(groups), where, len(measured), _needed(pair, groups), groups)
    num_train = round(float(np.mean([one.train_photos for one in ones])))
    num_test = round(float(np.mean([len(one.correct[split]) for one in ones])))
    mean, low, high, p = corrected_resampled_t(differences, num_train, num_test)
    found = PairedDifference(mean, max(-1.0, low), min(1.0, high), p, num_test)
    of_one = _paired([first], split, FEW_RESAMPLES) if low <= 0 <= high and groups.single else None
    # How far photos alone move a difference is that of one split; how large it is, that of all.
    moved = None
    if of_one is not None:
        half = (of_one.high - of_one.low) / 2
        moved = PairedDifference(mean, mean - half, mean + half, p, of_one.n)
    needed = _needed(moved, groups) if moved is not None else None
    return _found(found, replicate_kind, where, number, needed, groups)


def _found(
    pair: PairedDifference, how: str, where: str, trials: int, needed: int | None, groups: Grouping
) -> Found:
    unit = "photos" if groups.single else "groups of photos"
    return Found(pair.difference, pair.low, pair.high, pair.p, how, where, trials, needed, unit)


def _needed(pair: PairedDifference, groups: Grouping) -> int | None:
    # How many photos tell two apart is known of photos that stand alone.
    return photos_to_tell(pair) if groups.single else None


def _paired(both: Both, split: str, resamples: int) -> PairedDifference | None:
    """Return the mean difference of pairs of trials that are all of the same photos."""
    ones, others = (mean_of(_replicates(side, split, resamples)) for side in zip(*both, strict=True))
    return ones.minus(others)


def _replicates(trials: Sequence[CompleteTrial], split: str, resamples: int = RESAMPLES) -> list[Replicates]:
    """Return of trials on the same photos what their figures become where these are drawn and left out."""
    names = _names(trials[0], split)
    groups = grouping_of(trials[0], names)
    labels = _said(trials[0]).labels
    found = []
    for one in trials:
        said = _said(one).of(split)
        row_of = {name: row for row, name in enumerate(said.names)}
        rows = [row_of[name] for name in names]
        columns = [said.labels.index(label) for label in labels]
        thresholds = said.task.threshold_values(len(labels))[columns]
        cells = np.ix_(rows, columns)
        found.append(
            Replicates.of(
                said.targets[cells],
                said.probabilities[cells],
                thresholds,
                resamples=resamples,
                groups=None if groups.single else groups,
            )
        )
    return found


def _names(trial: CompleteTrial, split: str) -> list[str]:
    return sorted(trial.correct[split])


def _said(trial: CompleteTrial):
    assert trial.said is not None, "a trial of several labels"
    return trial.said
