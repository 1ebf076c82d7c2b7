"""The picture of a report is taken from its page."""

from PIL import Image

from tools.docs.picture import SIZE, picture


def test_picture__is_the_top_of_the_page(tmp_path, browser):
    report = tmp_path / "report.html"
    report.write_text("<body style='margin:0; background:#2e7d52'><p style='margin-top: 3000px'>below</p>")
    picture(report, tmp_path / "picture.png", browser)
    with Image.open(tmp_path / "picture.png") as shot:
        assert shot.size == SIZE and shot.mode == "P"
        assert shot.convert("RGB").getpixel((10, 10)) == (0x2E, 0x7D, 0x52)
