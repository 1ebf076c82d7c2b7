"""One PNG that explains predictions, a row a picture: the photo, both maps over it, probabilities, similar photos."""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

from budwood.core import files
from budwood.core import text as words
from budwood.core.system import num_cores
from budwood.report.sheets.predictions import (
    _FRAME,
    _INK,
    _PAPER,
    _QUIET,
    _RIGHT,
    _WRONG,
    _default_font,
    _font,
    _write,
)

if TYPE_CHECKING:
    from budwood.inference.explain import Explanation

MOST = 100
"""Pictures on one sheet."""
LISTED = 5
"""Classes whose probabilities are shown."""
_SIDE, _GAP, _LINE, _SMALL = 240, 28, 24, 104
_COLUMNS = [_GAP + number * (_SIDE + _GAP) for number in range(5)]
_WIDTH = _COLUMNS[4] + 3 * (_SMALL + 12) + _GAP - 12
_ROW = _LINE + 14 + _SIDE + 2 * _LINE + 2 * _GAP


def write_explanations(explanations: "Sequence[Explanation]", path: Path) -> None:
    """Writes one PNG sheet, whole or not at all. Of more than 100 pictures the first 100 are drawn."""
    with files.whole_file(Path(path)) as aside:
        aside.write_bytes(draw_explanations(explanations))


def draw_explanations(explanations: "Sequence[Explanation]") -> bytes:
    """The sheet as a PNG's bytes: a row for each picture, at most 100."""
    drawn = explanations[:MOST]
    with ThreadPoolExecutor(num_cores()) as pool:
        rows = list(pool.map(_draw_row, drawn))
    sheet = Image.new("RGB", (_WIDTH, _GAP + max(_ROW, sum(row.height for row in rows))), _PAPER)
    y = _GAP
    for row in rows:
        sheet.paste(row, (0, y))
        y += row.height
    file = io.BytesIO()
    # A long sheet of photos takes seconds at the usual level, and gets hardly smaller.
    sheet.save(file, "PNG", compress_level=1)
    return file.getvalue()


def name_sheets(names: Sequence[str], folder: Path) -> list[Path]:
    """A file in a folder for each picture, named after it; a number tells those of one name apart.

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
    """A map over a picture: light and warm where it is highest, dark where it is 0, cold where it is below.

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


def _draw_row(explanation: "Explanation") -> Image.Image:
    sheet = Image.new("RGB", (_WIDTH, _ROW), _PAPER)
    draw, y = ImageDraw.Draw(sheet), 0
    said, (x, second, third, fourth, fifth) = explanation.prediction, _COLUMNS
    _write(draw, (x, y), said.name, _INK, _COLUMNS[4] - _GAP)
    draw.line((x, y + _LINE + 4, _WIDTH - _GAP, y + _LINE + 4), fill="#dcdfd8")
    y += _LINE + 14
    picture, cam, occlusion = explanation.picture, explanation.grad_cam, explanation.occlusion
    if picture is None or cam is None or occlusion is None or explanation.target is None:
        _write(draw, (x, y), said.error or "no picture", _WRONG, _WIDTH - 2 * _GAP)
        return sheet.crop((0, 0, _WIDTH, y + _LINE + _GAP))
    _paste(sheet, picture, (x, y))
    _paste(sheet, over(picture, cam), (second, y))
    _paste(sheet, over(picture, occlusion), (third, y))
    below = y + _SIDE + 8
    _write(draw, (x, below), "as the network sees it", _QUIET, _SIDE)
    _write(draw, (x, below + _LINE), *_truth(explanation), _SIDE)
    _write(draw, (second, below), f"for {explanation.target}", _INK, _SIDE)
    _write(draw, (second, below + _LINE), "Grad-CAM" if cam.any() else "Grad-CAM: nothing is", _QUIET, _SIDE)
    left, whole = explanation.hidden_probability, said.probabilities[explanation.target]
    if left is not None:
        text = (
            f"{words.percent(whole)} → {words.percent(left)} if hidden"
            if left < whole
            else "no part alone lowers it"
        )
        _write(draw, (third, below), text, _INK, _SIDE)
    _write(draw, (third, below + _LINE), "Occlusion", _QUIET, _SIDE)
    _draw_probabilities(draw, explanation, fourth, y)
    _draw_similar(sheet, draw, explanation, fifth, y)
    return sheet


def _truth(explanation: "Explanation") -> tuple[str, str]:
    said = explanation.prediction
    if explanation.true is None:
        return "", _INK
    if explanation.true == said.label and not said.foreign:
        return "✓ right", _RIGHT
    return f"✗ truly {explanation.true}", _WRONG


def _draw_probabilities(draw: ImageDraw.ImageDraw, explanation: "Explanation", x: int, y: int) -> None:
    said, target = explanation.prediction, explanation.target
    shown = said.top(LISTED)
    if target is not None and target not in dict(shown):
        shown[-1] = (target, said.probabilities[target])
    for label, share in shown:
        percent = words.percent(share)
        font = _font(_default_font(), 16)
        marked = f"▸ {label}" if label == target else label
        _write(draw, (x, y), marked, _INK, _SIDE - 8 - round(font.getlength(percent)))
        draw.text((x + _SIDE, y), percent, fill=_INK, font=font, anchor="ra")
        draw.rectangle((x, y + 22, x + _SIDE - 1, y + 27), fill=_FRAME)
        if share > 0:
            draw.rectangle((x, y + 22, x + max(1, round(share * (_SIDE - 1))), y + 27), fill=_RIGHT)
        y += 38
    y = max(y, y + 38 * (LISTED - len(shown)))
    if explanation.farther_than is not None:
        text, colour = ("✗ none of these?", _WRONG) if said.foreign else ("none of these: no", _QUIET)
        _write(draw, (x, y + 8), text, colour, _SIDE)
        farther = words.percent(explanation.farther_than, 0)
        _write(draw, (x, y + 8 + _LINE), f"further out than {farther}", _QUIET, _SIDE, 14)


def _draw_similar(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, explanation: "Explanation", x: int, y: int
) -> None:
    for number, similar in enumerate(explanation.similar):
        row, column = divmod(number, 3)
        left, top = x + column * (_SMALL + 12), y + row * (_SMALL + _LINE + 14)
        if similar.thumbnail:
            picture = Image.open(io.BytesIO(similar.thumbnail), formats=["JPEG"]).convert("RGB")
            sheet.paste(picture.resize((_SMALL, _SMALL), Image.Resampling.BICUBIC), (left, top))
        else:
            draw.rectangle((left, top, left + _SMALL - 1, top + _SMALL - 1), fill=_FRAME)
        share = f"{similar.similarity:.2f}"
        font = _font(_default_font(), 13)
        room = _SMALL - 6 - round(font.getlength(share))
        _write(draw, (left, top + _SMALL + 4), similar.label, _INK, room, 13)
        draw.text((left + _SMALL, top + _SMALL + 4), share, fill=_QUIET, font=font, anchor="ra")
    below = y + _SIDE + 8 + _LINE
    text = (
        "most similar of the training photos kept"
        if explanation.similar
        else "the run keeps no training photos"
    )
    _write(draw, (x, below), text, _QUIET, 3 * (_SMALL + 12))


def _paste(sheet: Image.Image, pixels: UInt8[np.ndarray, "size size 3"], place: tuple[int, int]) -> None:
    sheet.paste(Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC), place)
