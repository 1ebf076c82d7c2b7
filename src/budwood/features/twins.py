"""Photos that were learned from and stand among those that are measured on: copies with other pixels.

Features name candidates: of each photo those that were learned from, are nearest and near enough. Of these a look at
grids of 16 x 16 passes most over (`budwood.data.grid_overlay`), and the pixels of the rest decide
(`budwood.data.overlay`), for two flowers of a species can be nearer to one another than a photo to its mirror image.
Where different photos of a class are alike pixel by pixel too, such as written digits or the pictures of a fixed
camera, the limit rises with how alike pairs drawn at random are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from budwood.core.errors import ImageError
from budwood.data.decoded import Decoded, pair_key
from budwood.data.grid_overlay import best_fits
from budwood.data.images import ValueRange
from budwood.data.inspection import inspect
from budwood.data.manifest import Photo
from budwood.data.overlay import COPY, Overlay
from budwood.data.perceptual_hash import stacked
from budwood.features.neighbours import nearest
from budwood.features.overlays import overlays

NEAR_ENOUGH = 0.62
"""Cosine similarity of features from which on two photos are looked at."""
NEIGHBOURS = 8
"""Photos that are looked at beside each: others of its class can be nearer than its copy of half the size."""
MAY_BE = 0.7
"""Correlation of grids from which on the pixels of two photos are compared; the lowest of 2,700 copies had 0.78."""
SMALLEST = 64
"""Pixels of the shorter side below which a photo shows too little fine structure to be compared."""
_DRAWN = 100
"""How many pairs of different photos of a class are drawn, to see how alike such pairs are."""
_QUANTILE = 0.95
"""The quantile of the similarity of these pairs that counts as usual: a few of them may be copies."""

_AT_ONCE = 4_000
"""Pairs that are compared before the record is told of them, which keeps them where a search is interrupted."""

Pair = tuple[Photo, Photo]


def most_pairs(num_photos: int) -> int:
    """Return how many pairs have their pixels compared: one a photo, but 1,000 at least and 4,000 at most.

    A thousand pairs take some 7 s of one core, with decoding.
    """
    return min(max(1_000, num_photos), 4_000)


@dataclass(frozen=True, slots=True)
class Twin:
    """A photo, and one that was learned from and shows the same."""

    photo: str
    """Its name."""
    known: str
    """The name of the one that was learned from."""
    similarity: float
    """How alike their pixels are, see `Overlay`."""
    mirrored: bool


@dataclass(frozen=True, slots=True)
class Twins:
    """The pairs of photos that show nearly the same."""

    twins: tuple[Twin, ...]
    compared: int
    """Pairs whose pixels were compared."""
    passed_over: int
    """Pairs that may show the same and were too many."""
    limit: float = COPY
    """Similarity of pixels from which on a pair is a copy."""


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
    places, cosines = nearest(vectors, known_vectors, NEIGHBOURS)
    near = [
        (photos[row], known[places[row, column]])
        for row, column in np.argwhere(cosines >= NEAR_ENOUGH).tolist()
        if _is_large(photos[row]) and _is_large(known[places[row, column]])
    ]
    found = compare_pixels(near, known, levels, at_most=most_pairs(len(photos)))
    best: dict[str, Twin] = {}
    for twin in found.twins:
        if twin.photo not in best or twin.similarity > best[twin.photo].similarity:
            best[twin.photo] = twin
    return replace(found, twins=tuple(best.values()))


def find_twins_among(
    photos: Sequence[Photo], vectors: Float[np.ndarray, "n features"], levels: ValueRange | None = None
) -> Twins:
    """Return which photos show what another one shows, every pair of them once, but those that the hash knows.

    Photos with a side under 64 pixels are not compared.
    """
    if len(photos) < 2:
        return Twins((), 0, 0)
    places, cosines = nearest(vectors, vectors, NEIGHBOURS + 1)
    rows, columns = np.nonzero(cosines >= NEAR_ENOUGH)
    ends = np.sort(np.stack([rows, places[rows, columns]], axis=1), axis=1)
    near = [
        (photos[one], photos[other])
        for one, other in np.unique(ends[ends[:, 0] < ends[:, 1]], axis=0).tolist()
        if _is_large(photos[one]) and _is_large(photos[other]) and not _is_known(photos[one], photos[other])
    ]
    return compare_pixels(near, photos, levels, at_most=max(1_000, len(photos)))


def compare_pixels(
    pairs: Sequence[Pair], known: Sequence[Photo], levels: ValueRange | None = None, *, at_most: int
) -> Twins:
    """Return the pairs whose pixels show the same.

    Args:
        pairs: a photo, and one that it may show.
        known: all photos of the second kind, of which some are drawn to see how alike different photos are.
        levels: black and white in pictures of more than 8 bits.
        at_most: pairs whose pixels are compared, those with the grids that are most alike first.
    """
    may_be = _first_look(pairs)
    looked = may_be[:at_most]
    alike = [pair for pair in _compared(looked, levels) if pair[2].is_copy]
    limit = _limit([(photo, twin) for photo, twin, _ in alike], known, levels) if alike else COPY
    twins = tuple(
        Twin(photo.name, twin.name, seen.similarity, seen.mirrored)
        for photo, twin, seen in alike
        if seen.similarity >= limit
    )
    return Twins(twins, len(looked), len(may_be) - len(looked), limit)


def _first_look(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs of which one may show the other, those first that are most alike."""
    grids = _grids({id(photo): photo for pair in pairs for photo in pair})
    there = [pair for pair in pairs if all(id(photo) in grids for photo in pair)]
    fits = best_fits(*(stacked([grids[id(pair[side])] for pair in there]) for side in (0, 1)))
    return [there[place] for place in np.argsort(-fits, kind="stable") if fits[place] >= MAY_BE]


