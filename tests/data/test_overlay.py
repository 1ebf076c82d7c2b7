"""Copies are told from other pictures however they were made."""

import io
import random

import numpy as np
import pytest
from PIL import Image
from threadpoolctl import threadpool_limits

from benchmarks.planted_copies import KINDS
from budwood.data.overlay import COPY, grey, overlay


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


def scene(seed: int, side: int = 240) -> Image.Image:
    """A picture of structure at all scales."""
    chance = np.random.default_rng(seed)
    total = np.zeros((side, side, 3))
    for cells in (4, 9, 20, 45):
        noise = chance.uniform(0, 255, (cells, cells, 3)).astype(np.uint8)
        total += np.asarray(Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC), float) / 4
    return Image.fromarray(total.astype(np.uint8)).crop((0, 0, side, side * 3 // 4))


@pytest.mark.parametrize("kind", KINDS)
def test_overlay__copies(kind):
    picture = scene(1)
    copy = KINDS[kind](picture, random.Random(2))
    for found in (overlay(grey(picture), grey(copy)), overlay(grey(copy), grey(picture))):
        assert found.similarity > COPY
        assert found.mirrored == (kind == "mirrored")
        assert found.shared == pytest.approx(0.81 if kind.startswith("cropped") else 1, abs=0.03)


def test_overlay__others():
    assert overlay(grey(scene(1)), grey(scene(2))).similarity < COPY / 2


def test_overlay__one_brightness_says_nothing():
    plain = grey(Image.new("RGB", (50, 40), "white"))
    assert overlay(plain, plain).similarity < COPY
    assert overlay(plain, grey(scene(3))).similarity < COPY


def test_overlay__other_shapes():
    picture = scene(4)
    strip = picture.crop((0, 20, picture.width, 150))
    assert overlay(grey(picture), grey(strip)).similarity > COPY
    assert overlay(grey(Image.new("L", (4, 900))), grey(picture)).similarity < COPY


def test_grey__size():
    file = io.BytesIO()
    scene(1).save(file, "PNG")
    assert grey(file.getvalue()).shape == (96, 128)
