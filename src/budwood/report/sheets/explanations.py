"""One PNG that explains predictions, a row a picture: the photo, both maps over it, probabilities, similar photos."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8

from budwood.core import text as words
from budwood.core.label_text import labels_in_words
from budwood.core.system import num_cores
from budwood.report.sheets.canvas import (
    FRAME,
    GAP,
    INK,
    LINE,
    QUIET,
    RIGHT,
    RULE,
    SIDE,
    WRONG,
    Canvas,
    Place,
)
from budwood.report.sheets.predictions import above_in_words

if TYPE_CHECKING:
    from budwood.inference.explain import Explanation

MOST = 100
"""Pictures on one sheet."""
LISTED = 5
"""Classes whose probabilities are shown."""
_SMALL, _SMALLER = 104, 72
"""Pixels: side of a similar photo, and of one with several labels, which take a line each."""
_COLUMNS = [GAP + number * (SIDE + GAP) for number in range(5)]
_WIDTH = _COLUMNS[4] + 3 * (_SMALL + 12) + GAP - 12
_ROW = LINE + 14 + SIDE + 2 * LINE + 2 * GAP


def write_explanations(explanations: "Sequence[Explanation]", path: Path) -> None:
    """Write one PNG sheet, whole or not at all. Of more than 100 pictures the first 100 are drawn."""
    _draw_sheet(explanations).save(path)


def draw_explanations(explanations: "Sequence[Explanation]") -> bytes:
    """Return the sheet as a PNG's bytes: a row for each picture, at most 100."""
    return _draw_sheet(explanations).png()


def _draw_sheet(explanations: "Sequence[Explanation]") -> Canvas:
    drawn = explanations[:MOST]
    with ThreadPoolExecutor(num_cores()) as pool:
        rows = list(pool.map(_draw_row, drawn))
    sheet = Canvas(_WIDTH, GAP + max(_ROW, sum(height for _, height in rows)))
    y = GAP
    for row, height in rows:
        sheet.image.paste(row.image.crop((0, 0, _WIDTH, height)), (0, y))
        y += height
    return sheet


def name_sheets(names: Sequence[str], folder: Path) -> list[Path]:
    """Return a file in a folder for each picture, named after it; a number tells those of one name apart.

    >>> [path.name for path in name_sheets(["a/1.jpg", "b/1.png", "standard input"], Path("sheets"))]
    ['1.png', '1-2.png', 'standard input.png']
    """
    taken: dict[str, Path] = {}
    for name in names:
        stem = Path(name).stem or "picture"
        others = (f"{stem}-{number}" for number in count(2))
        free = next(one for one in chain([stem], others) if one not in taken)
        taken[free] = folder / f"{free}.png"
    return list(taken.values())


def over(
    picture: UInt8[np.ndarray, "size size 3"], values: Float[np.ndarray, "size size"]
) -> UInt8[np.ndarray, "size size 3"]:
    """Return a map over a picture: light and warm where it is highest, dark where it is 0, cold where it is
    below.

    The map is held against its own largest value; a map without any value above 0 leaves the picture dark.
    """
    from matplotlib import colormaps

    largest = max(float(np.abs(values).max()), 1e-12)
    strength = np.clip(values / largest, 0.0, 1.0)[..., None]
    against = np.clip(-values / largest, 0.0, 1.0)[..., None]
    grey = picture.mean(axis=-1, keepdims=True) * 0.45 + picture * 0.1
    warm = np.asarray(colormaps["inferno"](0.25 + 0.7 * strength[..., 0]))[..., :3] * 255
    mixed = grey * (1 - 0.62 * strength) + (0.62 * warm + 0.45 * (picture - grey)) * strength
    cold = np.array([70.0, 130.0, 230.0])
    mixed = mixed * (1 - 0.5 * against) + 0.5 * cold * against
    return np.clip(mixed, 0, 255).astype(np.uint8)


