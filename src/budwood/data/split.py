"""Who is in train, validation and test: stratified by class, copies and groups together, decided by a seed."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from budwood.data.manifest import Photo
from budwood.errors import DataError

SPLITS = ("train", "validation", "test")


def assign_splits(
    photos: Sequence[Photo], *, shares: Sequence[float] = (0.8, 0.1, 0.1), seed: int = 0, test: bool = True
) -> tuple[Photo, ...]:
    """The photos, in the order given, each with a split.

    Each class is divided by `shares` as nearly as whole photos allow, with at least one photo in every split.
    Photos with the same sha256 or the same group stay together. Given splits are kept; a split that the source
    does not bring is carved from train (or from the photos without a split): it gets its share of those, train
    keeps the rest, and nothing is carved where the source brings all three.

    Args:
        photos: what to divide.
        shares: shares of train, validation and test, each in [0, 1]; a share of 0 carves nothing.
        seed: the same seed and photos give the same split, whatever their order and wherever the folder lies.
        test: False carves no test split; test photos that the source brings keep theirs.

    Raises:
        DataError: a class has fewer separate photos (copies and groups count once) than there are splits to fill.
    """
    given = {photo.split for photo in photos}
    wanted = {"validation": shares[1], "test": shares[2] if test else 0.0}
    carved = {split: share for split, share in wanted.items() if share > 0 and split not in given}
    pool = [photo for photo in photos if photo.split in (None, "train")]
    chosen = _divide(pool, {"train": 1.0 - sum(carved.values()), **carved}, seed)
    return tuple(replace(photo, split=chosen.get(photo.name, photo.split)) for photo in photos)


def _divide(photos: Sequence[Photo], shares: dict[str, float], seed: int) -> dict[str, str]:
    """Name to split. Large units go first, each where its classes lack most photos."""
    rng = np.random.default_rng(seed)
    photos = sorted(photos, key=lambda photo: (photo.label, photo.name))
    splits = list(shares)
    lacking = {
        label: dict(zip(splits, _whole_shares(count, list(shares.values()), rng), strict=True))
        for label, count in sorted(Counter(photo.label for photo in photos).items())
    }
    units = _units(photos)
    units = [units[index] for index in rng.permutation(len(units))]
    units.sort(key=len, reverse=True)
    waiting = Counter(label for unit in units for label in {photo.label for photo in unit})
    empty = {label: set(splits) for label in lacking}
    short = [label for label in lacking if waiting[label] < len(splits)]
    if short:
        raise DataError(
            f"class {short[0]!r} has {waiting[short[0]]} separate photos (copies and groups count once), "
            f"but {len(splits)} splits need one each: {', '.join(splits)}. Add photos or remove the class"
        )

    chosen = {}
    for unit in units:
        counts = Counter(photo.label for photo in unit)
        # A class with no more units than empty splits has to fill those now.
        urgent = [empty[label] for label in counts if waiting[label] <= len(empty[label])]
        allowed = (set.intersection(*urgent) or set.union(*urgent)) if urgent else set(splits)
        split = max(
            (split for split in splits if split in allowed),
            key=lambda split: sum(counts[label] * lacking[label][split] for label in counts),
        )
        for label, count in counts.items():
            lacking[label][split] -= count
            waiting[label] -= 1
            empty[label].discard(split)
        chosen.update({photo.name: split for photo in unit})
    return chosen


def _whole_shares(count: int, shares: Sequence[float], rng: np.random.Generator) -> list[int]:
    """`count` divided by largest remainder, ties by chance; then at least one for each where there are enough."""
    exact = np.round(count * np.asarray(shares), 9)
    whole = np.floor(exact).astype(int)
    order = np.lexsort((rng.random(len(shares)), whole - exact))
    whole[order[: count - whole.sum()]] += 1
    while whole.min() < 1 and whole.max() > 1:
        whole[whole.argmin()] += 1
        whole[whole.argmax()] -= 1
    return whole.tolist()


def _units(photos: Sequence[Photo]) -> list[list[Photo]]:
    """Photos that must stay together: linked by sha256 or by group, directly or through others."""
    parent = list(range(len(photos)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[tuple[str, str], int] = {}
    for index, photo in enumerate(photos):
        for key in (("sha256", photo.sha256), ("group", photo.group or "")):
            if key[1]:
                parent[root(index)] = root(first.setdefault(key, index))
    units = defaultdict(list)
    for index, photo in enumerate(photos):
        units[root(index)].append(photo)
    return list(units.values())
