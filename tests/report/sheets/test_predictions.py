import numpy as np
import pytest
from PIL import Image

from budwood.report.sheets import canvas, predictions
from budwood.report.sheets.predictions import SheetItem, write_sheet

PICTURE = np.full((30, 40, 3), (10, 20, 200), np.uint8)


def _pixels(path):
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture).astype(int)


def _has_colour(pixels, colour) -> bool:
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return bool((np.abs(pixels - wanted).max(-1) < 12).any())


@pytest.mark.parametrize(
    ("true", "right", "wrong"), [("roses", True, False), ("tulips", False, True), (None, False, False)]
)
def test_write_sheet__marks_right_and_wrong(tmp_path, true, right, wrong):
    write_sheet([SheetItem(PICTURE, "roses", 0.93, true)], tmp_path / "sheet.png")
    pixels = _pixels(tmp_path / "sheet.png")
    assert _has_colour(pixels, canvas.RIGHT) is right
    assert _has_colour(pixels, canvas.WRONG) is wrong
    assert (np.abs(pixels - [10, 20, 200]).max(-1) < 12).sum() == 240 * 180


@pytest.mark.parametrize("right", [True, False])
def test_write_sheet__a_label_above_the_true_class_is_right(tmp_path, right):
    write_sheet([SheetItem(PICTURE, "owl", 0.93, "barn owl", right=right)], tmp_path / "sheet.png")
    assert _has_colour(_pixels(tmp_path / "sheet.png"), canvas.RIGHT) is right


def test_write_sheet__a_line_for_what_lies_above(tmp_path):
    heights = []
    for above in ("", "in owls 97.0 %"):
        write_sheet([SheetItem(PICTURE, "barn owl", 0.93, above=above)], tmp_path / "sheet.png")
        heights.append(len(_pixels(tmp_path / "sheet.png")))
    assert heights[1] - heights[0] == canvas.LINE
    assert _has_colour(_pixels(tmp_path / "sheet.png"), canvas.QUIET)


def test_write_sheet__a_line_for_each_label(tmp_path):
    many = tuple((f"label {number}", 0.9) for number in range(20))
    heights = {}
    for number in (0, 1, 3, 6, 20):
        item = SheetItem(PICTURE, "", 0.5, labels=many[:number], name="a.jpg")
        write_sheet([item], tmp_path / "sheet.png")
        heights[number] = len(_pixels(tmp_path / "sheet.png"))
    assert heights[3] - heights[1] == 2 * (heights[1] - heights[0] or canvas.LINE)
    assert heights[0] == heights[1] and heights[6] == heights[20] == heights[1] + 5 * canvas.LINE


@pytest.mark.parametrize("num", [1, 2, 7, 40])
def test_write_sheet__draws_every_picture(tmp_path, num):
    write_sheet([SheetItem(PICTURE, "roses", 0.5)] * num, tmp_path / "sheet.png")
    assert (np.abs(_pixels(tmp_path / "sheet.png") - [10, 20, 200]).max(-1) < 12).sum() == num * 240 * 180


def test_write_sheet__columns(tmp_path):
    for columns in (1, 6):
        write_sheet([SheetItem(PICTURE, "roses", 0.5)] * 6, tmp_path / f"{columns}.png", columns=columns)
    tall, wide = _pixels(tmp_path / "1.png"), _pixels(tmp_path / "6.png")
    assert tall.shape[0] > 4 * tall.shape[1]
    assert wide.shape[1] > 4 * wide.shape[0]


def test_write_sheet__draws_the_first_and_counts_the_rest(tmp_path, monkeypatch):
    monkeypatch.setattr(predictions, "MOST", 4)
    write_sheet([SheetItem(PICTURE, "roses", 0.5)] * 9, tmp_path / "sheet.png", columns=2)
    pixels = _pixels(tmp_path / "sheet.png")
    assert (np.abs(pixels - [10, 20, 200]).max(-1) < 12).sum() == 4 * 240 * 180
    assert _has_colour(pixels[-60:], canvas.QUIET)


def test_write_sheet__nothing_to_draw(tmp_path):
    write_sheet([], tmp_path / "sheet.png")
    assert _has_colour(_pixels(tmp_path / "sheet.png"), canvas.QUIET)


@pytest.mark.parametrize("image", [b"no picture", "no/such/file.jpg", b""])
def test_write_sheet__unreadable_picture_is_an_empty_frame(tmp_path, image):
    write_sheet([SheetItem(image, "roses", 0.5), SheetItem(PICTURE, "roses", 0.5)], tmp_path / "sheet.png")
    pixels = _pixels(tmp_path / "sheet.png")
    assert _has_colour(pixels, canvas.QUIET)
    assert (np.abs(pixels - [10, 20, 200]).max(-1) < 12).sum() == 240 * 180


@pytest.mark.parametrize(
    "name", ["日本語のクラス", "x" * 500, "two\nlines", "caf\udce9", "🌻", "عربى", "", "\u202eevil"]
)
def test_write_sheet__any_name(tmp_path, name):
    write_sheet([SheetItem(PICTURE, name, 1.0, true=name + "?")], tmp_path / "sheet.png")
    pixels = _pixels(tmp_path / "sheet.png")
    paper = np.array([0xFD, 0xFD, 0xFB])
    # Nothing runs over the right edge of the picture.
    assert (pixels[:, -20:] == paper).all()
    assert _has_colour(pixels, canvas.WRONG)


def test_write_sheet__thin_and_tiny_pictures(tmp_path):
    items = [
        SheetItem(np.zeros(shape, np.uint8), "roses", 0.5) for shape in [(1, 2000, 3), (1, 1, 3), (900, 2, 3)]
    ]
    write_sheet(items, tmp_path / "sheet.png")
    assert (_pixels(tmp_path / "sheet.png").max(-1) < 12).sum() >= 240 * 240


def test_write_sheet__names_its_files(tmp_path):
    write_sheet([SheetItem(PICTURE, "roses", 0.5)], tmp_path / "plain.png")
    write_sheet([SheetItem(PICTURE, "roses", 0.5, name="a rose.jpg")], tmp_path / "named.png")
    plain, named = _pixels(tmp_path / "plain.png"), _pixels(tmp_path / "named.png")
    assert named.shape[0] == plain.shape[0] + canvas.LINE
    # The name stands in a line of its own, below what is the same with and without it.
    below = named[-canvas.LINE - canvas.GAP : -canvas.GAP]
    assert below.min() < 150
    assert (named[: -canvas.LINE - canvas.GAP] == plain[: -canvas.GAP]).all()
