"""One PNG that shows what an augmentation does: many views of one photo, and photos beside a view of each."""

import math
from collections.abc import Sequence
from pathlib import Path

from budwood.core.errors import DataError, ImageError
from budwood.data import images
from budwood.data.augment import Renderer
from budwood.data.manifest import Photo
from budwood.report.sheets.canvas import GAP, INK, LINE, QUIET, SIDE, Canvas, Place

NUM_SAMPLES = 9
MOST_PAIRS = 8
_COLUMNS = 4
_CELL_WIDTH, _CELL_HEIGHT, _HEADING = SIDE + GAP, SIDE + 10 + LINE + GAP, LINE + 16


def write_views_sheet(path: Path, photos: Sequence[Photo], renderer: Renderer) -> None:
    """Write one PNG sheet of views, whole or not at all.

    Above, the first photo as the network sees it, and nine augmented views of it: views 1 to 9. Below, each of the
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
    height = GAP + num_headings * _HEADING + (sample_rows + pair_rows) * _CELL_HEIGHT
    sheet = Canvas(GAP + _COLUMNS * _CELL_WIDTH, height)
    y = _write_heading(sheet, GAP, f"One photo and {NUM_SAMPLES} views of it")
    _draw_view(sheet, sampled, renderer, 0, (GAP, y))
    for index in range(NUM_SAMPLES):
        row, column = divmod(index, _COLUMNS - 1)
        place = (GAP + (column + 1) * _CELL_WIDTH, y + row * _CELL_HEIGHT)
        _draw_view(sheet, sampled, renderer, index + 1, place)
    if paired:
        y = _write_heading(sheet, y + sample_rows * _CELL_HEIGHT, "Other photos, each beside one view of it")
    for index, photo in enumerate(paired):
        row, column = divmod(index, _COLUMNS // 2)
        for view in (0, 1):
            place = (GAP + (2 * column + view) * _CELL_WIDTH, y + row * _CELL_HEIGHT)
            _draw_view(sheet, photo, renderer, view, place)
    sheet.save(path)


def _write_heading(sheet: Canvas, y: int, text: str) -> int:
    """Write a heading; return where what it heads begins."""
    sheet.write((GAP, y), text, width=_COLUMNS * _CELL_WIDTH - GAP)
    return y + _HEADING


def _draw_view(sheet: Canvas, photo: Photo, renderer: Renderer, view: int, place: Place) -> None:
    try:
        pixels = renderer.render(photo.image, photo.sha256 or images.digest(photo.image), view)
    except ImageError:
        pixels = None
    sheet.pixels(pixels, place)
    caption, colour = (f"view {view}", QUIET) if view else (photo.name, INK)
    sheet.write((place[0], place[1] + SIDE + 10), caption, colour)
