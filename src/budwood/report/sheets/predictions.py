"""One PNG with many pictures, each titled with what was predicted and, where known, whether that is right."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from budwood.core import text as words
from budwood.data.images import ImageLike
from budwood.inference.prediction import Prediction
from budwood.report.sheets.canvas import GAP, INK, LINE, QUIET, RIGHT, SIDE, WRONG, Canvas, Place

MOST = 200
"""Pictures on one sheet; more are counted in its last line."""
MOST_LABELS = 6
"""Lines for the labels of one picture; those beyond are counted in the last of them."""


@dataclass(frozen=True)
class SheetItem:
    """One picture of a sheet."""

    image: ImageLike
    predicted: str
    probability: float
    """In [0, 1]."""
    true: str | None = None
    """The class in whose folder the picture lies, where that is known."""
    out_of_distribution: bool = False
    """It seems to be of none of the classes."""
    confident: bool = True
    """Probable enough for what was asked."""
    name: str = ""
    """File name, written below the picture."""
    right: bool | None = None
    """Whether `predicted` is right, where that is not to be `true` itself, as a label above it on a tree."""
    labels: tuple[tuple[str, float], ...] | None = None
    """Where a picture may have several labels: those that it is said to have, in place of `predicted`, with the
    probability of each, the most probable first. None where one class is right."""
    above: str = ""
    """On a tree of labels what is said of what lies above `predicted`, written below it; "" where there is nothing."""


def above_in_words(prediction: Prediction) -> str:
    """Return the labels above the predicted class on a tree as a sheet says them; "" where there are none.

    >>> found = Prediction("a.jpg", "elf owl", 0.6, {"elf owl": 0.6}, path=(("owls", 0.9), ("elf owl", 0.6)))
    >>> above_in_words(found).replace("\\u00a0", " ")
    'in owls 90.0 %'
    """
    above = " > ".join(f"{node} {words.percent(share)}" for node, share in prediction.path[:-1])
    return f"in {above}" if above else ""


def write_sheet(items: Sequence[SheetItem], path: Path, columns: int | None = None) -> None:
    """Write one PNG sheet of pictures, whole or not at all.

    Each picture stands above its predicted class, or all its labels, with the probability and, where the true class
    is given, a line that says "✓ right" or "✗ truly ..." (in colour as well), and its file name. A picture that cannot
    be read becomes an empty frame.
    Names that are too long are shortened in the middle; characters that no installed font has become "□".

    Args:
        items: the pictures, in order; of more than 200 the first 200 are drawn and the rest counted.
        path: the file to write, PNG whatever its ending.
        columns: pictures in a row, 1 or more; by default as many as make the sheet about as wide as high.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> with TemporaryDirectory() as folder:
    ...     item = SheetItem(np.zeros((9, 9, 3), np.uint8), "roses", 0.93, true="tulips")
    ...     write_sheet([item], Path(folder) / "sheet.png")
    ...     (Path(folder) / "sheet.png").read_bytes()[1:4]
    b'PNG'
    """
    drawn = items[:MOST]
    if columns is None:
        columns = max(1, min(len(drawn), round(math.sqrt(1.35 * len(drawn)))))
    most = max((len(item.labels or ()) for item in drawn), default=1)
    lines = (
        min(max(most, 1), MOST_LABELS)
        + any(bool(item.above) for item in drawn)
        + any(item.true is not None for item in drawn)
        + any(bool(item.name) for item in drawn)
    )
    cell_width, cell_height = SIDE + GAP, SIDE + 10 + lines * LINE + GAP
    left_out = len(items) - len(drawn)
    height = GAP + math.ceil(len(drawn) / columns) * cell_height
    sheet = Canvas(GAP + columns * cell_width, height + (LINE + GAP if left_out or not drawn else 0))
    for index, item in enumerate(drawn):
        row, column = divmod(index, columns)
        _draw_item(sheet, item, (GAP + column * cell_width, GAP + row * cell_height))
    if left_out or not drawn:
        sheet.write((GAP, height), f"and {left_out:,} more" if drawn else "no pictures", QUIET)
    sheet.save(path)


def _draw_item(sheet: Canvas, item: SheetItem, place: Place) -> None:
    x, y = place
    sheet.picture(item.image, place)
    y += SIDE + 10
    if item.out_of_distribution:
        sheet.write((x, y), "none of these", QUIET)
    elif item.labels is not None:
        y += LINE * (_draw_labels(sheet, item.labels, (x, y)) - 1)
    else:
        label = item.predicted if item.confident else f"not confident: {item.predicted}"
        colour = INK if item.confident else QUIET
        sheet.write_pair((x, y), label, words.percent(item.probability), (colour, INK))
    if item.above:
        y += LINE
        sheet.write((x, y), item.above, QUIET)
    if item.true is not None:
        y += LINE
        right = item.true == item.predicted if item.right is None else item.right
        right = right and not item.out_of_distribution
        sheet.write((x, y), *(("✓ right", RIGHT) if right else (f"✗ truly {item.true}", WRONG)))
    if item.name:
        sheet.write((x, y + LINE), item.name, QUIET, size=14)


def _draw_labels(sheet: Canvas, labels: Sequence[tuple[str, float]], place: Place) -> int:
    """Write a line for each label, and return how many lines there are."""
    x, y = place
    if not labels:
        sheet.write((x, y), "none of the labels", QUIET)
        return 1
    fit = len(labels) if len(labels) <= MOST_LABELS else MOST_LABELS - 1
    for label, probability in labels[:fit]:
        sheet.write_pair((x, y), label, words.percent(probability))
        y += LINE
    if fit < len(labels):
        sheet.write((x, y), f"and {len(labels) - fit:,} more labels", QUIET)
    return min(len(labels), MOST_LABELS)
