"""The confusion matrix as a table or, of many classes, as a picture; its cells lead to their photos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from markupsafe import Markup

from budwood.core import text as words
from budwood.report import terminal
from budwood.report.pictures import heat_map, log_strength
from budwood.report.summary import Contents

MOST_IN_TABLE = 30
"""Classes up to which the confusion matrix is a table; beyond, a picture."""
FINGER = 160
"""A link on the picture is no smaller than its side divided by this."""

Anchors = Mapping[tuple[int, int], str]
"""Where in the page the photos of a cell (true class, predicted class) are."""


@dataclass(frozen=True)
class MatrixCell:
    """One cell of the confusion matrix as a table."""

    n: int
    rate: float
    """Its share of the photos of the true class."""
    style: str
    anchor: str | None
    words: str


@dataclass(frozen=True)
class MatrixRow:
    """The photos of one true class."""

    name: str
    total: int
    cells: Sequence[MatrixCell]


@dataclass(frozen=True)
class Confusions:
    """The confusion matrix, and the most frequent confusions."""

    split: str
    classes: Sequence[str]
    rows: Sequence[MatrixRow]
    """Empty where the matrix is a picture."""
    pictures: Sequence[tuple[str, str]]
    linked: bool
    """Cells lead to their photos."""
    links: Markup
    """What lies over the pictures."""
    wrong: int
    total: int
    kinds: int
    repeated: bool
    """One confusion happened more than once."""
    sentences: Sequence[tuple[str, str | None]]
    pairs: Sequence[tuple[str, str, int, int, str | None]]
    """Empty where the matrix is a table."""


def count_confusions(contents: Contents, anchors: Anchors | None = None) -> Confusions:
    """Return the confusion matrix of the split that the report shows."""
    classes, split, anchors = contents.classes, contents.evaluated_split, anchors or {}
    matrix = contents.scores.confusion
    pairs = terminal.confusions(matrix)
    counts = np.asarray(matrix, dtype=np.int64).reshape(len(classes), len(classes))
    as_table = len(classes) <= MOST_IN_TABLE
    return Confusions(
        split=split,
        classes=classes,
        rows=_rows(classes, counts, anchors) if as_table else [],
        pictures=[] if as_table else [("log", heat_map(counts)), ("shares", heat_map(counts, by_row=True))],
        linked=bool(anchors),
        links=Markup("") if as_table else _links(classes, counts, anchors),
        wrong=sum(times for _, _, times, _ in pairs),
        total=int(counts.sum()),
        kinds=len(pairs),
        repeated=bool(pairs) and pairs[0][2] > 1,
        sentences=[
            (terminal.confusion_words(pair, classes), anchors.get((pair[0], pair[1]))) for pair in pairs[:10]
        ],
        pairs=[]
        if as_table
        else [
            (classes[true], classes[answer], times, total, anchors.get((true, answer)))
            for true, answer, times, total in pairs[:25]
        ],
    )


def _rows(
    classes: Sequence[str], counts: Int[np.ndarray, "classes classes"], anchors: Anchors
) -> list[MatrixRow]:
    shades = log_strength(counts)
    rows = []
    for true, name in enumerate(classes):
        total = int(counts[true].sum())
        cells = []
        for answer in range(len(classes)):
            n = int(counts[true, answer])
            rate = n / total if total else 0.0
            style = _style(n, rate, float(shades[true, answer]), true == answer)
            text = _words(classes, counts, true, answer)
            cells.append(MatrixCell(n, rate, style, anchors.get((true, answer)), text))
        rows.append(MatrixRow(name, total, cells))
    return rows


def _style(n: int, rate: float, shade: float, same: bool) -> str:
    """Return the cell's classes in the style sheet: its shade by share and by count."""
    steps = (0.0, 0.5, 0.75, 0.9) if same else (0.0, 0.05, 0.15, 0.3)
    by_share = f"{'r' if same else 'w'}{sum(rate > step for step in steps)}"
    by_count = f"{'g' if same else 'o'}{min(4, 1 + int(4 * shade))}"
    return (f"{by_share} {by_count}" if n else "zero") + (" same" if same else "")


def _words(classes: Sequence[str], counts: Int[np.ndarray, "classes classes"], true: int, answer: int) -> str:
    """Return what a cell says: read aloud, and shown where the mouse rests."""
    n, total = int(counts[true, answer]), int(counts[true].sum())
    if not n:
        return ""
    name, other = (words.shorten(words.shown(classes[place]), 30) for place in (true, answer))
    how = "classified correctly" if true == answer else f"taken for {other}"
    return f"{name} {how}: {words.count(n, 'photo')}, {words.percent(n / total)}"


def _links(classes: Sequence[str], counts: Int[np.ndarray, "classes classes"], anchors: Anchors) -> Markup:
    """Return what lies over the picture: a link on each cell whose photos are in the page, mistakes above all
    else."""
    side = max(1.0, len(classes) / FINGER)
    parts = []
    for true, answer in sorted(anchors, key=lambda cell: cell[0] != cell[1]):
        x, y = (max(0.0, place + 0.5 - side / 2) for place in (answer, true))
        parts.append(
            # With the keyboard the same photos are reached from the tables.
            Markup(
                '<a href="#{}" tabindex="-1"><title>{}</title><rect x="{:g}" y="{:g}" width="{:g}" height="{:g}"/></a>'
            ).format(
                anchors[true, answer],
                _words(classes, counts, true, answer),
                round(x, 2),
                round(y, 2),
                side,
                side,
            )
        )
    return Markup("").join(parts)
