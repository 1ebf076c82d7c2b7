"""The hash against fractions and plain loops; neighbours against all pairs."""

import io
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from PIL import Image

from budwood.data import perceptual_hash as hashing
from budwood.data.inspection import inspect
from budwood.data.perceptual_hash import (
    LENGTH,
    SIDE,
    correlation,
    grids_of,
    hash_of_values,
    near_pairs,
    shared_grid,
    small_luma,
    stacked,
)


def perceptual_hash(image, size=None):
    return grids_of(small_luma(image)[None], size or image.size)[0]


def scene(seed, size=(160, 120)):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def grid_by_fractions(luma, size):
    """The mean of each cell, where each pixel counts by its share, without any rounding before the last."""
    width, height = size
    scale_x, scale_y = -(-width // luma.shape[1]), -(-height // luma.shape[0])
    found = np.zeros((SIDE, SIDE), np.uint8)
    for row in range(SIDE):
        for column in range(SIDE):
            total = Fraction(0)
            for y in range(luma.shape[0]):
                high = share(y, scale_y, height, row)
                if high:
                    for x in range(luma.shape[1]):
                        total += high * share(x, scale_x, width, column) * int(luma[y, x])
            mean = total / (Fraction(width, SIDE) * Fraction(height, SIDE))
            found[row, column] = floor(mean + Fraction(1, 2))
    return found


def share(pixel, scale, whole, cell):
    begin, end = Fraction(whole * cell, SIDE), Fraction(whole * (cell + 1), SIDE)
    return max(Fraction(0), min(end, pixel * scale + scale, whole) - max(begin, pixel * scale))


@pytest.mark.parametrize(
    ("shape", "size"), [((16, 16), (16, 16)), ((5, 7), (7, 5)), ((20, 33), (33, 20)), ((9, 12), (23, 18))]
)
def test_grids_of__is_the_mean_of_each_cell(shape, size):
    luma = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    np.testing.assert_array_equal(grids_of(luma[None], size)[0], grid_by_fractions(luma, size))


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "CMYK", "YCbCr", "RGBA", "LA", "1"])
def test_perceptual_hash__of_every_mode(mode):
    picture = scene(1).convert("L" if mode in ("LA", "1") else "RGB")
    expected = perceptual_hash(picture).astype(int)
    found = perceptual_hash(picture.convert(mode)).astype(int)
    assert found.shape == (SIDE, SIDE)
    # Of a palette or of black dots no level is as it was, but the picture is the same.
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.97


def test_perceptual_hash__what_is_transparent_is_white():
    picture = scene(1).convert("RGBA")
    picture.putalpha(Image.new("L", picture.size, 0))
    assert perceptual_hash(picture).min() == 255
    palette = Image.new("P", (40, 40), 0)
    palette.putpalette([0, 0, 0])
    assert perceptual_hash(palette).max() == 0
    palette.info["transparency"] = 0
    assert perceptual_hash(palette).min() == 255


def test_inspect__a_mode_without_brightness_is_like_nothing():
    found = inspect(Image.new("La", (40, 40), 200))
    assert not any(found.hash) and len(found.hash) == 256 and found.sharpness is None


@pytest.mark.parametrize("seed", range(6))
def test_perceptual_hash__a_picture_that_is_saved_again_is_the_same_and_another_is_not(seed):
    picture = scene(seed, (640, 480))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=40)
    again = [
        Image.open(file),
        picture.resize((201, 150)),
        picture.convert("L"),
        picture.point(lambda v: v * 0.7),
    ]
    grids = stacked(
        [perceptual_hash(one).tobytes() for one in (picture, *again, scene(seed + 100, (640, 480)))]
    )
    alike = correlation(np.repeat(grids[:1], len(grids), 0), grids)
    assert alike[:-1].min() > hashing.SAME
    assert alike[-1] < 0.9


def test_perceptual_hash__of_a_reduced_decode_is_that_of_the_whole():
    file = io.BytesIO()
    scene(3, (1001, 755)).save(file, "JPEG", quality=95)
    whole, reduced = Image.open(file), Image.open(io.BytesIO(file.getvalue()))
    reduced.draft("RGB", (251, 189))
    assert reduced.size != whole.size
    one = perceptual_hash(whole).astype(int)
    other = perceptual_hash(reduced, whole.size).astype(int)
    assert np.abs(one - other).max() <= 3


def test_hash_of_values__is_that_of_a_picture_of_these_levels():
    levels = np.asarray(scene(2).convert("L"))
    whole = np.interp(levels, (levels.min(), levels.max()), (0, 255))
    expected = grids_of(np.rint(whole).astype(np.uint8)[None], levels.shape[::-1])[0]
    for values in (levels, levels.astype(np.uint16) * 200 + 7, levels / 1000.0, np.stack([levels] * 3, 2)):
        # A level in the middle of two may be rounded either way.
        assert np.abs(hash_of_values(values).astype(int) - expected).max() <= 1


