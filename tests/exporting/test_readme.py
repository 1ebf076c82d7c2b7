import numpy as np
import pytest
from PIL import Image

from budwood.data.decoder.resize import to_square
from budwood.exporting.readme import _SQUARES


@pytest.mark.parametrize("resize", list(_SQUARES))
@pytest.mark.parametrize("shape", [(40, 61), (200, 90), (64, 64), (300, 7)])
def test_squares__are_those_of_the_training(resize, shape):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    names = {"picture": Image.fromarray(pixels), "Image": Image, "SIZE": 64}
    exec(_SQUARES[resize], names)
    own = np.asarray(to_square(Image.fromarray(pixels), 64, resize), np.int16)
    assert (np.asarray(names["square"], np.int16) == own).all()
