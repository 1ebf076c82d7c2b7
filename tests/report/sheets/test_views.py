import numpy as np
import pytest
from PIL import Image

from budwood.config.recipe import Augment
from budwood.core.errors import DataError
from budwood.data.augment import Renderer
from budwood.data.manifest import Photo
from budwood.report.sheets.views import write_views_sheet

COLOUR = (10, 20, 200)
PICTURE = np.full((30, 40, 3), COLOUR, np.uint8)
FIRST_ROW, ROW = 68, 302
"""Where the first row of pictures begins, and the distance from row to row, in pixels."""
BRIGHTER = Renderer(32, "crop", Augment(brightness=40))


def photos(num: int) -> list[Photo]:
    return [Photo(PICTURE, f"roses/{number}.jpg", "roses", sha256=f"{number:064x}") for number in range(num)]


def middles(path, top: int) -> list[list[int]]:
    """The colours in the middle of the four pictures of a row."""
    with Image.open(path) as sheet:
        return [list(sheet.getpixel((28 + 268 * column + 120, top + 120))) for column in range(4)]


def test_write_views_sheet__nine_views_of_the_first_photo(tmp_path):
    write_views_sheet(tmp_path / "views.png", photos(1), BRIGHTER)
    rows = [middles(tmp_path / "views.png", FIRST_ROW + row * ROW) for row in range(3)]
    assert rows[0][0] == list(COLOUR)
    seen = [tuple(picture) for row in rows for picture in row[1:]]
    expected = [tuple(BRIGHTER.render(PICTURE, f"{0:064x}", view)[0, 0].tolist()) for view in range(1, 10)]
    assert seen == expected
    assert len(set(seen)) > 5


def test_write_views_sheet__others_beside_one_view_each(tmp_path):
    write_views_sheet(tmp_path / "views.png", photos(4), BRIGHTER)
    top = FIRST_ROW + 3 * ROW + 40
    first, second = middles(tmp_path / "views.png", top), middles(tmp_path / "views.png", top + ROW)
    views = [BRIGHTER.render(PICTURE, f"{number:064x}", 1)[0, 0].tolist() for number in (1, 2, 3)]
    assert first == [list(COLOUR), views[0], list(COLOUR), views[1]]
    assert second[:2] == [list(COLOUR), views[2]]


@pytest.mark.parametrize(("num", "rows"), [(1, 3), (2, 4), (3, 4), (9, 7), (40, 7)])
def test_write_views_sheet__is_as_high_as_its_pictures(tmp_path, num, rows):
    write_views_sheet(tmp_path / "views.png", photos(num), BRIGHTER)
    with Image.open(tmp_path / "views.png") as sheet:
        assert sheet.size == (1100, FIRST_ROW + rows * ROW + (40 if num > 1 else 0))


def test_write_views_sheet__an_unreadable_photo_is_an_empty_frame(tmp_path):
    bad = [Photo(b"no picture", "bad.jpg", "roses"), Photo("no/such/file.jpg", "gone.jpg", "roses")]
    write_views_sheet(tmp_path / "views.png", [*photos(1), *bad], BRIGHTER)
    with Image.open(tmp_path / "views.png") as sheet:
        frame = sheet.getpixel((28 + 5, FIRST_ROW + 3 * ROW + 40 + 5))
    assert frame == (0xEF, 0xF1, 0xEC)


def test_write_views_sheet__of_nothing_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no photo"):
        write_views_sheet(tmp_path / "views.png", [], BRIGHTER)
    assert list(tmp_path.iterdir()) == []
