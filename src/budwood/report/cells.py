"""The photos behind each cell of the confusion matrix: which of them the page has room for."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from budwood.report.summary import Contents
from budwood.report.thumbnails import SMALL, Thumbnails
from budwood.runs.schema import PredictionRow

BUDGET = 1500
"""Photos of all cells together: some 5 MB of thumbnails."""
RIGHT = 6
"""Of the photos that are classified correctly, as many of each class."""

FOLDED_ABOVE = 30
"""Classes up to which their photos lie open in the page."""


@dataclass(frozen=True)
class Cell:
    """The photos of one class that were taken for one class."""

    true: int
    predicted: int
    photos: list[PredictionRow]
    """All of them: mistakes the surest first, right ones the least sure first."""
    num_shown: int = 0

    @property
    def anchor(self) -> str:
        """Its place in the page."""
        return f"cell-{self.true}-{self.predicted}"

    @property
    def shown(self) -> list[PredictionRow]:
        return self.photos[: self.num_shown]

    @property
    def is_right(self) -> bool:
        return self.true == self.predicted


@dataclass(frozen=True)
class ClassOfCells:
    """The cells of one true class that have room in the page, mistakes first, the most frequent first."""

    name: str
    index: int
    total: int
    right: int
    cells: list[Cell] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """Its place in the page."""
        return f"class-{self.index}"


@dataclass(frozen=True)
class Cells:
    """The photos of all cells that the page shows."""

    split: str
    classes: list[str]
    by_class: list[ClassOfCells]
    num_shown: int
    num_mistakes: int
    num_mistakes_shown: int
    num_left_out: int
    """Cells that have photos, and no room in the page."""

    @property
    def folded(self) -> bool:
        """There are too many classes for all of them to lie open."""
        return len(self.by_class) > FOLDED_ABOVE

    def anchors(self) -> dict[tuple[int, int], str]:
        """Return the place in the page of each cell (true class, predicted class) that is shown."""
        return {(cell.true, cell.predicted): cell.anchor for group in self.by_class for cell in group.cells}

    def class_anchors(self) -> dict[str, str]:
        """Return the place in the page of each class that is shown, by its name."""
        return {group.name: group.anchor for group in self.by_class}


def gather_cells(contents: Contents, thumbnails: Thumbnails, budget: int = BUDGET) -> Cells:
    """Return the photos of the evaluated split by true and predicted class, as many of each cell as `budget`
    photos allow.

    Every cell has one before any has two, mistakes before right ones and frequent ones first; then all get alike. Their
    thumbnails are asked for.
    """
    places = {name: place for place, name in enumerate(contents.classes)}
    found: dict[tuple[int, int], list[PredictionRow]] = {}
    for one in contents.predictions:
        if one.split == contents.evaluated_split:
            found.setdefault((places[one.true], places[one.predicted]), []).append(one)
    order = sorted(found, key=lambda cell: (cell[0] == cell[1], -len(found[cell]), cell))
    wants = [min(len(found[cell]), RIGHT) if cell[0] == cell[1] else len(found[cell]) for cell in order]
    given = dict(zip(order, share_out(wants, budget), strict=True))
    by_true: dict[int, list[tuple[int, int]]] = {}
    for key in order:
        by_true.setdefault(key[0], []).append(key)
    by_class = []
    for index, name in enumerate(contents.classes):
        own = by_true.get(index, [])
        cells = [Cell(*cell, _sorted(found[cell], cell[0] == cell[1]), given[cell]) for cell in own]
        if shown := [cell for cell in cells if cell.num_shown]:
            total, right = sum(len(found[cell]) for cell in own), len(found.get((index, index), []))
            by_class.append(ClassOfCells(name, index, total, right, shown))
    for group in by_class:
        for cell in group.cells:
            for one in cell.shown:
                thumbnails.want(one.name, SMALL)
    wrong = [cell for cell in order if cell[0] != cell[1]]
    return Cells(
        contents.evaluated_split,
        contents.classes,
        by_class,
        num_shown=sum(given.values()),
        num_mistakes=sum(len(found[cell]) for cell in wrong),
        num_mistakes_shown=sum(given[cell] for cell in wrong),
        num_left_out=sum(not number for number in given.values()),
    )


def _sorted(photos: Sequence[PredictionRow], is_right: bool) -> list[PredictionRow]:
    return sorted(photos, key=lambda one: (one.probability if is_right else -one.probability, one.name))


def share_out(wants: Sequence[int], budget: int) -> list[int]:
    """Return how many each gets of a budget: all that it wants where there is room, else nobody one more than
    the others.

    Where there are more takers than things, the first ones have one each.

    >>> share_out([5, 1, 9], 10), share_out([5, 1, 9], 2), share_out([5, 1], 100)
    ([5, 1, 4], [1, 1, 0], [5, 1])
    """
    given = [0] * len(wants)
    left, hungry = budget, [place for place, want in enumerate(wants) if want]
    while left > 0 and hungry:
        each = left // len(hungry)
        for place in hungry if each else hungry[:left]:
            more = min(max(each, 1), wants[place] - given[place])
            given[place] += more
            left -= more
        hungry = [place for place in hungry if given[place] < wants[place]]
    return given
