"""Sets of labels in words: what they promise, on how many photos that rests, and what they did on test photos."""

from collections.abc import Sequence
from dataclasses import dataclass

from budwood.core import text as words
from budwood.evaluation.conformal import fewest
from budwood.evaluation.figures import Interval
from budwood.evaluation.label_coverage import (
    ChosenLabelSets,
    LabelCoverage,
    LabelSets,
    ObservedLabelSets,
    PromisedLabelSets,
)
from budwood.evaluation.sets import CALIBRATION, COVERAGES
from budwood.report import terminal
from budwood.report.sections import MOST_IN_SIGHT
from budwood.report.summary import Contents


@dataclass(frozen=True)
class LabelSetRow:
    """Sets of labels at one coverage."""

    promised: str
    range: str
    """Between which shares the coverage lies, with so many calibration photos; "" of each label."""
    observed: str
    interval: str
    size: str
    empty: str


@dataclass(frozen=True)
class LabelOfSets:
    """What sets hold of the photos with one label."""

    name: str
    photos: int
    cells: Sequence[tuple[str, str, float]]
    """Of the rule of all labels, and of that of each, the observed share, its interval with the share of sets that hold
    the label, and the share to sort by."""


@dataclass(frozen=True)
class ShownLabelSets:
    """The section on sets of labels."""

    lead: str
    rows: Sequence[LabelSetRow]
    measured: str
    """What the observed figures are of; "" where there is no test split."""
    caption: str
    columns: Sequence[str]
    labels: Sequence[LabelOfSets]
    tall: bool


def label_sets_as_text(chosen: ChosenLabelSets) -> str:
    """Return what sets of labels promise, on how many photos that rests, and what they do to the test photos."""
    rule = chosen.rule
    on = photos_with_labels(chosen.n, chosen.with_labels, chosen.groups, chosen.calibrated_on)
    share = words.whole_percent(rule.coverage)
    if rule.per_label:
        promise = f"of the photos that have a label, {share} have it in their set, for each label (calibrated on {on})"
    else:
        alike = ", each group counting alike" if chosen.groups else ""
        promise = f"sets hold {share} of a photo's labels on average{alike} (calibrated on {on})"
    if chosen.coverage_range is not None:
        low, high = chosen.coverage_range
        promise += f"; with so many, it lies between {words.percent(low)} and {words.percent(high)}"
    lines = [promise]
    if chosen.test is not None:
        lines.append(f"  test: {observed_label_sets(chosen.test)}")
        if (weakest := chosen.test.weakest) is not None:
            lines.append(terminal.weakest_as_text(weakest))
    return "\n".join(lines).replace(words.NO_BREAK, " ")


def observed_label_sets(found: ObservedLabelSets) -> str:
    """Return what sets do to some photos."""
    held = ""
    if found.observed is not None and found.observed_ci95 is not None:
        low, high = found.observed_ci95
        held = (
            f"the sets of {words.count(found.with_labels, 'photo')} with labels hold {words.percent(found.observed)} "
            f"of them (95 % interval {words.percent(low)} to {words.percent(high)}); "
        )
    return (
        f"{held}{found.mean_size:.2f} labels in a set on average where photos have {found.mean_labels:.2f}, "
        f"{words.percent(found.empty)} empty"
    )


def photos_with_labels(n: int, with_labels: int, groups: int | None, split: str) -> str:
    """Return how many photos a split has, and how many of them have a label.

    >>> photos_with_labels(200, 200, None, "validation"), photos_with_labels(200, 120, 30, "calibration")
    ('200 validation photos', '200 calibration photos of 30 groups, of which 120 have a label')
    """
    some = f", of which {with_labels:,} have a label" if with_labels < n else ""
    return f"{terminal.photos_of_groups(n, groups, split)}{some}"


def show_label_sets(contents: Contents) -> ShownLabelSets | None:
    """Return the table of sets of labels; None for a run of a version that measured none."""
    found = contents.metrics.label_sets
    if found is None:
        return None
    first = [one for one in found.promised if one.coverage == COVERAGES[0] and one.test and one.test.labels]
    test = next((one.test for one in found.promised if one.test), None)
    labels = _labels([one.test.labels for one in first if one.test])
    return ShownLabelSets(
        lead=_lead(found),
        rows=[_row(one) for one in found.promised],
        measured=photos_with_labels(test.n, test.with_labels, test.groups, "test") if test else "",
        caption=f"Each label at {words.whole_percent(COVERAGES[0])}",
        columns=["of each label" if one.per_label else "of all labels together" for one in first],
        labels=labels,
        tall=len(labels) > MOST_IN_SIGHT,
    )


def _lead(found: LabelSets) -> str:
    on = photos_with_labels(found.n, found.with_labels, found.groups, found.calibrated_on)
    first = next((one for one in found.promised if one.coverage_range), None)
    if first is None or first.coverage_range is None:
        return (
            "Sets that hold as large a share of a photo's labels as promised are calibrated on photos with labels, and "
            f"{on} are too few to promise anything: {words.whole_percent(COVERAGES[0])} needs "
            f"{fewest(COVERAGES[0])}."
        )
    honest = (
        "These photos chose nothing else, so the promise holds on average."
        if found.calibrated_on == CALIBRATION
        else "These photos also chose the calibration of the labels, and the phase and its epoch where there were "
        "several, so the promise holds to within some tenths of a point; data.calibration sets photos apart for it."
    )
    alike = " Photos of one group count as one photo together." if found.groups else ""
    missed = words.whole_percent(1 - first.coverage)
    return (
        f"In place of the labels that reach their thresholds, budwood predict --coverage {first.coverage:g} answers "
        f"with a set that misses no more than {missed} of a photo's labels, in the mean over photos like these that "
        "have any (conformal risk control). Of one photo it may miss all, and nothing limits what it holds beside "
        f"them. It is calibrated on {on}; with so many, the share that is held lies between "
        f"{_range(first.coverage_range)} in 95 % of all choices of them. {honest}{alike} “Of each label” promises for "
        "every label by itself that the sets of so many photos with it hold it."
    )


def _row(one: PromisedLabelSets) -> LabelSetRow:
    test = one.test
    held = test is not None and test.observed is not None
    return LabelSetRow(
        promised=f"{words.whole_percent(one.coverage)} {'of each label' if one.per_label else 'of the labels'}",
        range=_range(one.coverage_range, " to ") if one.coverage_range else "",
        observed=words.percent(test.observed) if held and test and test.observed is not None else "–",
        interval=_range(test.observed_ci95, " to ") if test and test.observed_ci95 else "",
        size=f"{test.mean_size:.2f}" if test else "",
        empty=words.percent(test.empty) if test else "",
    )


def _range(ends: Interval, between: str = " and ") -> str:
    return f"{words.percent(ends[0])}{between}{words.percent(ends[1])}"


def _labels(tables: Sequence[Sequence[LabelCoverage]]) -> list[LabelOfSets]:
    """Return a row a label, those first that the first rule holds least often."""
    rows = []
    for cells in zip(*tables, strict=True):
        shown = [
            ("–", "", -1.0)
            if one.observed is None or one.observed_ci95 is None
            else (
                words.percent(one.observed),
                f"{_range(one.observed_ci95, ' to ')}; in {words.percent(one.in_sets)} of all sets",
                one.observed,
            )
            for one in cells
        ]
        rows.append(LabelOfSets(cells[0].label, cells[0].n, shown))
    return sorted(rows, key=lambda row: (not row.photos, row.cells[0][2], row.name))
