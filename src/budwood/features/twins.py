"""Photos that were learned from and stand among those that are measured on: copies with other pixels.

Features name candidates: of each photo the nearest that was learned from, if it is near enough. The pixels of the two
then decide (`budwood.data.overlay`), for two flowers of a species can be nearer to one another than a photo to its
mirror image. Where different photos of a class are alike pixel by pixel too, such as written digits or the pictures of
a fixed camera, the limit rises with how alike pairs drawn at random are.
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
SMALLEST = 64
"""Pixels of the shorter side below which a photo shows too little fine structure to be compared."""
_DRAWN = 100
"""Pairs of different photos of a class that say how alike such pairs are ..."""
_QUANTILE = 0.95
"""... by this quantile: a few of them may be copies."""
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
    limit: float = COPY
    """Similarity of pixels from which on a pair is a copy."""


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
    """Return which photos show what a known one shows. Photos with a side under 64 pixels are not compared.

    Args:
        photos, vectors: those that may be copies, and their features.
        known, known_vectors: those that were learned from, and theirs.
        levels: black and white in pictures of more than 8 bits.
    """
    if not len(photos) or not len(known):
        return Twins((), 0, 0)
    place, cosine = nearest(vectors, known_vectors)
    near = [
        (photos[one], known[place[one]])
        for one in np.argsort(-cosine, kind="stable").tolist()
        if cosine[one] >= NEAR_ENOUGH and _is_large(photos[one]) and _is_large(known[place[one]])
    ]
    looked = near[:AT_MOST]
    alike = [pair for pair in _compared(looked, levels) if pair[2].similarity >= COPY]
    limit = _limit([(photo, twin) for photo, twin, _ in alike], known, levels) if alike else COPY
    twins = tuple(
        Twin(photo.name, twin.name, seen.similarity, seen.mirrored)
        for photo, twin, seen in alike
        if seen.similarity >= limit
    )
    return Twins(twins, len(looked), len(near) - len(looked), limit)


def _is_large(photo: Photo) -> bool:
    # Of a photo that was not decoded nothing is known.
    return not photo.width or min(photo.width, photo.height) >= SMALLEST


def _limit(pairs: Sequence[tuple[Photo, Photo]], known: Sequence[Photo], levels: ValueRange | None) -> float:
    """Return the limit halfway between what different photos of a class reach and 1, and `COPY` at least."""
    of_label: dict[str, list[Photo]] = {}
    for photo in known:
        of_label.setdefault(photo.label, []).append(photo)
    rng = np.random.default_rng(0)
    drawn = []
    for place in rng.permutation(_DRAWN) % len(pairs):
        photo, twin = pairs[place]
        others = of_label[twin.label]
        other = others[int(rng.integers(len(others)))]
        if other is not twin and (not twin.kin.near or other.kin.near != twin.kin.near):
            drawn.append((photo, other))
    seen = [one.similarity for _, _, one in _compared(drawn, levels)]
    return max(COPY, (1 + float(np.quantile(seen, _QUANTILE))) / 2) if seen else COPY


def _compared(
    pairs: Sequence[tuple[Photo, Photo]], levels: ValueRange | None
) -> list[tuple[Photo, Photo, Overlay]]:
    """Return the pairs with what their pixels say, without those of which one cannot be decoded any more."""

    def compare(pair: tuple[Photo, Photo]) -> Overlay | None:
        try:
            return overlay(grey(pair[0].image, levels), grey(pair[1].image, levels))
        except ImageError:  # gone since its features were stored
            return None

    from threadpoolctl import threadpool_limits

    # Threads within the small products of each pair would only wait for one another.
    with threadpool_limits(1), ThreadPoolExecutor(num_cores()) as pool:
        found = list(pool.map(compare, pairs))
    return [(*pair, seen) for pair, seen in zip(pairs, found, strict=True) if seen is not None]


def _unit(vectors: Float[np.ndarray, "n features"]) -> Float32[np.ndarray, "n features"]:
    vectors = np.asarray(vectors, np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
