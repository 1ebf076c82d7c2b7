"""One PNG that shows what an augmentation does: many views of one photo, and photos beside a view of each."""

import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from budwood.core import files
from budwood.core.errors import DataError, ImageError
from budwood.data import images
from budwood.data.augment import Renderer
from budwood.data.manifest import Photo
from budwood.report.sheets import predictions as sheet

NUM_SAMPLES = 9
MOST_PAIRS = 8
_COLUMNS, _SIDE, _GAP, _LINE = 4, 240, 28, 24
_CELL_WIDTH, _CELL_HEIGHT, _HEADING = _SIDE + _GAP, _SIDE + 10 + _LINE + _GAP, _LINE + 16


def write_views_sheet(path: Path, photos: Sequence[Photo], renderer: Renderer) -> None:
    """Writes one PNG sheet of views, whole or not at all.

    Above, the first photo as the network sees it plain, and nine drawn views of it: views 1 to 9. Below, each of the
    next eight photos beside its view 1. A photo that cannot be read becomes an empty frame.

    Args:
        path: the file to write, PNG whatever its ending.
        photos: one or more; those after the ninth are not drawn.
        renderer: what draws the views.

    Raises:
        DataError: no photos.

    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from budwood.config.recipe import Augment
    >>> photo = Photo(np.zeros((40, 50, 3), np.uint8), "black.png", "dark")
    >>> with TemporaryDirectory() as folder:
    ...     write_views_sheet(Path(folder) / "views.png", [photo], Renderer(32, "crop", Augment(rotation=0.1)))
    ...     (Path(folder) / "views.png").read_bytes()[1:4]
    b'PNG'
    """
    if not photos:
        raise DataError("there is no photo of which views could be drawn. Give one or more")
    sampled, paired = photos[0], photos[1 : 1 + MOST_PAIRS]
    sample_rows = math.ceil(NUM_SAMPLES / (_COLUMNS - 1))
    pair_rows = math.ceil(len(paired) / (_COLUMNS // 2))
    num_headings = 2 if paired else 1
    height = _GAP + num_headings * _HEADING + (sample_rows + pair_rows) * _CELL_HEIGHT
    page = Image.new("RGB", (_GAP + _COLUMNS * _CELL_WIDTH, height), sheet._PAPER)
    draw = ImageDraw.Draw(page)
    y = _write_heading(draw, _GAP, f"One photo and {NUM_SAMPLES} views of it")
    _draw_view(page, draw, sampled, renderer, 0, (_GAP, y))
    for index in range(NUM_SAMPLES):
        row, column = divmod(index, _COLUMNS - 1)
        place = (_GAP + (column + 1) * _CELL_WIDTH, y + row * _CELL_HEIGHT)
        _draw_view(page, draw, sampled, renderer, index + 1, place)
    if paired:
        y = _write_heading(draw, y + sample_rows * _CELL_HEIGHT, "Other photos, each beside one view of it")
    for index, photo in enumerate(paired):
        row, column = divmod(index, _COLUMNS // 2)
        for view in (0, 1):
            place = (_GAP + (2 * column + view) * _CELL_WIDTH, y + row * _CELL_HEIGHT)
            _draw_view(page, draw, photo, renderer, view, place)
    with files.whole_file(Path(path)) as aside:
        page.save(aside, "PNG")


def _write_heading(draw: ImageDraw.ImageDraw, y: int, text: str) -> int:
    """Returns where what it heads begins."""
    sheet._write(draw, (_GAP, y), text, sheet._INK, _COLUMNS * _CELL_WIDTH - _GAP)
    return y + _HEADING


def _draw_view(
    page: Image.Image,
    draw: ImageDraw.ImageDraw,
    photo: Photo,
    renderer: Renderer,
    view: int,
    place: tuple[int, int],
) -> None:
    x, y = place
    try:
        pixels = renderer.render(photo.image, photo.sha256 or images.digest(photo.image), view)
        page.paste(Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC), place)
    except ImageError:
        draw.rectangle((x, y, x + _SIDE - 1, y + _SIDE - 1), fill=sheet._FRAME)
        font = sheet._font(sheet._default_font(), 16)
        draw.text((x + _SIDE // 2, y + _SIDE // 2), "no picture", fill=sheet._QUIET, font=font, anchor="mm")
    caption, colour = (f"view {view}", sheet._QUIET) if view else (photo.name, sheet._INK)
    sheet._write(draw, (x, y + _SIDE + 10), caption, colour, _SIDE)