def _draw_row(explanation: "Explanation") -> tuple[Canvas, int]:
    """Return a row and its height in pixels."""
    sheet, y = Canvas(_WIDTH, _ROW), 0
    prediction, (x, second, third, fourth, fifth) = explanation.prediction, _COLUMNS
    sheet.write((x, y), prediction.name, INK, _COLUMNS[4] - 2 * GAP)
    sheet.write((fifth, y), above_in_words(prediction), QUIET, _WIDTH - fifth - GAP)
    sheet.draw.line((x, y + LINE + 4, _WIDTH - GAP, y + LINE + 4), fill=RULE)
    y += LINE + 14
    picture, cam, occlusion = explanation.picture, explanation.grad_cam, explanation.occlusion
    if picture is None or cam is None or occlusion is None or explanation.target is None:
        sheet.write((x, y), prediction.error or "no picture", WRONG, _WIDTH - 2 * GAP)
        return sheet, y + LINE + GAP
    sheet.pixels(picture, (x, y))
    sheet.pixels(over(picture, cam), (second, y))
    sheet.pixels(over(picture, occlusion), (third, y))
    below = y + SIDE + 8
    sheet.write((x, below), "as the network sees it", QUIET)
    sheet.write((x, below + LINE), *_truth(explanation))
    sheet.write((second, below), f"for {explanation.target}")
    sheet.write((second, below + LINE), "Grad-CAM" if cam.any() else "Grad-CAM: nothing is", QUIET)
    left, whole = explanation.hidden_probability, prediction.probabilities[explanation.target]
    if left is not None:
        change = f"{words.percent(whole)} → {words.percent(left)} if hidden"
        sheet.write((third, below), change if left < whole else "no part alone lowers it")
    sheet.write((third, below + LINE), "Occlusion", QUIET)
    _draw_probabilities(sheet, explanation, (fourth, y))
    _draw_similar(sheet, explanation, (fifth, y))
    return sheet, _ROW


def _truth(explanation: "Explanation") -> tuple[str, str]:
    if explanation.true is None:
        return "", INK
    if explanation.right:
        return "✓ right", RIGHT
    several = explanation.prediction.labels is not None
    return f"✗ truly {labels_in_words(explanation.true) if several else explanation.true}", WRONG


def _draw_probabilities(sheet: Canvas, explanation: "Explanation", place: Place) -> None:
    (x, y), prediction, target = place, explanation.prediction, explanation.target
    shown = prediction.top(LISTED)
    if target is not None and target not in dict(shown):
        shown[-1] = (target, prediction.probabilities[target])
    for label, share in shown:
        said = prediction.labels is None or label in prediction.labels
        inks = (INK, INK) if said else (QUIET, QUIET)
        sheet.write_pair((x, y), f"▸ {label}" if label == target else label, words.percent(share), inks)
        sheet.draw.rectangle((x, y + 22, x + SIDE - 1, y + 27), fill=FRAME)
        if share > 0:
            right = x + max(1, round(share * (SIDE - 1)))
            sheet.draw.rectangle((x, y + 22, right, y + 27), fill=RIGHT if said else QUIET)
        y += 38
    y += 38 * (LISTED - len(shown))
    if explanation.farther_than is not None:
        text, colour = (
            ("✗ none of these?", WRONG) if prediction.out_of_distribution else ("none of these: no", QUIET)
        )
        sheet.write((x, y + 8), text, colour)
        farther = words.percent(explanation.farther_than, 0)
        sheet.write((x, y + 8 + LINE), f"more unusual than {farther}", QUIET, size=14)


def _draw_similar(sheet: Canvas, explanation: "Explanation", place: Place) -> None:
    x, y = place
    for number, similar in enumerate(explanation.similar):
        row, column = divmod(number, 3)
        left, top = x + column * (_SMALL + 12), y + row * (_SMALL + LINE + 14)
        share = f"{similar.similarity:.2f}"
        if similar.labels is None:
            sheet.jpeg(similar.thumbnail, (left, top), _SMALL)
            sheet.write_pair(
                (left, top + _SMALL + 4), similar.label, share, (INK, QUIET), width=_SMALL, size=13
            )
            continue
        sheet.jpeg(similar.thumbnail, (left, top), _SMALLER)
        sheet.write_pair((left, top), "", share, (INK, QUIET), width=_SMALL, size=13)
        for number_of_line, text in enumerate(_lines(similar.labels)):
            sheet.write((left, top + _SMALLER + 4 + 17 * number_of_line), text, INK, _SMALL, size=13)
    below = y + SIDE + 8 + LINE
    below += 16 if any(similar.labels is not None for similar in explanation.similar) else 0
    kept = "most similar of the training photos kept"
    text = kept if explanation.similar else "the run keeps no training photos"
    sheet.write((x, below), text, QUIET, 3 * (_SMALL + 12))


def _lines(labels: Sequence[str]) -> list[str]:
    """Return labels on at most three lines, of which the last holds all that are left.

    >>> _lines("abcde"), _lines("")
    (['a', 'b', 'c, d, e'], ['no label'])
    """
    return [*labels[:2], *filter(None, [", ".join(labels[2:])])] or ["no label"]
