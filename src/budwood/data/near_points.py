"""Pairs of very many points that are near one another, in time that grows as their number does.

Locality-sensitive hashing (Datar, Immorlica, Indyk and Mirrokni 2004): points are projected on a few random directions,
each cut into stretches four times as long as the radius, and those that share a cell of all directions are compared.
Of two points at the very radius one table of cells finds four in five for each direction; so many tables are made that
995 of 1,000 such pairs share a cell of one. Pairs that are nearer are missed less: of those at half the radius none in
a million.
"""

import math

import numpy as np
from jaxtyping import Float32, Int

_STRETCH = 4.0
"""Length of a stretch in radii ..."""
_TOGETHER = 0.8
"""... and how probable it is that two points at the radius are in one: 1 - 0.8 / 4, as the paper has it."""
_MISSED = 0.005
"""Share of the pairs at the radius that no table finds."""
_FEWEST, _MOST = 4, 14
"""Directions of a table: as many as it takes ..."""
_ENOUGH = 4.0
"""... for so many other points in a point's cell on average."""
_SEED = 20260101


def near_by_cells(
    points: Float32[np.ndarray, "n k"], radius: float, most: int
) -> tuple[Int[np.ndarray, "m"], Int[np.ndarray, "m"]]:
    """Return pairs of points within the radius, the smaller number first, each pair once.

    A point that has `most` of them is looked at no more but for the sake of others: that joins what belongs together.
    """
    rng = np.random.default_rng(_SEED)
    directions = _FEWEST
    while directions < _MOST and _others_in_cell(_cells(points, radius, directions, rng)) > _ENOUGH:
        directions += 1
    tables = math.ceil(math.log(_MISSED) / math.log(1 - _TOGETHER**directions))
    counts = np.zeros(len(points), np.int32)
    known = np.empty(0, np.int64)
    for _ in range(tables):
        cells = _cells(points, radius, directions, rng)
        # In a cell that holds many, neighbours along one more direction are compared.
        order = np.lexsort((points @ _random(points.shape[1], 1, rng)[:, 0], cells))
        found = _in_one_cell(points, cells, order, radius, most)
        open_ones = (counts[found[0]] < most) | (counts[found[1]] < most)
        keys = found[0][open_ones].astype(np.int64) * len(points) + found[1][open_ones]
        new = np.setdiff1d(keys, known)
        known = np.union1d(known, new)
        for ends in (new // len(points), new % len(points)):
            counts += np.bincount(ends, minlength=len(points)).astype(np.int32)
    return known // len(points), known % len(points)


def _random(width: int, number: int, rng: np.random.Generator) -> Float32[np.ndarray, "width number"]:
    return rng.normal(size=(width, number)).astype(np.float32)


def _cells(
    points: Float32[np.ndarray, "n k"], radius: float, directions: int, rng: np.random.Generator
) -> Int[np.ndarray, "n"]:
    """Return a number for the cell of each point; two cells have one number once in 2^64."""
    cells = np.zeros(len(points), np.uint64)
    length = np.float32(_STRETCH * radius)
    for direction in _random(points.shape[1], directions, rng).T:
        place = np.floor((points @ direction) / length + np.float32(rng.random())).astype(np.int64)
        cells = (cells ^ place.view(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        cells ^= cells >> np.uint64(29)
    return cells.view(np.int64)


def _others_in_cell(cells: Int[np.ndarray, "n"]) -> float:
    """Return how many other points lie in a point's cell, on average."""
    sizes = np.unique(cells, return_counts=True)[1].astype(np.float64)
    return float((sizes * (sizes - 1)).sum() / len(cells))


def _in_one_cell(
    points: Float32[np.ndarray, "n k"],
    cells: Int[np.ndarray, "n"],
    order: Int[np.ndarray, "n"],
    radius: float,
    most: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs that share a cell and are near, of each point with `most` that come after it in the order."""
    firsts, seconds = [], []
    sorted_cells = cells[order]
    for apart in range(1, most + 1):
        places = np.flatnonzero(sorted_cells[apart:] == sorted_cells[:-apart])
        if not len(places):
            break
        for some in np.array_split(places, len(places) // 65_536 + 1):
            one, other = order[some], order[some + apart]
            near = np.square(points[one] - points[other]).sum(axis=1) <= radius * radius
            firsts.append(np.minimum(one[near], other[near]))
            seconds.append(np.maximum(one[near], other[near]))
    none = [np.empty(0, np.int64)]
    return np.concatenate(firsts or none), np.concatenate(seconds or none)
