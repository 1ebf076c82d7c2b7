"""The canvas of a contact sheet: pictures in frames and lines of text beside them, drawn into one PNG."""

import functools
import io
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from budwood.core import files
from budwood.core import text as words
from budwood.core.errors import ImageError
from budwood.data.images import ImageLike, decode

SIDE, GAP, LINE = 240, 28, 24
"""Pixels: side of a picture, space between two, height of a line of text."""
PAPER, FRAME, RULE, INK, QUIET = "#fdfdfb", "#eff1ec", "#dcdfd8", "#1d211e", "#5b645d"
RIGHT, WRONG = "#2e7d54", "#b04a10"

Place = tuple[int, int]


class Canvas:
    """A sheet of paper of `width` by `height` pixels; places are the upper left corner of what is drawn there."""

    def __init__(self, width: int, height: int):
        self.image = Image.new("RGB", (width, height), PAPER)
        self.draw = ImageDraw.Draw(self.image)

    def picture(self, image: ImageLike, place: Place) -> None:
        """Draw a whole photo inside a square frame; one that cannot be read leaves the frame empty, and says so."""
        self.frame(place)
        try:
            photo = Image.fromarray(decode(image, at_least=SIDE))
            scale = SIDE / max(photo.size)
            width, height = (max(1, round(scale * side)) for side in photo.size)
            photo = photo.resize((width, height), Image.Resampling.LANCZOS)
            self.image.paste(photo, (place[0] + (SIDE - width) // 2, place[1] + (SIDE - height) // 2))
        except (ImageError, OSError):
            self._no_picture(place)

    def pixels(self, pixels: UInt8[np.ndarray, "size size 3"] | None, place: Place, side: int = SIDE) -> None:
        """Draw a square array, enlarged or reduced to `side`; an empty frame for None."""
        if pixels is None:
            self.frame(place, side)
            self._no_picture(place)
            return
        square = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)
        self.image.paste(square, place)

    def jpeg(self, content: bytes, place: Place, side: int) -> None:
        """Draw an encoded thumbnail; an empty frame where there is no content."""
        if not content:
            self.frame(place, side)
            return
        thumbnail = Image.fromarray(decode(content))
        self.image.paste(thumbnail.resize((side, side), Image.Resampling.BICUBIC), place)

    def frame(self, place: Place, side: int = SIDE) -> None:
        """Draw an empty square."""
        x, y = place
        self.draw.rectangle((x, y, x + side - 1, y + side - 1), fill=FRAME)

    def write(self, place: Place, text: str, colour: str = INK, width: int = SIDE, size: int = 16) -> None:
        """Write one line. It is shortened in the middle to `width` pixels, and what no font has becomes "□"."""
        text = words.shown(text)
        path = _covering(text)
        known = _characters(path)
        text = "".join(char if ord(char) in known else "□" for char in text)
        font = _font(path, size)
        length, short = len(text), words.shorten(text, 60)
        while length > 1 and font.getlength(short) > width:
            length = min(length, 60) - 1
            short = words.shorten(text, length)
        self.draw.text(place, short, fill=colour, font=font)

    def write_pair(
        self,
        place: Place,
        left: str,
        right: str,
        colours: tuple[str, str] = (INK, INK),
        *,
        width: int = SIDE,
        size: int = 16,
    ) -> None:
        """Write one line with a name at its left end, shortened as needed, and a figure at its right end."""
        font = _font(_default_font(), size)
        self.write(place, left, colours[0], width - 8 - round(font.getlength(right)), size)
        self.draw.text((place[0] + width, place[1]), right, fill=colours[1], font=font, anchor="ra")

    def png(self) -> bytes:
        """Return the sheet as a PNG's bytes."""
        file = io.BytesIO()
        # A long sheet of photos takes seconds at the usual level, and gets hardly smaller.
        self.image.save(file, "PNG", compress_level=1)
        return file.getvalue()

    def save(self, path: Path) -> None:
        """Write the sheet as a PNG, whole or not at all."""
        with files.whole_file(Path(path)) as aside:
            aside.write_bytes(self.png())

    def _no_picture(self, place: Place) -> None:
        middle = (place[0] + SIDE // 2, place[1] + SIDE // 2)
        self.draw.text(middle, "no picture", fill=QUIET, font=_font(_default_font(), 16), anchor="mm")


def _covering(text: str) -> str:
    """Return the path of the font that has most of the characters; Matplotlib's own where nothing is better."""
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
