"""Which photos show the same: equal pixels in other bytes, and pictures that were saved again."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from budwood.data.manifest import Kin, Photo
from budwood.data.perceptual_hash import NEAR, SAME, near_pairs, stacked

_EQUAL = 0.9999
"""Correlation below which two pictures of one size cannot have equal pixels."""


def find_kin(photos: Sequence[Photo], hashes: Sequence[bytes], pixels: Callable[[Photo], str]) -> list[Kin]:
    """Return of each photo which others it belongs with.

    Args:
        photos: with sha256, width and height.
        hashes: of each its perceptual hash.
        pixels: a digest of the decoded pixels; asked only of photos that are nearly alike and of one size.
    """
    first: dict[str, int] = {}
    for index, photo in enumerate(photos):
        first.setdefault(photo.sha256, index)
    kept = list(first.values())
    del first
    own = [hashes[index] for index in kept]
    pairs, alike = near_pairs(stacked(own), NEAR)
    names = [photos[index].sha256 for index in kept]
    equal = _joined(
        names, _equal_pairs([photos[index] for index in kept], own, pairs[alike >= _EQUAL], pixels)
    )
    linked = [(a, b) for a, b in enumerate(equal) if b != a]
    same = _joined(names, [*linked, *map(tuple, pairs[alike >= SAME].tolist())])
    near = _joined(names, [*linked, *map(tuple, pairs.tolist())])
    place = {names[place]: place for place in range(len(kept))}

    def kin(photo: Photo) -> Kin:
        at = place[photo.sha256]
        return replace(photo.kin, equal=names[equal[at]], same=names[same[at]], near=names[near[at]])

    return [kin(photo) for photo in photos]


def joined(count: int, pairs: Iterable[Sequence[int]]) -> list[int]:
    """Return of each of `count` things the smallest that it is linked with, directly or through others.

    >>> joined(4, [(3, 1)])
    [0, 1, 2, 1]
    """
    parent = list(range(count))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for a, b in pairs:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return [root(index) for index in range(count)]


def _joined(names: Sequence[str], pairs: Iterable[Sequence[int]]) -> list[int]:
    """Return the same as `joined`, but of what is linked the one with the smallest name, whatever the order."""
    roots = joined(len(names), pairs)
    smallest: dict[int, int] = {}
    for index, root in enumerate(roots):
        if root not in smallest or names[index] < names[smallest[root]]:
            smallest[root] = index
    return [smallest[root] for root in roots]


def _equal_pairs(
    photos: Sequence[Photo], hashes: Sequence[bytes], pairs: np.ndarray, pixels: Callable[[Photo], str]
) -> list[tuple[int, int]]:
    candidates: set[int] = set()
    # A plain picture is near to none, but its hash may be another's.
    alike: dict[int, int] = {}
    for index, photo in enumerate(photos):
        # A number in place of what it stands for: two that have it by chance cost a look at their pixels.
        other = alike.setdefault(hash((photo.width, photo.height, hashes[index])), index)
        if other != index:
            candidates.update((other, index))
    for a, b in pairs.tolist():
        if (photos[a].width, photos[a].height) == (photos[b].width, photos[b].height):
            candidates.update((a, b))
    firsts: dict[str, int] = {}
    return [(firsts.setdefault(pixels(photos[one]), one), one) for one in sorted(candidates)]
