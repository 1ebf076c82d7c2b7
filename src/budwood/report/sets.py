"""Sets of classes in the report: what they promise, on how many photos that rests, and what they did on test photos."""

from collections.abc import Sequence
from dataclasses import dataclass

from budwood.core import text as words
from budwood.evaluation.conformal import fewest
from budwood.evaluation.figures import Interval
from budwood.evaluation.sets import CALIBRATION, COVERAGES, PromisedSets, Sets
from budwood.report import terminal
from budwood.report.sections import MOST_IN_SIGHT
from budwood.report.summary import Contents


@dataclass(frozen=True)
class SetRow:
    """Sets of one kind at one coverage."""

    promised: str
    """With the kind of sets."""
    range: str
    """Between which shares the coverage lies, with so many calibration photos; "" of each class."""
    observed: str
    interval: str
    size: str
    single: str
    empty: str


@dataclass(frozen=True)
class ClassOfSets:
    """What sets of each kind hold of the photos of one class."""

    name: str
    photos: int
    cells: Sequence[tuple[str, str, float]]
    """Of each kind the observed share, its interval with the classes of a set, and the share to sort by."""


@dataclass(frozen=True)
class ShownSets:
    """The section on sets of classes."""

    lead: str
    rows: Sequence[SetRow]
    measured: str
    """What the observed figures are of; "" where there is no test split."""
    caption: str
    columns: Sequence[str]
    classes: Sequence[ClassOfSets]
    tall: bool


def show_sets(contents: Contents) -> ShownSets | None:
    """Return the table of sets; None for a run of a version that measured none."""
    found = contents.metrics.sets
    if found is None:
        return None
    first = [one for one in found.promised if one.coverage == COVERAGES[0] and one.test and one.test.classes]
    test = next((one.test for one in found.promised if one.test), None)
    classes = _classes(first)
    return ShownSets(
        lead=_lead(found),
        rows=[_row(one) for one in found.promised],
        measured=terminal.photos_of_groups(test.n, test.groups, "test") if test else "",
        caption=f"Each class at {words.whole_percent(COVERAGES[0])}",
        columns=[one.sets + (", per class" if one.per_class else "") for one in first],
        classes=classes,
        tall=len(classes) > MOST_IN_SIGHT,
    )


def _lead(found: Sets) -> str:
    on = terminal.photos_of_groups(found.n, found.groups, found.calibrated_on)
    if not found.promised:
        return (
            f"Sets of classes that hold the true one as often as promised are calibrated on photos, and {on} are too "
            f"few to promise anything: {words.whole_percent(COVERAGES[0])} needs {fewest(COVERAGES[0])}."
        )
    first = next(one for one in found.promised if one.coverage_range)
    assert first.coverage_range is not None
    honest = (
        "These photos chose nothing else, so the promise holds exactly on average."
        if found.calibrated_on == CALIBRATION
        else "These photos also chose the temperature, and the phase and its epoch where there were several, so the "
        "promise holds to within some tenths of a point; data.calibration sets photos apart for it."
    )
    alike = " Photos of one group count as one photo together." if found.groups else ""
    return (
        f"In place of one class, budwood predict --coverage {first.coverage:g} answers with a set of classes that "
        f"holds the true one for {words.whole_percent(first.coverage)} of photos like these (conformal prediction): "
        "lac gives the smallest sets on average, adaptive such as are never empty. "
        f"It is calibrated on {on}; with so many, coverage lies between "
        f"{_range(first.coverage_range)} in 95 % of all choices of them. {honest}"
        f"{alike} A set of one class is a sure answer; a large one says that the photo is hard; an empty one that no "
        "class is probable enough."
    )


def _row(one: PromisedSets) -> SetRow:
    test = one.test
    return SetRow(
        promised=f"{one.sets}, {words.whole_percent(one.coverage)}{' of each class' if one.per_class else ''}",
        range=_range(one.coverage_range, " to ") if one.coverage_range else "",
        observed=words.percent(test.observed) if test else "",
        interval=_range(test.observed_ci95, " to ") if test else "",
        size=f"{test.mean_size:.2f}" if test else "",
        single=words.percent(test.single) if test else "",
        empty=words.percent(test.empty) if test else "",
    )


def _range(ends: Interval, between: str = " and ") -> str:
    return f"{words.percent(ends[0])}{between}{words.percent(ends[1])}"


def _classes(rules: Sequence[PromisedSets]) -> list[ClassOfSets]:
    """Return a row a class, those first that the first kind of sets holds least often."""
    tables = [one.test.classes for one in rules if one.test]
    rows = []
    for cells in zip(*tables, strict=True):
        shown = [
            ("–", "", -1.0)
            if one.observed is None or one.observed_ci95 is None
            else (
                words.percent(one.observed),
                f"{_range(one.observed_ci95, ' to ')}; {one.mean_size:.2f} classes",
                one.observed,
            )
            for one in cells
        ]
        rows.append(ClassOfSets(cells[0].label, cells[0].n, shown))
    return sorted(rows, key=lambda row: (not row.photos, row.cells[0][2], row.name))
