"""The square that the page makes in a browser, beside Pillow's: the same to the bit."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from budwood.data.decoder.resize import to_square
from tests.web import site, write_site

SQUARE = """async ([png, size, resize]) => {
  const { decode, toSquare } = await import("./pixels.js");
  const bytes = Uint8Array.from(atob(png), (one) => one.charCodeAt(0));
  const square = toSquare(await decode(new Blob([bytes])), size, resize);
  return btoa(Array.from(square.data, (one) => String.fromCharCode(one)).join(""));
}"""


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    with site(browser, write_site(tmp_path_factory.mktemp("pixels") / "site")) as found:
        yield found.page


def _in_browser(page, image, size, resize):
    stream = io.BytesIO()
    image.save(stream, "PNG")
    found = page.evaluate(SQUARE, [base64.b64encode(stream.getvalue()).decode(), size, resize])
    return np.frombuffer(base64.b64decode(found), np.uint8).reshape(size, size, 4)[..., :3]


# Of more than four times the size the reduction comes before the filter.
@pytest.mark.parametrize(
    "shape",
    [(200, 301), (64, 64), (64, 90), (50, 40), (1, 1), (620, 401), (333, 1037), (90, 50), (65, 40), (700, 5)],
)
@pytest.mark.parametrize("resize", ["crop", "stretch", "pad"])
def test_to_square__is_that_of_the_training(page, shape, resize):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (shape[0] // 3 + 1, shape[1] // 3 + 1, 3), np.uint8)
    pixels = coarse.repeat(3, axis=0).repeat(3, axis=1)[: shape[0], : shape[1]]
    image = Image.fromarray(pixels ^ rng.integers(0, 32, pixels.shape, np.uint8))
    assert (_in_browser(page, image, 64, resize) == np.asarray(to_square(image, 64, resize))).all()


def test_decode__lays_what_is_transparent_on_white(page):
    image = Image.new("RGBA", (8, 8), (200, 30, 40, 0))
    image.putpixel((0, 0), (200, 30, 40, 255))
    found = _in_browser(page, image, 8, "stretch")
    assert found[0, 0].tolist() == [200, 30, 40] and (found[1:] == 255).all()


def test_decode__turns_a_photo_as_its_exif_says(page):
    image = Image.fromarray(np.uint8(np.arange(12).reshape(3, 4, 1) * 20).repeat(3, axis=2))
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=100, exif=exif)
    found = page.evaluate(SQUARE, [base64.b64encode(stream.getvalue()).decode(), 4, "stretch"])
    square = np.frombuffer(base64.b64decode(found), np.uint8).reshape(4, 4, 4)[..., 0].astype(int)
    upright = np.asarray(to_square(image.transpose(Image.Transpose.ROTATE_270), 4, "stretch"), int)[..., 0]
    assert np.abs(square - upright).max() <= 3
