"""File names that stand in two given splits: the trace of copies which no comparison of pictures may find.

Names that are mere counters, such as 0001.jpg, meet by chance. They count where the pictures of one name are more alike
than those of different names, photo for photo.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import comb
from pathlib import PurePosixPath

import numpy as np

from budwood.core.text import count
from budwood.data.manifest import Photo
from budwood.data.perceptual_hash import stacked

_COUNTER = re.compile(r"\D*\d{0,6}\D?|\d{1,6}\D*")
_FEWEST = 5
_CHANCE = 1e-3
"""Probability below which what is more alike is so by more than chance."""
Place = tuple[str, str]
"""A class, and the name of a file in it."""


def names_in_two_splits(photos: Sequence[Photo], hashes: Mapping[str, bytes] | None = None) -> str | None:
    """Return what to know where many test photos have the file name of a training photo of their class, else None.

    Args:
        photos: of splits that the data bring; others say nothing.
        hashes: perceptual hashes by the names of the photos; without them, names that are counters say nothing.
    """
    places: dict[Place, dict[str, Photo]] = defaultdict(dict)
    for photo in photos:
        if photo.split is not None:
            places[photo.label, PurePosixPath(photo.name).stem.lower()][photo.split] = photo
    plain = {place: found for place, found in places.items() if not _COUNTER.fullmatch(place[1])}
    both = [place for place, found in plain.items() if {"train", "test"} <= found.keys()]
    test = [place for place, found in plain.items() if "test" in found]
    if len(both) < max(_FEWEST, len(test) / 20):
        test = [place for place, found in places.items() if "test" in found]
        both = [place for place in test if "train" in places[place]]
        pairs = [(places[place]["test"], places[place]["train"]) for place in both]
        if len(both) < max(_FEWEST, len(test) / 20) or not _are_alike(pairs, hashes or {}):
            return None
    label, stem = both[0]
    return (
        f"{len(both):,} of {count(len(test), 'test photo')} have the file name of a training photo of their class, "
        f"such as {stem!r} of {label!r}. If these are the same pictures or persons, the accuracy says too much. "
        "Look at some of them; budwood manifest writes a table in which such photos can be moved to one split"
    )


def _are_alike(pairs: Sequence[tuple[Photo, Photo]], hashes: Mapping[str, bytes]) -> bool:
    """Return whether photos of one name are more alike than each is to the namesake of another, by a sign test."""
    by_class: dict[str, list[tuple[bytes, bytes]]] = defaultdict(list)
    for test, train in pairs:
        if (one := hashes.get(test.name)) and (other := hashes.get(train.name)):
            by_class[test.label].append((one, other))
    nearer = compared = 0
    for found in by_class.values():
        if len(found) < 2:
            continue
        tests, trains = (_unit([pair[place] for pair in found]) for place in (0, 1))
        own, of_another = (tests * trains).sum(axis=1), (tests * np.roll(trains, 1, axis=0)).sum(axis=1)
        nearer += int((own > of_another).sum())
        compared += int((own != of_another).sum())
    return compared > 0 and _tail(nearer, compared) < _CHANCE


def _tail(hits: int, tries: int) -> float:
    """Return how probable at least so many hits are where each is as probable as a miss.

    >>> _tail(10, 10), _tail(0, 3)
    (0.0009765625, 1.0)
    """
    if tries > 1000:  # by the normal distribution, whose tail is below the limit from 3.1 deviations on
        return 0.0 if (hits - tries / 2) / (tries / 4) ** 0.5 > 3.1 else 1.0
    return sum(comb(tries, number) for number in range(hits, tries + 1)) / 2**tries


def _unit(hashes: Sequence[bytes]) -> np.ndarray:
    values = stacked(hashes).astype(np.float64)
    values -= values.mean(axis=1, keepdims=True)
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)
