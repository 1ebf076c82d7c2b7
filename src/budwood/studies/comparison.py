"""Configurations compared: the mean of each with its interval, every pair with its test."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from budwood.core.text import count, shown
from budwood.evaluation.groups import (
    Grouping,
    cautious_range,
    design_effect,
    grouped_difference,
    mean_share_interval,
    rare_groups,
)
from budwood.evaluation.statistics import (
    corrected_resampled_t,
    holm,
    paired_bootstrap,
    paired_difference,
    paired_permutation,
    photos_needed,
    wilson_interval,
)
from budwood.evaluation.verdict import compare_means
from budwood.studies.figure import ACCURACY
from budwood.studies.label_comparison import compare_labels, estimate_label_mean
from budwood.studies.outcomes import (
    Beside,
    CompleteTrial,
    Estimate,
    Found,
    Pair,
    few_groups,
    grouping_of,
    on_the_same_photos,
)
from budwood.studies.records import ReplicateKind

METHODS = {
    "split": "corrected resampled t-test over random splits (Nadeau and Bengio 2003)",
    "fold": "corrected resampled t-test over folds (Nadeau and Bengio 2003)",
    "shared": "exchange within photos (Fisher 1935) and percentile bootstrap over photos (Efron 1979)",
    "one": "McNemar's exact test (1947); score interval of Tango (1998)",
    "groups": "exchange of whole groups (Fisher 1935); interval of Tango (1998) at the effective number of photos",
}


def estimate_mean(trials: Sequence[CompleteTrial], split: str) -> Estimate | None:
    """Return the mean of the figure that is compared; None where no label of any trial can be measured."""
    figure = trials[0].figure
    return (
        estimate_share(trials, split)
        if figure == ACCURACY
        else estimate_label_mean(trials, split, figure.key)
    )


def estimate_beside(trials: Sequence[CompleteTrial], split: str) -> Beside | None:
    """Return what stands beside the mean average precision; None where a photo has one class."""
    if trials[0].figure == ACCURACY:
        return None
    return Beside(estimate_label_mean(trials, split, "macro_f1"), estimate_share(trials, split))


def estimate_share(trials: Sequence[CompleteTrial], split: str) -> Estimate:
    """Return the mean share of photos answered rightly, by Student's t over the trials, corrected for the overlap as
    the pairs are."""
    values = [one.of(split).share_right for one in trials]
    n = trials[0].of(split).n
    mean = float(np.mean(values))
    standard_deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    names = sorted(trials[0].correct[split])
    few = few_groups(trials, split)
    if few is None and standard_deviation and not on_the_same_photos(trials, split):
        train = float(np.mean([one.train_photos for one in trials]))
        _, low, high, _ = corrected_resampled_t(values, round(train), n)
        return Estimate(mean, standard_deviation, max(0.0, low), min(1.0, high), n)
    # The same photos every time, or the same figure on others: what is not known of them does not grow less with
    # the trainings.
    groups = grouping_of(trials[0], names)
    same = [one for one in trials if one.correct[split].keys() == trials[0].correct[split].keys()]
    shares = np.mean([[one.correct[split][name] for name in names] for one in same], axis=0)
    if few is not None:
        low, high = cautious_range(shares, groups)
    elif groups.single:
        low, high = wilson_interval(round(mean * n), n)
    else:
        low, high = mean_share_interval(shares, groups)
    return Estimate(mean, standard_deviation, low, high, n, few)


def measured_on(trials: Sequence[CompleteTrial], split: str) -> float:
    """Return how many independent photos the photos of all trials say as much as; of too few groups as if each group
    were one photo."""
    shares: dict[str, list[float]] = {}
    for one in trials:
        for name, right in one.correct[split].items():
            shares.setdefault(name, []).append(float(right))
    belongs = {name: one.groups.get(name, "") for one in trials for name in one.correct[split]}
    groups = Grouping.of([belongs[name] for name in shares])
    means = np.array([np.mean(some) for some in shares.values()])
    if groups.single:
        return float(len(means))
    if not groups.enough:
        return groups.effective
    share = float(means.mean())
    variance = share * (1 - share) / len(means)
    return len(means) / design_effect(means - share, variance, groups, rare_groups(means > 0.5, groups))


def compare_all(
    order: Sequence[str],
    trials: Mapping[str, Sequence[CompleteTrial]],
    replicate_kind: ReplicateKind,
    split: str,
) -> list[Pair]:
    """Return every pair of configurations that were measured on the same photos, each trial beside its counterpart."""
    found: dict[tuple[str, str], Found] = {}
    for a, b in combinations(order, 2):
        ones, others = ({one.replicate: one for one in trials[name]} for name in (a, b))
        both = [(one, others[replicate]) for replicate, one in ones.items() if replicate in others]
        # Of two that were divided in other ways nothing can be said, and little of few groups.
        if (
            both
            and all(one.correct[split].keys() == other.correct[split].keys() for one, other in both)
            and few_groups([one for one, _ in both], split) is None
        ):
            of_labels = both[0][0].figure != ACCURACY
            one = (compare_labels if of_labels else _compare)(both, replicate_kind, split)
            if one is not None:
                found[a, b] = one
    adjusted = holm([one.p for one in found.values()]) if found else []
    pairs = []
    for ((a, b), one), p in zip(found.items(), adjusted, strict=True):
        words = compare_means(
            shown(a),
            shown(b),
            one.difference,
            (one.low, one.high),
            p,
            where=one.where,
            photos=split,
            needed=one.needed,
            adjusted=len(found) > 1,
            figure=trials[a][0].figure.name,
            unit=one.unit,
        )
        method = METHODS.get(one.method, one.method)
        pairs.append(Pair(a, b, one.difference, one.low, one.high, one.p, p, one.trials, method, words))
    return pairs


def _compare(
    both: Sequence[tuple[CompleteTrial, CompleteTrial]], replicate_kind: ReplicateKind, split: str
) -> Found:
    photos = [sorted(one.correct[split]) for one, _ in both]
    rights = [
        (
            np.array([one.correct[split][name] for name in names], bool),
            np.array([other.correct[split][name] for name in names], bool),
        )
        for (one, other), names in zip(both, photos, strict=True)
    ]
    only_a = float(np.mean([(a & ~b).mean() for a, b in rights]))
    only_b = float(np.mean([(b & ~a).mean() for a, b in rights]))
    groups = [grouping_of(one, names) for (one, _), names in zip(both, photos, strict=True)]
    # How many photos tell two apart is known of photos that stand alone.
    needed = photos_needed(only_a, only_b) if all(one.single for one in groups) else None
    differences = [float(a.mean() - b.mean()) for a, b in rights]
    shared = all(names == photos[0] for names in photos)
    where, number = count(len(both), replicate_kind), len(both)
    # Equal differences say nothing of how they vary, and photos of which none differs nothing of others: then the
    # photos of one trial do.
    if number == 1 or not (any((a != b).any() for a, b in rights) if shared else np.ptp(differences)):
        pair = (
            paired_difference(*rights[0]) if groups[0].single else grouped_difference(*rights[0], groups[0])
        )
        if number > 1:
            where = f"{both[0][0].replicate} alone, for the difference is the same in all {number}"
        method = "one" if groups[0].single else "groups"
        return Found(pair.difference, pair.low, pair.high, pair.p, method, where, 1, needed)
    if shared:
        share_a, share_b = (np.mean([right[side] for right in rights], axis=0) for side in (0, 1))
        if not groups[0].single:
            pair = grouped_difference(share_a, share_b, groups[0])
            return Found(pair.difference, pair.low, pair.high, pair.p, "groups", where, number, needed)
        low, high = paired_bootstrap(share_a, share_b)
        p = paired_permutation(share_a, share_b)
        return Found(float((share_a - share_b).mean()), low, high, p, "shared", where, number, needed)
    num_train = round(float(np.mean([one.train_photos for one, _ in both])))
    num_test = round(float(np.mean([len(names) for names in photos])))
    mean, low, high, p = corrected_resampled_t(differences, num_train, num_test)
    # Student's t knows nothing of what a difference of shares can be.
    return Found(mean, max(-1.0, low), min(1.0, high), p, replicate_kind, where, number, needed)
