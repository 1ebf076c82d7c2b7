"""How sharp a picture is, from the small one that the check has decoded: blur that a network would see, no finer.

Natural pictures look alike at every scale: what changes over one pixel is a part of what changes over two that hardly
depends on what they show. Blur takes away the first and leaves the second. So the sharpness is the ratio of the
energies of second differences at distances of one pixel and two; contrast and subject cancel. Of the two directions
the smaller counts, for a moved camera blurs along its way alone. Sums are of whole numbers: every machine has the same.
"""

import numpy as np
from jaxtyping import Int, UInt8

FEWEST = 48
"""Pixels of the short side to which a larger picture is reduced by whole factors, from 48 to 95."""
_SMALLEST = 16
"""Pixels of the short side below which a picture says nothing of its sharpness."""
_FLATTEST = 4.0
"""Mean square, in levels, of the differences over two pixels below which nothing is there to be sharp."""
_LINES = 24
"""Lines of the short side that are looked at, of 48: as telling as all, at half the time."""


def sharpness(luma: UInt8[np.ndarray, "height width"]) -> float | None:
    """Return how sharp a picture is, above 0 and mostly 0.2 to 0.6; None where it is too small or too plain to say.

    >>> noise = np.random.default_rng(0).integers(0, 256, (60, 60)).astype(np.uint8)
    >>> round(sharpness(noise)), sharpness(np.zeros((60, 60), np.uint8)) is None
    (1, True)
    """
    if min(luma.shape) < _SMALLEST:
        return None
    factor = max(1, min(luma.shape) // FEWEST)
    if factor > 1:
        luma = _reduced(luma, factor)
    step = max(1, min(luma.shape) // _LINES)
    ratios = []
    for lines in (luma[::step], luma.T[::step]):
        values = lines.astype(np.int32)
        below = _energy(values, 2)
        if below < _FLATTEST:
            return None
        ratios.append(_energy(values, 1) / below)
    return min(ratios)


def _reduced(luma: UInt8[np.ndarray, "height width"], factor: int) -> UInt8[np.ndarray, "rows columns"]:
    """Return the means of squares of `factor`; what is left over at the edges is left out."""
    rows, columns = luma.shape[0] // factor, luma.shape[1] // factor
    squares = luma[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    sums = squares.sum(axis=(1, 3), dtype=np.int32)
    return ((2 * sums + factor**2) // (2 * factor**2)).astype(np.uint8)


def _energy(lines: Int[np.ndarray, "lines n"], distance: int) -> float:
    """Return the mean square of the second differences along the lines."""
    second = lines[:, distance:-distance] * 2
    second -= lines[:, : -2 * distance]
    second -= lines[:, 2 * distance :]
    second *= second
    return int(second.sum(dtype=np.int64)) / second.size
