"""Which pairs of pictures may show the same, by their grids alone."""

import random

import numpy as np
import pytest
from PIL import Image, ImageOps

from benchmarks.planted_copies import KINDS
from budwood.data.grid_overlay import best_fits
from budwood.data.inspection import inspect
from budwood.data.perceptual_hash import stacked


def pictures(count: int) -> list[Image.Image]:
    noise = np.random.default_rng(0).integers(0, 255, (count, 6, 8, 3)).astype(np.uint8)
    return [Image.fromarray(one).resize((160, 120), Image.Resampling.BICUBIC) for one in noise]


def grids(some: list) -> np.ndarray:
    return stacked([inspect(one).hash for one in some])


@pytest.mark.parametrize("kind", KINDS)
def test_best_fits__copies_against_other_pictures(kind):
    some = pictures(20)
    copies = [KINDS[kind](one, random.Random(place)) for place, one in enumerate(some)]
    assert best_fits(grids(some), grids(copies)).min() > 0.75
    assert np.median(best_fits(grids(some), grids([*copies[1:], copies[0]]))) < 0.6


def test_best_fits__a_mirrored_part_is_found_from_either_side():
    one = pictures(1)[0]
    part = ImageOps.mirror(one.crop((16, 12, 144, 108)))
    there, back = best_fits(grids([one, part]), grids([part, one]))
    assert there == pytest.approx(back) and there > 0.9


def test_best_fits__plain_pictures_are_like_nothing():
    plain = grids([Image.new("RGB", (32, 32), "grey")])
    assert best_fits(plain, plain).max() == 0
    assert best_fits(plain[:0], plain[:0]).tolist() == []
