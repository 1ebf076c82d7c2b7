"""Made photos whose faults are known."""

import zlib

import numpy as np
import pytest
from PIL import Image

COLOURS = {"blue": (40, 60, 200), "green": (40, 160, 60), "red": (200, 50, 40)}


def scene(colour, seed, side=160):
    """A picture of one colour with rectangles of all sizes: sharp, neither dark nor bright, like no other."""
    rng = np.random.default_rng([seed, *colour])
    pixels = np.clip(np.array(colour) + rng.normal(scale=12, size=3), 0, 255) * np.ones((side, side, 1))
    for _ in range(120):
        size = side / rng.uniform(2, 40)
        top, left = rng.integers(0, side, 2)
        pixels[top : int(top + size), left : int(left + size * rng.uniform(0.5, 2))] += rng.normal(scale=45)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


@pytest.fixture
def photos(tmp_path):
    """A folder of three classes of 24 clean photos each."""
    root = tmp_path / "photos"
    for label, colour in COLOURS.items():
        (root / label).mkdir(parents=True)
        for number in range(24):
            # Hexadecimal names hint at no frames.
            name = f"{zlib.crc32(f'{label}{number}'.encode()):08x}.jpg"
            scene(colour, number).save(root / label / name, quality=92)
    return root


@pytest.fixture
def a_photo(photos):
    return lambda label, number=0: sorted((photos / label).iterdir())[number]
