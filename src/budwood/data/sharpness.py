"""How sharp a picture is, from the small one that the check has decoded: blur that a network would see, no finer.

Natural pictures look alike at every scale: what changes over one pixel is a part of what changes over two that hardly
depends on what they show. Blur takes away the first and leaves the second. So the sharpness is the ratio of the
energies of second differences at distances of one pixel and two; contrast and subject cancel. Of the two directions
the smaller counts, for a moved camera blurs along its way alone. Sums are of whole numbers: every machine has the same.
"""

import numpy as np
from jaxtyping import Float, UInt8

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
    return sharpnesses(luma[None])[0]


def sharpnesses(lumas: UInt8[np.ndarray, "n height width"]) -> list[float | None]:
    """Return the same of pictures of one shape."""
    short = min(lumas.shape[1:])
    if short < _SMALLEST:
        return [None] * len(lumas)
    factor = max(1, short // FEWEST)
    if factor > 1:
        lumas = _reduced(lumas, factor)
    step = max(1, min(lumas.shape[1:]) // _LINES)
    along = _energies(lumas[:, ::step])
    across = _energies(lumas[:, :, ::step].swapaxes(1, 2))
    below = np.minimum(along[1], across[1])
    ratios = np.minimum(*(one / np.maximum(two, _FLATTEST) for one, two in (along, across)))
    return [
        value if has_edges else None
        for value, has_edges in zip(ratios.tolist(), below >= _FLATTEST, strict=True)
    ]


def _reduced(lumas: UInt8[np.ndarray, "n height width"], factor: int) -> UInt8[np.ndarray, "n rows columns"]:
    """Return the means of squares of `factor`; what is left over at the edges is left out."""
    rows, columns = lumas.shape[1] // factor, lumas.shape[2] // factor
    squares = lumas[:, : rows * factor, : columns * factor].reshape(-1, rows, factor, columns, factor)
    sums = squares.sum(axis=(2, 4), dtype=np.int32)
    return ((2 * sums + factor**2) // (2 * factor**2)).astype(np.uint8)


def _energies(lines: UInt8[np.ndarray, "n lines length"]) -> Float[np.ndarray, "2 n"]:
    """Return the mean squares of the second differences along the lines at distances of one pixel and two."""
    number, rows, length = lines.shape
    # In one row, for NumPy is slow with many short ones. What reaches from one line into the next is set to 0.
    values = lines.astype(np.int16).reshape(-1)
    found = []
    for distance in (1, 2):
        second = values[distance:-distance] * np.int16(2)
        second -= values[: -2 * distance]
        second -= values[2 * distance :]
        # Doubles hold the whole numbers of any sum exactly.
        differences = np.zeros(values.size)
        differences[: second.size] = second
        differences.reshape(-1, length)[:, length - 2 * distance :] = 0
        each = differences.reshape(number, 1, -1)
        sums = np.matmul(each, each.swapaxes(1, 2))[:, 0, 0]
        found.append(sums / (rows * (length - 2 * distance)))
    return np.stack(found)
