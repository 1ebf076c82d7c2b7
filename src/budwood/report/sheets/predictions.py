"""One PNG with many pictures, each titled with what was predicted and, where known, whether that is right."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from budwood.core import files
from budwood.core import text as words
from budwood.core.errors import ImageError
from budwood.data.images import ImageLike, decode

MOST = 200
"""Pictures on one sheet; more are counted in its last line."""

_SIDE, _GAP, _LINE = 240, 28, 24
_PAPER, _FRAME, _INK, _QUIET = "#fdfdfb", "#eff1ec", "#1d211e", "#5b645d"
_RIGHT, _WRONG = "#2e7d54", "#b04a10"


@dataclass(frozen=True)
class SheetItem:
    """One picture of a sheet."""

    image: ImageLike
    predicted: str
    probability: float
    """In [0, 1]."""
    true: str | None = None
    foreign: bool = False
    """It seems to be of none of the classes."""
    sure: bool = True
    """Probable enough for what was asked."""


def write_sheet(items: Sequence[SheetItem], path: Path, columns: int | None = None) -> None:
    """Writes one PNG sheet of pictures, whole or not at all.

    Each picture stands above its predicted class with the probability and, where the true class is given, a line
    that says "✓ right" or "✗ truly ..." (in colour as well). A picture that cannot be read becomes an empty frame.
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
    lines = 2 if any(item.true is not None for item in drawn) else 1
    cell_width, cell_height = _SIDE + _GAP, _SIDE + 10 + lines * _LINE + _GAP
    left_out = len(items) - len(drawn)
    rows = math.ceil(len(drawn) / columns)
    height = _GAP + rows * cell_height + (_LINE + _GAP if left_out or not drawn else 0)
    sheet = Image.new("RGB", (_GAP + columns * cell_width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, item in enumerate(drawn):
        row, column = divmod(index, columns)
        _draw_item(sheet, draw, item, _GAP + column * cell_width, _GAP + row * cell_height)
    if left_out or not drawn:
        text = f"and {left_out:,} more" if drawn else "no pictures"
        draw.text((_GAP, height - _LINE - _GAP), text, fill=_QUIET, font=_font(_default_font(), 16))
    with files.whole_file(Path(path)) as aside:
        sheet.save(aside, "PNG")


def _draw_item(sheet: Image.Image, draw: ImageDraw.ImageDraw, item: SheetItem, x: int, y: int) -> None:
    draw.rectangle((x, y, x + _SIDE - 1, y + _SIDE - 1), fill=_FRAME)
    try:
        picture = Image.fromarray(decode(item.image, at_least=_SIDE))
        scale = _SIDE / max(picture.size)
        width, height = (max(1, round(scale * side)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
        sheet.paste(picture, (x + (_SIDE - width) // 2, y + (_SIDE - height) // 2))
    except (ImageError, OSError):
        middle = (x + _SIDE // 2, y + _SIDE // 2)
        draw.text(middle, "no picture", fill=_QUIET, font=_font(_default_font(), 16), anchor="mm")
    y += _SIDE + 10
    probability = words.percent(item.probability)
    font = _font(_default_font(), 16)
    if item.foreign:
        _write(draw, (x, y), "none of these", _QUIET, _SIDE)
    else:
        label = item.predicted if item.sure else f"unsure: {item.predicted}"
        _write(
            draw, (x, y), label, _INK if item.sure else _QUIET, _SIDE - 8 - round(font.getlength(probability))
        )
        draw.text((x + _SIDE, y), probability, fill=_INK, font=font, anchor="ra")
    if item.true is not None and item.true == item.predicted and not item.foreign:
        _write(draw, (x, y + _LINE), "✓ right", _RIGHT, _SIDE)
    elif item.true is not None:
        _write(draw, (x, y + _LINE), f"✗ truly {item.true}", _WRONG, _SIDE)


def _write(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, colour: str, width: int, size: int = 16
) -> None:
    text = words.shown(text)
    path = _covering(text)
    known = _characters(path)
    text = "".join(char if ord(char) in known else "□" for char in text)
    font = _font(path, size)
    length, short = len(text), words.shorten(text, 60)
    while length > 1 and font.getlength(short) > width:
        length = min(length, 60) - 1
        short = words.shorten(text, length)
    draw.text(place, short, fill=colour, font=font)


def _covering(text: str) -> str:
    """The path of the font that has most of the characters; Matplotlib's own where nothing is better."""
    default = _default_font()
    if all(ord(char) in _characters(default) for char in text):
        return default
    return max(
        [default, *_other_fonts()], key=lambda path: sum(ord(char) in _characters(path) for char in text)
    )


@functools.cache
def _default_font() -> str:
    import matplotlib

    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")


@functools.cache
def _other_fonts() -> list[str]:
    # Looked for only when a name needs it: Matplotlib's first listing of the fonts takes seconds.
    from matplotlib.font_manager import fontManager

    families = (
        "Noto Sans",
        "PingFang",
        "Hiragino",
        "Microsoft",
        "Yu Gothic",
        "Malgun",
        "WenQuanYi",
        "Arial Unicode",
    )
    return sorted({font.fname for font in fontManager.ttflist if font.name.startswith(families)})


@functools.cache
def _characters(path: str) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(path).get_charmap())


@functools.cache
def _font(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)
