"""What sets of labels promise and what they do on test photos, for metrics.json."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from budwood.core.part import Part
from budwood.evaluation.conformal import as_kept, coverage_range
from budwood.evaluation.figures import Interval
from budwood.evaluation.groups import Grouping
from budwood.evaluation.risk_control import (
    LabelSetRule,
    Missed,
    choose_label_rule,
    has_labels,
    label_rule,
    missed_in_calibration,
    missed_shares,
)
from budwood.evaluation.sets import COVERAGES, calibrating
from budwood.evaluation.statistics import wilson_score

_NORMAL = 1.959963984540054
"""Quantile of a 95 % interval."""


class LabelCoverage(Part):
    """The sets of the test photos by one label."""

    label: str
    n: int
    """Photos that have it."""
    observed: float | None
    """Share of them whose set holds it; None where there is no test photo."""
    observed_ci95: Interval | None
    in_sets: float
    """Share of all test photos whose set holds it."""
    threshold: float
    """The smallest probability of it in a set."""
    coverage_range: Interval | None
    """Where the coverage lies in 95 % of all choices of as many calibration photos with it; None where one threshold is
    promised of all labels together."""


class ObservedLabelSets(Part):
    """What sets of labels do on photos that chose nothing."""

    left_out = frozenset({"groups", "labels"})

    n: int
    with_labels: int
    """Photos that are known to have a label: the share that sets hold is of them."""
    groups: int | None = None
    """Where photos belong together, how many groups they are of: each counts once in all figures."""
    observed: float | None
    """Mean share of a photo's own labels that its set holds; None where no photo has a label."""
    observed_ci95: Interval | None
    expected_range: Interval | None
    """Where it lies in 95 % of all choices of as many calibration and test photos; None where each label has its own
    threshold."""
    mean_size: float
    """Labels in a set, of all photos."""
    mean_labels: float
    """Labels that a photo is known to have."""
    empty: float
    """Share of sets with no label."""
    labels: tuple[LabelCoverage, ...] = ()

    @property
    def weakest(self) -> LabelCoverage | None:
        """Return the label that the sets of the photos with it hold least often; None where no photo has a label."""
        seen = ((found.observed, -found.n, found) for found in self.labels if found.observed is not None)
        return min(seen, key=lambda one: one[:2], default=(0.0, 0, None))[2]


class PromisedLabelSets(Part):
    """Sets of labels at one coverage."""

    coverage: float
    per_label: bool
    threshold: float | None
    """Smallest probability of a label in a set; None where each has its own."""
    coverage_range: Interval | None
    """Where the coverage lies in 95 % of all choices of as many calibration photos."""
    test: ObservedLabelSets | None
    """None where there is no test split."""


class LabelSets(Part):
    """What sets of labels of a run promise, and what they do."""

    left_out = frozenset({"groups"})

    calibrated_on: str
    """"calibration", or "validation", whose photos also chose the scaling, and the phase and epoch where there were
    several."""
    n: int
    with_labels: int
    """Of them, those that are known to have a label; the others calibrate nothing."""
    groups: int | None = None
    promised: tuple[PromisedLabelSets, ...]
    """None where there are too few calibration photos for any."""


@dataclass(frozen=True, eq=False)
class ScoredLabels:
    """Photos of one split with what a model says of their labels."""

    probabilities: Float[np.ndarray, "n labels"]
    targets: Float[np.ndarray, "n labels"]
    groups: Grouping

    @classmethod
    def of(
        cls,
        probabilities: Float[np.ndarray, "n labels"],
        targets: Float[np.ndarray, "n labels"],
        groups: Grouping | None = None,
    ) -> "ScoredLabels":
        """Return photos with their probabilities as a run keeps them."""
        return cls(as_kept(probabilities), targets, groups or Grouping(np.arange(len(targets))))

    @property
    def num_with_labels(self) -> int:
        """Return how many photos are known to have a label."""
        return int(has_labels(self.targets).sum())

    @property
    def num_groups(self) -> int | None:
        """Return how many groups the photos are of; None where each stands alone."""
        return None if self.groups.single else self.groups.num


@dataclass(frozen=True, eq=False)
class ChosenLabelSets:
    """A rule by which photos get sets of labels, and what it rests on."""

    rule: LabelSetRule
    calibrated_on: str
    """"calibration" or "validation"."""
    n: int
    with_labels: int
    """Of the calibration photos, those that are known to have a label."""
    groups: int | None
    """Of the calibration photos, where they belong together."""
    coverage_range: Interval | None
    """Where the coverage lies in 95 % of all choices of as many calibration photos; None of each label."""
    test: ObservedLabelSets | None
    """What it does to the test photos; None where there are none."""


