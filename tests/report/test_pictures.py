import base64
import io

import numpy as np
import pytest
from PIL import Image

from budwood.report.pictures import heat_map, thumbnail


def _open(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


@pytest.mark.parametrize("shape", [(300, 500, 3), (5, 900, 3), (1, 1, 3)])
def test_thumbnail__is_a_small_square_jpeg(shape):
    picture = _open(thumbnail(np.full(shape, 90, np.uint8)))
    assert (picture.format, picture.size) == ("JPEG", (160, 160))


def test_thumbnail__pads_where_the_recipe_does():
    red = np.zeros((50, 100, 3), np.uint8)
    red[..., 0] = 255
    padded, cropped = (np.asarray(_open(thumbnail(red, how))).astype(int) for how in ("pad", "crop"))
    assert cropped[2, 80, 0] > 240
    assert padded[2, 80, 0] < 160


@pytest.mark.parametrize("image", [None, b"", b"no picture", "no/such/file.jpg"])
def test_thumbnail__unreadable_is_none(image):
    assert thumbnail(image) is None


def test_heat_map__right_is_green_wrong_is_orange_and_nothing_is_transparent():
    confusion = np.diag(np.full(40, 9))
    confusion[0, 1], confusion[2, 3] = 1, 4
    cells = np.asarray(_open(heat_map(confusion)))
    scale = len(cells) // 40
    cell = cells[scale // 2 :: scale, scale // 2 :: scale].astype(int)
    assert cell[5, 5, 1] > cell[5, 5, 0] and cell[5, 5, 3] == 255
    assert cell[0, 1, 0] > cell[0, 1, 1] and 0 < cell[0, 1, 3] < cell[2, 3, 3] == 255
    assert cell[0, 2, 3] == 0


def test_heat_map__without_any_mistake():
    assert np.asarray(_open(heat_map(np.diag(np.full(31, 2))))).shape == (775, 775, 4)