def test_hash_of_values__plain_missing_and_large():
    assert hash_of_values(np.full((20, 20), 7, np.uint16)).max() == 0
    values = np.random.default_rng(0).normal(size=(30, 40))
    values[3:5] = np.nan
    assert hash_of_values(values).shape == (SIDE, SIDE)
    rows = np.tile(np.linspace(0, 60_000, 2500), (2100, 1)).astype(np.uint16)
    np.testing.assert_allclose(
        hash_of_values(rows).astype(int), np.tile(np.arange(8, 256, 16), (16, 1)), atol=1
    )


def test_correlation__is_numpys():
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (20, LENGTH), np.uint8) for _ in range(2))
    b[:5] = np.clip(a[:5] * 0.5 + 20, 0, 255)
    expected = [
        np.corrcoef(one, other)[0, 1] for one, other in zip(a.astype(int), b.astype(int), strict=True)
    ]
    np.testing.assert_allclose(correlation(a, b), expected, atol=1e-12)
    mean = rng.integers(0, 256, LENGTH)
    expected = [
        np.corrcoef(one - mean, other - mean)[0, 1]
        for one, other in zip(a.astype(int), b.astype(int), strict=True)
    ]
    np.testing.assert_allclose(correlation(a, b, mean), expected, atol=1e-12)


def test_correlation__a_plain_picture_is_like_none():
    plain = np.full((1, LENGTH), 90, np.uint8)
    plain[0, :3] = 93
    rough = np.random.default_rng(0).integers(0, 256, (1, LENGTH), np.uint8)
    assert correlation(plain, plain) == correlation(plain, rough) == correlation(rough, plain) == 0


def test_shared_grid__of_many_photos_alone():
    grids = np.random.default_rng(0).integers(0, 256, (60, LENGTH), np.uint8)
    np.testing.assert_array_equal(shared_grid(grids), np.rint(grids.astype(float).mean(axis=0)))
    assert not shared_grid(grids[:49]).any()
    assert shared_grid(grids[:50]).any()


@pytest.mark.parametrize("number", [30, 200])
@pytest.mark.parametrize("least", [0.9, 0.995])
def test_near_pairs__are_those_of_all_pairs(number, least):
    rng = np.random.default_rng(number)
    grids = np.stack([perceptual_hash(scene(seed)).ravel() for seed in range(number)])
    for copy in range(0, number, 5):
        # In the coarse part alone, by which neighbours are looked for.
        noise = np.kron(rng.normal(scale=copy % 4 * 3, size=(4, 4)), np.ones((4, 4))).ravel()
        grids[copy + 1] = np.clip(grids[copy] + noise, 0, 255)
    grids[7] = 128
    told = [place for place in range(number) if place != 7]
    alike = np.corrcoef(grids[told] - shared_grid(grids))
    expected = {
        (told[one], told[other]): alike[one, other]
        for one, other in np.argwhere(np.triu(alike >= least, 1)).tolist()
    }
    pairs, found = near_pairs(grids, least)
    assert dict(zip(map(tuple, pairs.tolist()), found, strict=True)) == pytest.approx(expected)
    assert len(expected) >= 3


@pytest.mark.parametrize("number", [0, 1, 2])
def test_near_pairs__of_few_or_plain_pictures_are_none(number):
    for grids in (
        np.full((number, LENGTH), 9, np.uint8),
        np.random.default_rng(0).integers(0, 256, (number, LENGTH)),
    ):
        pairs, alike = near_pairs(grids.astype(np.uint8))
        assert pairs.shape == (0, 2) and alike.shape == (0,)


def test_near_pairs__many_copies_of_one_hang_together():
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    grids = np.repeat(perceptual_hash(scene(0)).reshape(1, -1), 40, axis=0)
    pairs, alike = near_pairs(grids)
    graph = coo_matrix((np.ones(len(pairs)), pairs.T), (40, 40))
    assert connected_components(graph, directed=False)[0] == 1
    np.testing.assert_allclose(alike, 1.0)


def test_near_pairs__cells_find_what_the_tree_finds(monkeypatch):
    rng = np.random.default_rng(0)
    waves = rng.normal(size=(600, 5, 5)) / (1 + np.add.outer(np.arange(5), np.arange(5)))
    cosines = np.cos(np.pi * np.arange(5)[:, None] * (np.arange(16) + 0.5) / 16)
    levels = np.einsum("nab,ai,bj->nij", waves, cosines, cosines).reshape(600, 256)
    levels *= 40 / levels.std(axis=1, keepdims=True)
    levels = np.concatenate(
        [levels, levels[:300] + rng.normal(size=(300, 256)) * np.linspace(0, 4, 300)[:, None]]
    )
    grids = np.clip(levels + 128, 0, 255).astype(np.uint8)
    tree, alike = near_pairs(grids, hashing.NEAR)
    monkeypatch.setattr("budwood.data.perceptual_hash._MANY", 10)
    cells, also = near_pairs(grids, hashing.NEAR)
    assert len(tree) > 200
    np.testing.assert_array_equal(cells, tree)
    np.testing.assert_array_equal(also, alike)