def choose_label_sets(
    by_split: Mapping[str, ScoredLabels],
    labels: Sequence[str],
    coverage: float,
    *,
    per_label: bool = False,
) -> ChosenLabelSets:
    """Return the rule by which sets hold as large a share of a photo's labels as wanted, and what it does to the test
    photos.

    Raise RunError as `choose_label_rule` does.
    """
    calibrated_on = calibrating(by_split)
    photos, test = by_split[calibrated_on], by_split.get("test")
    rule = choose_label_rule(
        photos.targets, photos.probabilities, labels, coverage, per_label=per_label, groups=photos.groups
    )
    missed = _missed(rule, photos)
    return ChosenLabelSets(
        rule,
        calibrated_on,
        len(photos.targets),
        photos.num_with_labels,
        photos.num_groups,
        missed.coverage_range() if missed else None,
        observe_label_sets(rule, missed, test, labels if per_label else ()) if test is not None else None,
    )


def describe_label_sets(by_split: Mapping[str, ScoredLabels], labels: Sequence[str]) -> LabelSets:
    """Return what sets promise and do, overall and, where photos suffice, of each label."""
    calibrated_on = calibrating(by_split)
    photos = by_split[calibrated_on]
    return LabelSets(
        calibrated_on=calibrated_on,
        n=len(photos.targets),
        with_labels=photos.num_with_labels,
        groups=photos.num_groups,
        promised=tuple(_promised(photos, by_split.get("test"), labels)),
    )


def _promised(
    photos: ScoredLabels, test: ScoredLabels | None, labels: Sequence[str]
) -> Iterator[PromisedLabelSets]:
    for per_label in (False, True):
        for coverage in COVERAGES:
            rule = label_rule(
                photos.targets, photos.probabilities, coverage, per_label=per_label, groups=photos.groups
            )
            if rule is None:
                continue
            missed = _missed(rule, photos)
            named = labels if coverage == COVERAGES[0] else ()
            yield PromisedLabelSets(
                coverage=coverage,
                per_label=per_label,
                threshold=None if per_label else float(rule.thresholds[0]),
                coverage_range=missed.coverage_range() if missed else None,
                test=observe_label_sets(rule, missed, test, named) if test is not None else None,
            )


def observe_label_sets(
    rule: LabelSetRule, missed: Missed | None, photos: ScoredLabels, labels: Sequence[str] = ()
) -> ObservedLabelSets:
    """Return what the sets of some photos are: of photos that belong together, of each group alike.

    Args:
        rule: that makes them.
        missed: what they miss of the calibration photos; None where each label has its own threshold.
        photos: with their true labels.
        labels: names, where figures of each label are wanted.
    """
    sets, groups = rule.sets(photos.probabilities), photos.groups
    rows, own = has_labels(photos.targets), photos.targets == 1
    part = groups.part(rows)
    observed, interval = None, None
    if part.num:
        shares = 1 - missed_shares(photos.targets, sets)[rows]
        observed, interval = _mean(shares, part), _mean_interval(shares, part)
    sizes = sets.sum(axis=1)
    return ObservedLabelSets(
        n=len(sets),
        with_labels=int(rows.sum()),
        groups=photos.num_groups,
        observed=observed,
        observed_ci95=interval,
        expected_range=missed.observed_range(part.num) if missed and part.num else None,
        mean_size=_mean(sizes, groups),
        mean_labels=_mean(own.sum(axis=1), groups),
        empty=_mean(sizes == 0, groups),
        labels=tuple(_of_label(rule, name, place, own, sets, groups) for place, name in enumerate(labels)),
    )


def _of_label(
    rule: LabelSetRule,
    name: str,
    place: int,
    own: Bool[np.ndarray, "n labels"],
    sets: Bool[np.ndarray, "n labels"],
    groups: Grouping,
) -> LabelCoverage:
    rows, share, interval = own[:, place], None, None
    if rows.any():
        part = groups.part(rows)
        share = _mean(sets[rows, place], part)
        interval = wilson_score(share, part.num, _NORMAL)
    return LabelCoverage(
        label=name,
        n=int(rows.sum()),
        observed=share,
        observed_ci95=interval,
        in_sets=_mean(sets[:, place], groups),
        threshold=float(rule.thresholds[place]),
        coverage_range=coverage_range(rule.units[place], rule.coverage) if rule.per_label else None,
    )


def _missed(rule: LabelSetRule, photos: ScoredLabels) -> Missed | None:
    if rule.per_label:
        return None
    return missed_in_calibration(photos.targets, rule.sets(photos.probabilities), photos.groups)


def _mean(values: Shaped[np.ndarray, "n"], groups: Grouping) -> float:
    """Return the mean of the means of the groups."""
    return float(_means(values, groups).mean())


def _means(values: Shaped[np.ndarray, "n"], groups: Grouping) -> Float[np.ndarray, "m"]:
    return groups.sums(values.astype(np.float64)) / groups.sizes


def _mean_interval(shares: Float[np.ndarray, "n"], groups: Grouping) -> Interval:
    """Return the 95 % interval of a mean of shares: Wilson's, at as many photos as would vary so if each held all or
    nothing."""
    means = _means(shares, groups)
    # With one photo of which nothing is held, so that shares which are all 1 do not seem to be sure.
    some = np.append(means, 0.0)
    mean = float(some.mean())
    effect = float(some.var()) / (mean * (1 - mean)) if 0 < mean < 1 else 1.0
    return wilson_score(float(means.mean()), groups.num / effect, _NORMAL)
