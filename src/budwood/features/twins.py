"""Photos that were learned from and stand among those that are measured on: copies with other pixels.

Features name candidates: of each photo the nearest that was learned from, if it is near enough. The pixels of the two
then decide (`budwood.data.overlay`), for two flowers of a species can be nearer to one another than a photo to its
mirror image.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int

from budwood.core.errors import ImageError
from budwood.core.system import num_cores
from budwood.data.images import ValueRange
from budwood.data.manifest import Photo
from budwood.data.overlay import COPY, Overlay, grey, overlay

NEAR_ENOUGH = 0.62
"""Cosine similarity of features from which on the pixels of two photos are compared."""
AT_MOST = 1_000
"""Pairs whose pixels are compared, the nearest first: their number must not grow with the data."""
_BLOCK = 1_024


@dataclass(frozen=True, slots=True)
class Twin:
    """A photo, and one that was learned from and shows the same."""

    photo: str
    """Name."""
    known: str
    similarity: float
    """Of their pixels, see `Overlay`."""
    mirrored: bool


@dataclass(frozen=True, slots=True)
class Twins:
    """What was found."""

    twins: tuple[Twin, ...]
    """One at most for each photo."""
    compared: int
    """Pairs whose pixels were compared."""
    passed_over: int
    """Pairs that were near enough and too many."""


def nearest(
    vectors: Float[np.ndarray, "n features"], known: Float[np.ndarray, "m features"]
) -> tuple[Int[np.ndarray, "n"], Float32[np.ndarray, "n"]]:
    """Return of each vector which of the known ones is nearest by its angle, and the cosine of that.

    >>> nearest(np.eye(2), np.array([[0.0, 2.0], [3.0, 0.0]]))[0].tolist()
    [1, 0]
    """
    known = _unit(known)
    best = np.full(len(vectors), -np.inf, np.float32)
    place = np.zeros(len(vectors), np.int64)
    for first in range(0, len(vectors), _BLOCK):
        rows = slice(first, first + _BLOCK)
        block = _unit(vectors[rows])
        for start in range(0, len(known), 8 * _BLOCK):
            cosines = block @ known[start : start + 8 * _BLOCK].T
            here = cosines.argmax(axis=1)
            value = cosines[np.arange(len(block)), here]
            better = value > best[rows]
            place[rows] = np.where(better, here + start, place[rows])
            best[rows] = np.where(better, value, best[rows])
    return place, best


def find_twins(
    photos: Sequence[Photo],
    vectors: Float[np.ndarray, "n features"],
    known: Sequence[Photo],
    known_vectors: Float[np.ndarray, "m features"],
    levels: ValueRange | None = None,
) -> Twins:
    """Return which photos show what a known one shows.

    Args:
        photos, vectors: those that may be copies, and their features.
        known, known_vectors: those that were learned from, and theirs.
        levels: black and white in pictures of more than 8 bits.
    """
    if not len(photos) or not len(known):
        return Twins((), 0, 0)
    place, cosine = nearest(vectors, known_vectors)
    near = [int(one) for one in np.argsort(-cosine, kind="stable") if cosine[one] >= NEAR_ENOUGH]
    looked = near[:AT_MOST]

    def compare(one: int) -> Overlay | None:
        try:
            return overlay(grey(photos[one].image, levels), grey(known[place[one]].image, levels))
        except ImageError:  # gone since its features were stored
            return None

    from threadpoolctl import threadpool_limits

    # Threads within the small products of each pair would only wait for one another.
    with threadpool_limits(1), ThreadPoolExecutor(num_cores()) as pool:
        found = zip(looked, pool.map(compare, looked), strict=True)
        twins = tuple(
            Twin(photos[one].name, known[place[one]].name, seen.similarity, seen.mirrored)
            for one, seen in found
            if seen is not None and seen.similarity >= COPY
        )
    return Twins(twins, len(looked), len(near) - len(looked))


def _unit(vectors: Float[np.ndarray, "n features"]) -> Float32[np.ndarray, "n features"]:
    vectors = np.asarray(vectors, np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
