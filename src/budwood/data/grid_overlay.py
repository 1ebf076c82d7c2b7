"""Whether one picture may be a copy of another, by their grids of 16 x 16 alone, without a look at the pixels.

As in `budwood.data.overlay`, one is looked for in the other, upright and mirrored, whole and cropped; what the grids of
the check show is enough to pass most pairs of different photos over, thousands in a second.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float32, UInt8

from budwood.data.perceptual_hash import LENGTH, SIDE

_SCALES = (0.92, 0.84, 0.76, 0.68)
"""How much of the sides is left of a picture that lost its edges."""
_PAIRS = 256
"""Pairs at a time: what is made of them stays in a core's cache."""

Grids = UInt8[np.ndarray, "n 256"]


def best_fits(a: Grids, b: Grids) -> Float32[np.ndarray, "n"]:
    """Return how well the grids of pairs of pictures correlate where one fits best into the other, in [-1, 1]."""
    best = np.full(len(a), -1.0, np.float32)
    for start in range(0, len(a), _PAIRS):
        rows = slice(start, start + _PAIRS)
        one, other = _squares(a[rows]), _squares(b[rows])
        best[rows] = np.maximum(_fits(one, other), _fits(other, one))
    return best


def _fits(large: Float32[np.ndarray, "n 16 16"], small: Float32[np.ndarray, "n 16 16"]) -> np.ndarray:
    down, across = _crops()
    crops = np.matmul(np.matmul(down, large[:, None]), across.transpose(0, 2, 1))  # (n, crops, 16, 16)
    crops = _unit(crops.reshape(len(large), len(down), LENGTH))
    both = np.stack([small.reshape(-1, LENGTH), small[:, :, ::-1].reshape(-1, LENGTH)], axis=2)
    return np.matmul(crops, _unit(both.transpose(0, 2, 1)).transpose(0, 2, 1)).max(axis=(1, 2))


def _squares(grids: Grids) -> Float32[np.ndarray, "n 16 16"]:
    return grids.astype(np.float32).reshape(-1, SIDE, SIDE)


def _unit(values: np.ndarray) -> np.ndarray:
    """Return vectors with mean 0 and length 1; plain ones with length 0."""
    values = values - values.mean(axis=-1, keepdims=True)
    return values / np.maximum(np.linalg.norm(values, axis=-1, keepdims=True), 1.0)


@lru_cache(maxsize=1)
def _crops() -> tuple[Float32[np.ndarray, "crops 16 16"], Float32[np.ndarray, "crops 16 16"]]:
    """Return what takes the rows and the columns of a grid to those of its crops."""
    places = [(1.0, 0.0, 0.0)]
    for scale in _SCALES:
        ends = [share * (1 - scale) * SIDE for share in (0.0, 0.5, 1.0)]
        places += [(scale, y, x) for y in ends for x in ends]
    down = np.stack([_between(y, scale) for scale, y, _ in places])
    return down, np.stack([_between(x, scale) for scale, _, x in places])


def _between(start: float, scale: float) -> Float32[np.ndarray, "16 16"]:
    centres = np.clip(start + scale * (np.arange(SIDE) + 0.5) - 0.5, 0, SIDE - 1)
    return np.maximum(1 - np.abs(centres[:, None] - np.arange(SIDE)), 0).astype(np.float32)
