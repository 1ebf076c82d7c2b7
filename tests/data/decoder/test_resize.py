import numpy as np
import pytest
from PIL import Image

from budwood.data.decoder.resize import to_square


def ramp(width, height):
    """Red rises to the right and green to the bottom, so that a pixel says where it was."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, np.zeros_like(x)], 2).astype(np.uint8))


@pytest.mark.parametrize(("width", "height"), [(300, 100), (100, 300), (101, 100), (50, 50)])
def test_to_square__crop_is_the_middle_of_the_long_side(width, height):
    found = np.asarray(to_square(ramp(width, height), 50, "crop"))
    side = min(width, height)
    for axis, length in ((0, width), (1, height)):
        begin = (length - side) / 2 / length * 255
        line = found[25, :, 0] if axis == 0 else found[:, 25, 1]
        assert line[0] == pytest.approx(begin, abs=4)
        assert line[-1] == pytest.approx(255 - begin, abs=4)


def test_to_square__stretch_keeps_all_of_both_sides():
    found = np.asarray(to_square(ramp(300, 100), 50, "stretch"))
    assert found[0, 0].tolist() == pytest.approx([0, 0, 0], abs=4)
    assert found[-1, -1].tolist() == pytest.approx([255, 255, 0], abs=4)
    scaled = ramp(300, 100).resize((50, 50), Image.Resampling.BICUBIC)
    assert np.abs(found.astype(int) - np.asarray(scaled)).max() <= 3


@pytest.mark.parametrize(("width", "height"), [(300, 100), (100, 300), (200, 1), (1, 999), (64, 64)])
def test_to_square__pad_is_the_whole_picture_between_grey(width, height):
    found = np.asarray(to_square(ramp(width, height), 64, "pad"))
    rows = (found == 127).all(axis=2)
    fitted = (max(1, round(64 * width / max(width, height))), max(1, round(64 * height / max(width, height))))
    assert (~rows).any(axis=0).sum() == fitted[0]
    assert (~rows).any(axis=1).sum() == fitted[1]
    before, after = np.argmax((~rows).any(axis=1)), np.argmax((~rows).any(axis=1)[::-1])
    assert abs(int(before) - int(after)) <= 1


def test_to_square__of_no_known_kind():
    with pytest.raises(ValueError, match='"squash" is unknown'):
        to_square(ramp(8, 8), 8, "squash")
