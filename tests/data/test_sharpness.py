import numpy as np
import pytest
from PIL import Image, ImageFilter

from budwood.data.inspection import inspect
from budwood.data.sharpness import sharpness, sharpnesses


def scene(side, seed=0):
    """Rectangles of all sizes, as scenes have them."""
    rng = np.random.default_rng(seed)
    pixels = np.full((side, side + side // 3), 128, np.uint8)
    for _ in range(400):
        size = side / rng.uniform(1.5, 60)
        top, left = rng.integers(0, side, 2)
        pixels[top : int(top + size), left : int(left + size * rng.uniform(0.5, 2))] = rng.integers(0, 256)
    return Image.fromarray(pixels)


def test_sharpness__hardly_depends_on_size_and_contrast():
    picture = scene(320)
    found = sharpness(np.asarray(picture))

    for other in (picture.resize((854, 640)), picture.resize((213, 160), Image.Resampling.BOX)):
        assert sharpness(np.asarray(other)) == pytest.approx(found, rel=0.25)
    flat = picture.point(lambda level: 100 + level // 8)
    assert sharpness(np.asarray(flat)) == pytest.approx(found, rel=0.1)


def test_sharpness__falls_with_blur_and_with_motion_along_one_direction():
    picture = scene(320)
    blurred = [
        sharpness(np.asarray(picture.filter(ImageFilter.GaussianBlur(radius)))) for radius in (0, 3, 5, 8)
    ]
    moved = np.mean([np.roll(np.asarray(picture), shift, axis=1) for shift in range(16)], axis=0)

    assert blurred == sorted(blurred, reverse=True)
    assert blurred[2] < 0.5 * blurred[0]
    assert sharpness(moved.astype(np.uint8)) < 0.6 * blurred[0]
    assert sharpness(moved.T.astype(np.uint8)) < 0.6 * blurred[0]


@pytest.mark.parametrize("shape", [(15, 200), (200, 15), (1, 1)])
def test_sharpness__too_small_to_say(shape):
    assert sharpness(np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)) is None


def test_sharpness__nothing_there_to_be_sharp():
    assert sharpness(np.full((300, 300), 200, np.uint8)) is None
    assert sharpness(np.tile(np.arange(200, dtype=np.uint8), (100, 1))) is None


def test_inspect__sharpness_of_a_file_and_none_of_more_than_8_bits(tmp_path):
    picture = scene(320)
    for name in ("sharp.jpg", "sharp.png"):
        picture.save(tmp_path / name)
        picture.filter(ImageFilter.GaussianBlur(6)).save(tmp_path / f"blurred {name}")
        assert inspect(tmp_path / f"blurred {name}").sharpness < 0.6 * inspect(tmp_path / name).sharpness
    deep = np.random.default_rng(0).integers(0, 4096, (60, 60)).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.tif")
    assert inspect(tmp_path / "deep.tif").sharpness is None


@pytest.mark.parametrize("shape", [(48, 48), (61, 97), (130, 70), (255, 128)])
def test_sharpnesses__many_at_once_are_as_one_by_one_and_as_plain_sums(shape):
    lumas = np.random.default_rng(0).integers(0, 256, (5, *shape)).astype(np.uint8)
    lumas[3] = 200
    found = sharpnesses(lumas)
    assert found == [sharpness(luma) for luma in lumas]
    assert found[3] is None and None not in found[:3]


def test_sharpnesses__are_ratios_of_mean_squares_of_second_differences():
    luma = np.random.default_rng(0).integers(0, 256, (61, 97)).astype(np.uint8)
    ratios = []
    for lines in (luma[::2].astype(int), luma.T[::2].astype(int)):
        one = 2 * lines[:, 1:-1] - lines[:, :-2] - lines[:, 2:]
        two = 2 * lines[:, 2:-2] - lines[:, :-4] - lines[:, 4:]
        ratios.append(np.mean(one**2) / np.mean(two**2))
    assert sharpness(luma) == pytest.approx(min(ratios), rel=1e-12)
