"""Assign photos to train, validation and test: stratified by class, copies and groups together, decided by a seed."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from budwood.config.group_rule import GroupRule
from budwood.config.recipe import Recipe
from budwood.core.errors import DataError
from budwood.data.grouped_split import deal, in_order, refuse_too_few
from budwood.data.groups import form_groups
from budwood.data.label_sets import rarest_labels
from budwood.data.manifest import CALIBRATION, Photo

SplitRule = Literal["grouped", "shuffled"]


def divide(photos: Sequence[Photo], recipe: Recipe) -> tuple[Photo, ...]:
    """Return the photos that a recipe trains and measures on, each with a split.

    `assign_splits` and `take_some` as its [data] and `split_seed` ask.
    """
    settings, test = recipe.data, recipe.evaluate.test
    if settings.split_rule == "shuffled" and any(photo.labels is not None for photo in photos):
        raise DataError(
            'data.split_rule = "shuffled" divides photos of one class each, and these have several labels. Set '
            'data.split_rule = "grouped"'
        )
    fold = (settings.fold, settings.folds) if settings.folds else None
    rule = settings.split_rule
    if rule == "grouped" or settings.group != "auto":
        photos = form_groups(photos, GroupRule.read(settings.group))
    divided = sum(photo.split in (None, "train") for photo in photos)
    photos = assign_splits(
        photos, shares=settings.split, seed=recipe.split_seed, test=test, fold=fold, rule=rule
    )
    if settings.calibration and all(photo.split != CALIBRATION for photo in photos):
        photos = take_calibration(photos, settings.calibration * divided, seed=recipe.split_seed, rule=rule)
    if not test:
        # Asked not to open a test split: one that the data bring is left closed.
        photos = tuple(photo for photo in photos if photo.split != "test")
    if settings.train_photos != "all":
        photos = take_some(photos, settings.train_photos, seed=recipe.split_seed, rule=rule)
    return tuple(photos)


def lacking(photos: Sequence[Photo], classes: Sequence[str]) -> list[str]:
    """Return a line for each split that is measured on and lacks some of the classes."""
    lines = []
    for split in ("validation", "test"):
        there = {label for photo in photos if photo.split == split for label in photo.each_label}
        missing = [label for label in classes if label not in there]
        if there and missing:
            names = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            lines.append(f"no {split} photo of {names}: the {split} figures say nothing of it")
    return lines


def assign_splits(
    photos: Sequence[Photo],
    *,
    shares: Sequence[float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    test: bool = True,
    fold: tuple[int, int] | None = None,
    rule: SplitRule = "grouped",
) -> tuple[Photo, ...]:
    """Return the photos, in the order given, each with a split.

    Each class is divided by `shares`, with at least one photo in every split. Photos with several labels are dealt by
    their rarest one, so that each label gets its share (`budwood.data.grouped_split`).
    Photos with the same sha256 or the same group stay together. Given splits are kept; a split that the source
    does not bring is carved from train (or from the photos without a split): it gets its share of those, train
    keeps the rest, and nothing is carved where the source brings all three.

    Args:
        photos: what to divide.
        shares: shares of train, validation and test, each in [0, 1]; a share of 0 carves nothing.
        seed: the same seed and photos give the same split, whatever their order and wherever the folder lies.
        test: False carves no test split; test photos that the source brings keep theirs.
        fold: (which, of how many): the test split is this part of k; the k parts of one seed share no photo and are all
            photos together. Validation gets its share of the rest. Without a test split the part is validation.
        rule: "grouped", which hardly moves a photo where others come and go (`budwood.data.grouped_split`), or
            "shuffled", which divides each class exactly.

    Raises:
        DataError: a class has fewer separate photos (copies and groups count once) than there are splits to fill; or
            folds are asked for where the source brings the split that they would be.
    """
    given = {photo.split for photo in photos}
    if rule == "grouped":
        photos = _with_their_group(photos)
    if fold is not None:
        held_out = "test" if test else "validation"
        if held_out in given:
            raise DataError(
                f"the data bring {held_out} photos of their own, so there is nothing to divide into {fold[1]} folds. "
                "Leave out data.folds, or give the photos without splits"
            )
        photos = _hold_out(photos, fold, held_out, seed, rule)
        given = {*given, held_out}
    wanted = {"validation": shares[1], "test": shares[2] if test else 0.0}
    carved = {split: share for split, share in wanted.items() if share > 0 and split not in given}
    pool = [photo for photo in photos if photo.split in (None, "train")]
    chosen = _dealt(pool, {"train": 1.0 - sum(carved.values()), **carved}, seed, "splits", rule)
    return tuple(replace(photo, split=chosen.get(photo.name, photo.split)) for photo in photos)


def take_calibration(
    photos: Sequence[Photo], number: float, *, seed: int = 0, rule: SplitRule = "grouped"
) -> tuple[Photo, ...]:
    """Return the photos in the order given, about so many of the training photos in the split "calibration".

    They are divided as `assign_splits` divides: by class, at least one photo of each, groups together. All other splits
    stay as they are.

    Raise DataError where nothing would be left to learn from, or a class has fewer than two separate training photos.
    """
    train = [photo for photo in photos if photo.split == "train"]
    share = number / max(len(train), 1)
    if share > 1 - 1e-9:
        raise DataError(
            f"data.calibration asks for {number:,.0f} of the {len(train):,} training photos, which leaves none to "
            "learn from. Give a smaller fraction"
        )
    chosen = _dealt(train, {"train": 1 - share, CALIBRATION: share}, seed, "splits", rule)
    return tuple(replace(photo, split=chosen.get(photo.name, photo.split)) for photo in photos)


def take_some(
    photos: Sequence[Photo], number: int, *, seed: int = 0, rule: SplitRule = "shuffled"
) -> tuple[Photo, ...]:
    """Return the photos in the order given, with so many of the training photos: of each class its share, at least one.

    With the same seed the photos of a smaller number are among those of a larger one, but for one a class where shares
    are rounded.

    Raise DataError where there are more classes than that, or fewer photos.
    """
    train = sorted((photo for photo in photos if photo.split == "train"), key=lambda photo: photo.name)
    if number > len(train):
        raise DataError(
            f"data.train_photos = {number:,}, but there are {len(train):,} photos to learn from. Give that many or "
            'fewer, or "all"'
        )
    stratum = rarest_labels(train)
    counts = Counter(stratum.values())
    if number < len(counts):
        raise DataError(
            f"data.train_photos = {number} is fewer than the {len(counts)} classes, each of which needs a photo to "
            "learn from. Give a larger number"
        )
    rng = np.random.default_rng(seed)
    order = [train[index] for index in rng.permutation(len(train))]
    if rule == "grouped":
        order = in_order(train, seed)
    labels = sorted(counts)
    shares = [counts[label] / len(train) for label in labels]
    wanted = dict(zip(labels, _whole_shares(number, shares, rng), strict=True))
    taken = set()
    for photo in order:
        if wanted[stratum[photo.name]]:
            wanted[stratum[photo.name]] -= 1
            taken.add(photo.name)
    return tuple(photo for photo in photos if photo.split != "train" or photo.name in taken)


def _with_their_group(photos: Sequence[Photo]) -> tuple[Photo, ...]:
    """Put photos without a split where the data have put others of their group."""
    given = {
        photo.group: photo.split for photo in photos if photo.group and photo.split not in (None, "train")
    }
    return tuple(
        replace(photo, split=given.get(photo.group)) if photo.group and photo.split is None else photo
        for photo in photos
    )


def _dealt(
    photos: Sequence[Photo], shares: dict[str, float], seed: int, what: str, rule: SplitRule
) -> dict[str, str]:
    """Name to split."""
    if rule == "shuffled":
        return _deal(photos, shares, seed, what)
    # Copies are one group by their bytes at least.
    photos = [
        replace(photo, group=unit[0].group or unit[0].sha256) if len(unit) > 1 else photo
        for unit in _units(sorted(photos, key=lambda photo: (photo.group or "", photo.name)))
        for photo in unit
    ]
    return deal(photos, shares, seed, what)


def _hold_out(
    photos: Sequence[Photo], fold: tuple[int, int], split: str, seed: int, rule: SplitRule
) -> tuple[Photo, ...]:
    which, number = fold
    pool = [photo for photo in photos if photo.split in (None, "train")]
    part = _dealt(pool, {str(one): 1 / number for one in range(number)}, seed, "folds", rule)
    return tuple(
        replace(photo, split=split) if part.get(photo.name) == str(which) else photo for photo in photos
    )


def _deal(
    photos: Sequence[Photo], shares: dict[str, float], seed: int, what: str = "splits"
) -> dict[str, str]:
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
    refuse_too_few({label: waiting[label] for label in lacking}, shares, what)

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
    """Return photos that must stay together: linked by sha256 or by group, directly or through others."""
    parent = list(range(len(photos)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for what in ("sha256", "group"):
        # One at a time, and gone before the units are made: of a million photos each takes a hundred megabytes.
        first: dict[str, int] = {}
        for index, photo in enumerate(photos):
            if key := getattr(photo, what):
                parent[root(index)] = root(first.setdefault(key, index))
        del first
    units = defaultdict(list)
    for index, photo in enumerate(photos):
        units[root(index)].append(photo)
    return list(units.values())