def _grids(photos: Mapping[int, Photo]) -> dict[int, bytes]:
    """Return the perceptual hashes of photos, without those that cannot be decoded any more.

    They are in the record of decoded photos as a rule, for the check has decoded them all.
    """
    found = {}
    with Decoded() as record:
        for key, photo in photos.items():
            try:
                seen = record.get(photo.sha256) if photo.sha256 else None
                found[key] = (seen or inspect(photo.image)).hash
            except ImageError:
                continue
    return found


def _is_known(one: Photo, other: Photo) -> bool:
    """Return whether their perceptual hashes say that they are nearly one picture."""
    return bool(one.kin.near) and one.kin.near == other.kin.near


def _is_large(photo: Photo) -> bool:
    # Of a photo that was not decoded nothing is known.
    return not photo.width or min(photo.width, photo.height) >= SMALLEST


def _limit(pairs: Sequence[Pair], known: Sequence[Photo], levels: ValueRange | None) -> float:
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
        if other is not photo and other is not twin and not _is_known(other, twin):
            drawn.append((photo, other))
    seen = [one.similarity for _, _, one in _compared(drawn, levels)]
    return max(COPY, (1 + float(np.quantile(seen, _QUANTILE))) / 2) if seen else COPY


def _compared(pairs: Sequence[Pair], levels: ValueRange | None) -> list[tuple[Photo, Photo, Overlay]]:
    """Return the pairs with what their pixels say, without those of which one cannot be decoded any more."""
    keys = [
        pair_key(one.sha256, other.sha256, levels) if one.sha256 and other.sha256 else None
        for one, other in pairs
    ]
    with Decoded() as record:
        found = [record.get_overlay(key) if key else None for key in keys]
        new = [place for place, seen in enumerate(found) if seen is None]
        for start in range(0, len(new), _AT_ONCE):
            places = new[start : start + _AT_ONCE]
            images = [(pairs[place][0].image, pairs[place][1].image) for place in places]
            for place, seen in zip(places, overlays(images, levels), strict=True):
                found[place] = seen
                if seen is not None and (key := keys[place]):
                    record.add_overlay(key, seen)
    return [(*pair, seen) for pair, seen in zip(pairs, found, strict=True) if seen is not None]
