"""What sets of classes promise and what they do on test photos, for metrics.json."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from pydantic import Field

from budwood.core.errors import RunError
from budwood.core.part import Part
from budwood.evaluation.conformal import (
    SET_KINDS,
    SetKind,
    SetRule,
    as_kept,
    choose_rule,
    class_scores,
    coverage_range,
    observed_range,
    rule_of_scores,
)
from budwood.evaluation.figures import Interval
from budwood.evaluation.groups import Grouping
from budwood.evaluation.statistics import wilson_score

CALIBRATION = "calibration"
"""The split that calibrates sets alone."""
COVERAGES = (0.9, 0.95, 0.99)
"""What is measured of a run, as far as its calibration photos can promise it; of the first, figures of each class."""
_NORMAL = 1.959963984540054
"""Quantile of a 95 % interval."""


class ClassCoverage(Part):
    """The sets of the test photos of one class."""

    label: str = Field(alias="class")
    n: int
    observed: float | None
    """Share of them with the class; None where there is no test photo."""
    observed_ci95: Interval | None
    mean_size: float | None
    threshold: float
    """Of the score of this class."""


class ObservedSets(Part):
    """What sets do on photos that chose nothing."""

    left_out = frozenset({"groups", "classes"})

    n: int
    groups: int | None = None
    """Where photos belong together, how many groups they are of: each counts once in all figures."""
    observed: float
    """Share of sets that hold the true class."""
    observed_ci95: Interval
    expected_range: Interval | None
    """Where it lies in 95 % of all choices of as many calibration and test photos; None where each class has its own
    threshold."""
    mean_size: float
    empty: float
    single: float
    """Share of sets with no class, and with one."""
    classes: tuple[ClassCoverage, ...] = ()

    @property
    def weakest(self) -> ClassCoverage | None:
        """Return the class whose photos have it least often in their sets; None where no class has a photo here."""
        seen = ((found.observed, -found.n, found) for found in self.classes if found.observed is not None)
        return min(seen, key=lambda one: one[:2], default=(0.0, 0, None))[2]


class PromisedSets(Part):
    """Sets of one kind at one coverage."""

    sets: SetKind
    coverage: float
    per_class: bool
    threshold: float | None
    """Largest score of a class in a set; None where each class has its own."""
    coverage_range: Interval | None
    """Where the coverage lies in 95 % of all choices of as many calibration photos."""
    test: ObservedSets | None
    """None where there is no test split."""


class Sets(Part):
    """What sets of classes of a run promise, and what they do."""

    left_out = frozenset({"groups"})

    calibrated_on: str
    """"calibration", or "validation", whose photos also chose the temperature, and the phase and epoch where there were
    several."""
    n: int
    groups: int | None = None
    promised: tuple[PromisedSets, ...]
    """None where there are too few calibration photos for any."""


@dataclass(frozen=True, eq=False)
class Scored:
    """Photos of one split with what a model says of them."""

    probabilities: Float[np.ndarray, "n classes"]
    labels: Int[np.ndarray, "n"]
    groups: Grouping

    @classmethod
    def of(
        cls,
        probabilities: Float[np.ndarray, "n classes"],
        labels: Int[np.ndarray, "n"],
        groups: Grouping | None = None,
    ) -> "Scored":
        """Return photos with their probabilities as a run keeps them."""
        return cls(as_kept(probabilities), labels, groups or Grouping(np.arange(len(labels))))


def calibrating(splits: Container[str]) -> str:
    """Return the split that calibrates sets: one of its own where there is one, else "validation".

    That the validation photos chose before costs little: benchmarks/conformal.py.
    """
    return CALIBRATION if CALIBRATION in splits else "validation"


@dataclass(frozen=True, eq=False)
class ChosenSets:
    """A rule by which photos get sets of classes, and what it rests on."""

    rule: SetRule
    calibrated_on: str
    """"calibration" or "validation"."""
    n: int
    groups: int | None
    """Of the calibration photos, where they belong together."""
    test: ObservedSets | None
    """What it does to the test photos; None where there are none."""

    @property
    def coverage_range(self) -> Interval | None:
        """Where the coverage lies in 95 % of all choices of as many calibration photos; None of each class."""
        return None if self.rule.per_class else coverage_range(self.rule.units[0], self.rule.coverage)


def choose_sets(
    by_split: Mapping[str, Scored],
    classes: Sequence[str],
    coverage: float,
    kind: SetKind = "lac",
    *,
    per_class: bool = False,
) -> ChosenSets:
    """Return the rule by which sets hold the true class as often as wanted, and what it does to the test photos.

    Raise RunError as `choose_rule` does.
    """
    calibrated_on = calibrating(by_split)
    photos, test = by_split[calibrated_on], by_split.get("test")
    rule = choose_rule(
        photos.probabilities,
        photos.labels,
        classes,
        coverage,
        kind,
        per_class=per_class,
        groups=photos.groups,
    )
    named = classes if per_class else ()
    measured = observe(rule, rule.sets(test.probabilities), test, named) if test is not None else None
    return ChosenSets(rule, calibrated_on, len(photos.labels), _groups(photos.groups), measured)


def refuse_unknown_sets(kind: str) -> None:
    """Raise RunError for what is no kind of sets.

    >>> refuse_unknown_sets("aps")
    Traceback (most recent call last):
    budwood.core.errors.RunError: there are no sets 'aps'. Give lac or adaptive
    """
    if kind not in SET_KINDS:
        raise RunError(f"there are no sets {kind!r}. Give {' or '.join(SET_KINDS)}")


def describe_sets(
    calibrated_on: str, calibration: Scored, test: Scored | None, classes: Sequence[str]
) -> Sets:
    """Return what sets of each kind promise and do, overall and, where photos suffice, for each class."""
    return Sets(
        calibrated_on=calibrated_on,
        n=len(calibration.labels),
        groups=_groups(calibration.groups),
        promised=tuple(_promised(calibration, test, classes)),
    )


def _promised(calibration: Scored, test: Scored | None, classes: Sequence[str]) -> Iterator[PromisedSets]:
    for kind in SET_KINDS:
        scores = class_scores(calibration.probabilities, kind)
        of_test = class_scores(test.probabilities, kind) if test is not None else None
        for per_class in (False, True):
            for coverage in COVERAGES:
                rule = rule_of_scores(
                    scores, calibration.labels, coverage, kind, per_class, calibration.groups
                )
                if rule is None:
                    continue
                measured = None
                if test is not None and of_test is not None:
                    sets = of_test <= rule.thresholds
                    measured = observe(rule, sets, test, classes if coverage == COVERAGES[0] else ())
                yield PromisedSets(
                    sets=kind,
                    coverage=coverage,
                    per_class=per_class,
                    threshold=None if per_class else float(rule.thresholds[0]),
                    coverage_range=None if per_class else coverage_range(rule.units[0], coverage),
                    test=measured,
                )


def observe(
    rule: SetRule, sets: Bool[np.ndarray, "n classes"], photos: Scored, classes: Sequence[str] = ()
) -> ObservedSets:
    """Return what the sets of some photos are: of photos that belong together, of each group alike.

    Args:
        rule: that made them.
        sets: which classes are in the set of each photo.
        photos: with their true classes.
        classes: names, where figures of each class are wanted.
    """
    groups = photos.groups
    right, sizes = sets[np.arange(len(sets)), photos.labels], sets.sum(axis=1)
    observed = _mean(right, groups)
    return ObservedSets(
        n=len(sets),
        groups=_groups(groups),
        observed=observed,
        # A mean of shares varies no more than a share of as many photos.
        observed_ci95=wilson_score(observed, groups.num, _NORMAL),
        expected_range=None if rule.per_class else observed_range(rule.units[0], groups.num, rule.coverage),
        mean_size=_mean(sizes, groups),
        empty=_mean(sizes == 0, groups),
        single=_mean(sizes == 1, groups),
        classes=tuple(
            _of_class(name, photos.labels == number, right, sizes, groups, float(rule.thresholds[number]))
            for number, name in enumerate(classes)
        ),
    )


def _of_class(
    name: str,
    own: Bool[np.ndarray, "n"],
    right: Bool[np.ndarray, "n"],
    sizes: Int[np.ndarray, "n"],
    groups: Grouping,
    limit: float,
) -> ClassCoverage:
    number = int(own.sum())
    share, interval, mean_size = None, None, None
    if number:
        part = groups.part(own)
        share, mean_size = _mean(right[own], part), _mean(sizes[own], part)
        interval = wilson_score(share, part.num, _NORMAL)
    return ClassCoverage.model_validate(
        {
            "class": name,
            "n": number,
            "observed": share,
            "observed_ci95": interval,
            "mean_size": mean_size,
            "threshold": limit,
        }
    )


def _mean(values: Shaped[np.ndarray, "n"], groups: Grouping) -> float:
    """Return the mean of the means of the groups."""
    return float((groups.sums(values.astype(np.float64)) / groups.sizes).mean())


def _groups(groups: Grouping) -> int | None:
    return None if groups.single else groups.num
