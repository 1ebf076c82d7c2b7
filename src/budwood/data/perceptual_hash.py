"""A perceptual hash: what of a picture stays the same when it is saved again at another quality, size or format.

It is the picture's brightness on a grid of 16 x 16, upright, in whole numbers: reduced by integer arithmetic from the
decode of the check, whatever the backbone, its size, the engine and the machine. Two photos are compared by the
correlation of their grids, which brightness and contrast do not change. Neighbours are found in a k-d tree over the
grid's lowest frequencies, which never make a distance larger: what is near is found without comparing all pairs. Of
very many photos they are found in cells (`near_points`), for the tree's time is nearly the square of their number.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from budwood.data.near_points import near_by_cells

SIDE = 16
LENGTH = SIDE * SIDE
"""Bytes of a hash."""
AT_LEAST = 48
"""Pixels of the short side below which a JPEG need not be reduced while it is decoded: three for each cell."""
SAME = 0.995
"""Correlation from which on two grids are of one picture saved twice; chosen on planted copies (see the tests)."""
NEAR = 0.99
"""Correlation from which on they are of one scene: frames of a video, a burst."""

_FLATTEST = 4.0
"""Standard deviation in levels below which a picture is too plain to be told from others."""
_REDUCED = 128
"""Pixels of a side to which a larger one is reduced by whole factors first."""
_MOST_VALUES = 1024
"""Samples of a side from which on every second or third is looked at."""
_COARSE = 16
"""Frequencies of the grid by which neighbours are looked for ..."""
_MORE = 32
"""... and where photos are many."""
_MANY = 40_000
"""Photos from which on a tree, whose time is nearly the square of their number, takes longer than cells."""
_NEIGHBOURS = 8
_ENOUGH = 50
"""Photos from which on their mean is what they share."""


def hash_of_values(values: np.ndarray) -> UInt8[np.ndarray, "16 16"]:
    """Return the same of samples of any type, (H, W) or (H, W, channels), between their own smallest and largest."""
    height, width = values.shape[:2]
    # Doubles of all samples of a large picture would be more than the picture.
    values = values[:: max(1, height // _MOST_VALUES), :: max(1, width // _MOST_VALUES)]
    luma = np.nan_to_num(values.astype(np.float64))
    luma = luma.mean(axis=2) if luma.ndim == 3 else luma
    low, high = luma.min(), luma.max()
    scaled = np.rint((luma - low) * (255.0 / max(high - low, 1e-300)))
    return grids_of(np.clip(scaled, 0, 255).astype(np.uint8)[None], (width, height))[0]


def small_luma(image: Image.Image) -> UInt8[np.ndarray, "height width"]:
    """Return the brightness of a picture of any 8-bit mode, as it lies in the file, reduced by whole factors.

    Raise ValueError of a mode without a brightness.
    """
    factor = (max(1, image.width // _REDUCED), max(1, image.height // _REDUCED))
    transparent = image.has_transparency_data
    if image.mode in ("P", "PA", "1") or (transparent and image.mode not in ("RGBA", "LA")):
        image = image.convert("RGBA" if transparent else "RGB")
    if factor != (1, 1):
        image = image.reduce(factor)
    if transparent:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    grey = image if image.mode == "L" else image.convert("L")
    return np.frombuffer(grey.tobytes(), np.uint8).reshape(grey.height, grey.width)


def grids_of(
    lumas: UInt8[np.ndarray, "n height width"], size: tuple[int, int]
) -> UInt8[np.ndarray, "n 16 16"]:
    """Return the means over a grid of 16 x 16, in which a pixel at an edge counts by its share.

    The sums are of whole numbers that a double holds exactly: no machine rounds them otherwise. `size` is width and
    height before any reduction: the last row and column of a reduced picture may stand for less than the others.
    """
    rows, columns = _overlaps(lumas.shape[1], size[1]), _overlaps(lumas.shape[2], size[0])
    # The sums of columns fit into singles but for pictures of 65,793 pixels and more.
    single = np.float32 if 255 * size[1] < 2**24 else np.float64
    sums = ((rows.astype(single) @ lumas.astype(single)).astype(np.float64) @ columns.T).astype(np.int64)
    area = size[0] * size[1]
    return ((2 * sums + area) // (2 * area)).astype(np.uint8)


def typical(grids: UInt8[np.ndarray, "n 256"]) -> Int[np.ndarray, "256"]:
    """Return the mean grid in whole levels: what all photos of a fixed camera share, and what tells none of them."""
    return np.rint(grids.mean(axis=0)).astype(np.int64)


def shared_grid(grids: UInt8[np.ndarray, "n 256"]) -> Int[np.ndarray, "256"]:
    """Return what to take off the grids of a data set before they are compared."""
    # Of a few photos the mean is one of them as much as what they share.
    return typical(grids) if len(grids) >= _ENOUGH else np.zeros(LENGTH, np.int64)


def correlation(
    a: UInt8[np.ndarray, "n 256"], b: UInt8[np.ndarray, "n 256"], mean: Int[np.ndarray, "256"] | int = 0
) -> Float[np.ndarray, "n"]:
    """Return how alike grids are beyond a mean grid, pair by pair, in [-1, 1]; 0 where one is nearly plain."""
    a, b = a.astype(np.int64) - mean, b.astype(np.int64) - mean
    product = LENGTH * (a * b).sum(axis=1) - a.sum(axis=1) * b.sum(axis=1)
    scale = _variance(a).astype(np.float64) * _variance(b)
    textured = (_variance(a) >= _flattest()) & (_variance(b) >= _flattest())
    return np.where(textured, product / np.sqrt(np.maximum(scale, 1)), 0.0)


def near_pairs(
    grids: UInt8[np.ndarray, "n 256"], least: float = SAME
) -> tuple[Int[np.ndarray, "pairs 2"], Float[np.ndarray, " pairs"]]:
    """Return pairs of numbers, the smaller first, of grids that are alike by `least` or more, and how much they are.

    Of each grid its 8 nearest neighbours are looked at: enough to join what belongs together, however many there are.
    What all photos share is taken off first, for the photos of a fixed camera are no copies of one another.
    Beyond 40,000 photos some of those pairs that are alike by `least` and hardly more may be missed: 1 in 200 at most.
    """
    none = np.empty((0, 2), np.int64), np.empty(0)
    mean = shared_grid(grids)
    textured = np.flatnonzero(
        np.concatenate([_variance(some - mean) for some in _parts(grids)]) >= _flattest()
    )
    if len(textured) < 2:
        return none
    radius = float(np.sqrt(2 * (1 - least))) + 1e-9
    find = _near_in_cells if len(textured) > _MANY else _near_in_tree
    pairs = np.sort(textured[find(grids, textured, mean, radius)], axis=1)
    pairs = np.unique(pairs[:, 0] * len(grids) + pairs[:, 1])
    pairs = np.stack([pairs // len(grids), pairs % len(grids)], axis=1)
    alike = np.concatenate([correlation(grids[one[:, 0]], grids[one[:, 1]], mean) for one in _parts(pairs)])
    return pairs[alike >= least], alike[alike >= least]


def _near_in_tree(
    grids: UInt8[np.ndarray, "n 256"],
    textured: Int[np.ndarray, "m"],
    mean: Int[np.ndarray, "256"],
    radius: float,
) -> Int[np.ndarray, "pairs 2"]:
    from scipy.spatial import cKDTree

    points = _points(grids, textured, mean, _COARSE, np.float64)
    # The frequencies vary by very different amounts, so that halving boxes finds as much in half the time.
    tree = cKDTree(points, balanced_tree=False)
    number = min(_NEIGHBOURS, len(points) - 1) + 1
    distances, found = tree.query(points, k=number, distance_upper_bound=radius, workers=-1)
    near = np.isfinite(distances)
    pairs = np.stack([np.repeat(np.arange(len(points)), near.sum(axis=1)), found[near]], axis=1)
    return pairs[pairs[:, 0] != pairs[:, 1]]


def _near_in_cells(
    grids: UInt8[np.ndarray, "n 256"],
    textured: Int[np.ndarray, "m"],
    mean: Int[np.ndarray, "256"],
    radius: float,
) -> Int[np.ndarray, "pairs 2"]:
    points = _points(grids, textured, mean, _MORE, np.float32)
    return np.stack(near_by_cells(points, radius, _NEIGHBOURS), axis=1)


def _points(
    grids: UInt8[np.ndarray, "n 256"],
    textured: Int[np.ndarray, "m"],
    mean: Int[np.ndarray, "256"],
    number: int,
    dtype: type[np.floating],
) -> Float[np.ndarray, "m number"]:
    """Return the lowest frequencies of some grids, without a second copy of them on the way."""
    points = np.empty((len(textured), number), dtype)
    for part, some in zip(_parts(points), _parts(textured), strict=True):
        part[:] = _coarse(grids[some] - mean, number)
    return points


def _parts(rows: np.ndarray) -> Sequence[np.ndarray]:
    """Return the rows in parts whose whole numbers of eight bytes take no room to speak of."""
    return np.array_split(rows, len(rows) // 16_384 + 1)


def stacked(hashes: Sequence[bytes]) -> UInt8[np.ndarray, "n 256"]:
    """Return hashes as the rows of an array, not to be written to."""
    return np.frombuffer(b"".join(hashes), np.uint8).reshape(len(hashes), LENGTH)


@lru_cache(maxsize=512)
def _overlaps(length: int, whole: int) -> Float[np.ndarray, "16 length"]:
    """Return how much of each pixel lies in each cell, in units of 1 / 16 pixel of the picture that is
    `whole` pixels long."""
    scale = -(-whole // length)
    cells = np.arange(SIDE)[:, None] * whole
    pixels = np.arange(length)[None] * scale * SIDE
    ends = np.minimum(pixels + scale * SIDE, whole * SIDE)
    return np.maximum(np.minimum(cells + whole, ends) - np.maximum(cells, pixels), 0).astype(np.float64)


def _variance(grids: Int[np.ndarray, "n 256"]) -> Int[np.ndarray, "n"]:
    """LENGTH squared times the variance, exactly."""
    return LENGTH * (grids * grids).sum(axis=1) - grids.sum(axis=1) ** 2


def _flattest() -> float:
    return (_FLATTEST * LENGTH) ** 2


def _coarse(grids: Int[np.ndarray, "n 256"], number: int) -> Float[np.ndarray, "n number"]:
    """Return of the grids, brought to mean 0 and length 1, the lowest frequencies, in which most of a picture is."""
    length = np.sqrt(_variance(grids).astype(np.float64) / LENGTH)
    return grids @ _frequencies(number) / length[:, None]


@lru_cache(maxsize=2)
def _frequencies(number: int) -> Float[np.ndarray, "256 number"]:
    """Return the lowest frequencies of the cosine transform of a grid but the mean, each of length 1."""
    places = np.arange(SIDE)
    waves = np.sqrt(2 / SIDE) * np.cos(np.pi * places[:, None] * (places[None] + 0.5) / SIDE)
    waves[0] /= np.sqrt(2)
    order = sorted((i * i + j * j, i, j) for i in range(SIDE) for j in range(SIDE))[1 : number + 1]
    return np.stack([np.outer(waves[i], waves[j]).ravel() for _, i, j in order], axis=1)
