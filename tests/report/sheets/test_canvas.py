import io

import numpy as np
import pytest
from PIL import Image

from budwood.report.sheets import canvas as module
from budwood.report.sheets.canvas import FRAME, PAPER, SIDE, Canvas


def colour(text):
    return tuple(int(text[place : place + 2], 16) for place in (1, 3, 5))


def pixels(sheet):
    return np.asarray(sheet.image)


def inked(sheet, box=None):
    """The box of what is not paper."""
    return (
        (sheet.image.crop(box) if box else sheet.image)
        .point(lambda level: level)
        .convert("L")
        .point(lambda level: 255 if level < 200 else 0)
        .getbbox()
    )


@pytest.mark.parametrize(("width", "height"), [(400, 100), (100, 400), (30, 30), (500, 1)])
def test_picture__is_whole_and_in_the_middle_of_its_frame(width, height):
    sheet = Canvas(300, 300)
    sheet.picture(np.full((height, width, 3), (200, 0, 0), np.uint8), (10, 20))
    red = (pixels(sheet)[:, :, 0] > 150) & (pixels(sheet)[:, :, 1] < 60)
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    scale = SIDE / max(width, height)
    assert len(rows) == max(1, round(height * scale)) and len(columns) == max(1, round(width * scale))
    assert rows.mean() == pytest.approx(20 + (SIDE - 1) / 2, abs=1)
    assert columns.mean() == pytest.approx(10 + (SIDE - 1) / 2, abs=1)


def test_picture__that_cannot_be_read_is_a_frame_that_says_so():
    sheet = Canvas(SIDE, SIDE)
    sheet.picture(b"no picture", (0, 0))
    assert tuple(pixels(sheet)[0, 0]) == colour(FRAME)
    assert inked(sheet) is not None


def test_pixels_and_jpeg__nothing_is_an_empty_frame():
    sheet = Canvas(300, 100)
    sheet.jpeg(b"", (0, 0), 50)
    assert {tuple(one) for one in pixels(sheet)[:50, :50].reshape(-1, 3)} == {colour(FRAME)}
    sheet.pixels(np.full((4, 4, 3), 9, np.uint8), (60, 0), 30)
    assert {tuple(one) for one in pixels(sheet)[:30, 60:90].reshape(-1, 3)} == {(9, 9, 9)}
    assert tuple(pixels(sheet)[31, 60]) == colour(PAPER)


@pytest.mark.parametrize(
    "text", ["short", "a very long name of a class " * 9, "Wüstenfuchs", "\u202e\x1b[2J", ""]
)
@pytest.mark.parametrize("width", [80, SIDE])
def test_write__stays_in_its_width(text, width):
    sheet = Canvas(2 * SIDE, 40)
    sheet.write((5, 5), text, width=width)
    box = inked(sheet)
    assert (box is None) is (text == "")
    if box:
        assert box[2] <= 5 + width + 1


def test_write_pair__the_figure_ends_at_the_right():
    sheet = Canvas(SIDE, 30)
    sheet.write_pair((0, 0), "a very long name of a class " * 3, "99 %")
    assert SIDE - 4 <= inked(sheet)[2] <= SIDE
    # Between both is room.
    columns = (np.asarray(sheet.image.convert("L")) < 200).any(axis=0)
    gap = max(len(run) for run in "".join("x" if one else " " for one in columns[100:]).split("x"))
    assert gap >= 5


def test_covering__the_default_where_it_has_all(monkeypatch):
    monkeypatch.setattr(module, "_other_fonts", lambda: pytest.fail("fonts were listed"))
    assert module._covering("Äpfel & Öl") == module._default_font()


def test_covering__a_font_that_has_more(monkeypatch):
    known = {"a": frozenset(map(ord, "ab")), "b": frozenset(map(ord, "abc")), "c": frozenset(map(ord, "abc"))}
    monkeypatch.setattr(module, "_default_font", lambda: "a")
    monkeypatch.setattr(module, "_other_fonts", lambda: ["b", "c"])
    monkeypatch.setattr(module, "_characters", known.__getitem__)
    assert module._covering("abc") == "b"
    assert module._covering("ab") == module._covering("xyz") == "a"


def test_save__is_the_picture(tmp_path):
    sheet = Canvas(20, 10)
    sheet.frame((0, 0), 5)
    sheet.save(tmp_path / "x.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "x.png")), pixels(sheet))
    assert (tmp_path / "x.png").read_bytes() == sheet.png()
    assert Image.open(io.BytesIO(sheet.png())).size == (20, 10)
