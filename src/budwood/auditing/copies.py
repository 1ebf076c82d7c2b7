"""One picture several times: under two labels, in two given splits, or twice in its place.

What is the same was found by the check (`budwood.data.kin`): equal bytes, equal pixels, hashes that are alike. Copies
across splits that are mirrored, cropped or stamped are found by features and pixels (`budwood.features.twins`).
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8

from budwood.auditing.findings import (
    By,
    Conflict,
    CrossSplit,
    Duplicate,
    OtherProblem,
    Shown,
    SplitGroup,
)
from budwood.data.groups import SAME_PICTURE
from budwood.data.images import ValueRange
from budwood.data.inspection import Inspection
from budwood.data.label_sets import disputed_labels
from budwood.data.manifest import Photo
from budwood.data.perceptual_hash import correlation, shared_grid, stacked
from budwood.features.twins import find_twins

COMPARED = 50
"""Photos of one finding that are compared with one another."""
_FIRST = ("test", "validation", "train", "")
"""In which split a copy is kept, as in the check."""

Copies = Conflict | CrossSplit | Duplicate


def find_copies(inspected: Sequence[tuple[Photo, Inspection]], used: AbstractSet[str]) -> list[Copies]:
    """Return what shows one picture several times, the surest first.

    Args:
        inspected: every photo that can be decoded.
        used: names of those that a training uses.
    """
    photos = [photo for photo, _ in inspected]
    grids = stacked([one.hash for _, one in inspected])
    found: list[Copies] = []
    for places in _sets([photo.kin.same for photo in photos]):
        found += _same_picture(photos, grids, places, used)
    for places in _sets([photo.kin.near for photo in photos]):
        members = [photos[place] for place in places]
        together = defaultdict(set)
        for photo in members:
            together[photo.kin.same].add(photo.split)
        splits = {photo.split for photo in members} - {None}
        # What one picture in two splits says is said already.
        if len(splits) > 1 and not any(len(one - {None}) > 1 for one in together.values()):
            alike = _similarity(grids, places)
            shown = tuple(map(_shown, members))
            found.append(
                CrossSplit(photos=shown, by="hash", similarity=alike, left_out=(), severity="warning")
            )
    order = {"conflict": 0, "label_conflict": 0, "cross_split": 1, "duplicate": 2}
    return sorted(found, key=lambda one: (order[one.kind], -one.similarity, one.photos[0].path))


def find_copies_across(
    rows: Callable[[Sequence[int]], Float[np.ndarray, "n features"]],
    photos: Sequence[Photo],
    levels: ValueRange | None = None,
) -> list[CrossSplit | OtherProblem]:
    """Return the copies across given splits that the check could not know: mirrored, cropped and stamped ones.

    Pairs of photos that were too many to be compared are a finding too.

    Args:
        rows: gives the features of photos by their places.
        photos: those that a training uses.
        levels: black and white in pictures of more than 8 bits.
    """
    by_name = {photo.name: photo for photo in photos}
    places = defaultdict(list)
    for place, photo in enumerate(photos):
        places[photo.split].append(place)
    found: list[CrossSplit] = []
    compared = not_compared = 0
    for later, earlier in (("test", "train"), ("validation", "train"), ("test", "validation")):
        here, there = places[later], places[earlier]
        if not here or not there:
            continue
        measured, learned = [photos[place] for place in here], [photos[place] for place in there]
        twins = find_twins(measured, rows(here), learned, rows(there), levels)
        compared, not_compared = compared + twins.compared, not_compared + twins.passed_over
        for twin in twins.twins:
            pair = by_name[twin.photo], by_name[twin.known]
            # What is near by its hash is a finding already.
            if not pair[0].kin.near or pair[0].kin.near != pair[1].kin.near:
                shown = (_shown(pair[0]), _shown(pair[1]))
                alike = round(twin.similarity, 4)
                found.append(CrossSplit(photos=shown, by="features", similarity=alike, left_out=()))
    found.sort(key=lambda one: (-one.similarity, one.photos[0].path, one.photos[1].path))
    if not not_compared:
        return [*found]
    detail = (
        f"copies across splits were looked for among the {compared:,} pairs of photos of two splits that are most "
        f"alike; {not_compared:,} more were not compared, so there may be others"
    )
    return [*found, OtherProblem(path=".", problem="copies", detail=detail)]


def find_split_groups(photos: Sequence[Photo]) -> list[SplitGroup]:
    """Return the groups that a source or a rule names and that are in several of the given splits."""
    groups: dict[str, list[Photo]] = defaultdict(list)
    for photo in photos:
        if photo.group and photo.split and not photo.group.startswith(SAME_PICTURE):
            groups[photo.group].append(photo)
    found = []
    for group, members in sorted(groups.items()):
        one_of = {photo.split: photo for photo in reversed(members)}
        if len(one_of) > 1:
            splits = tuple(split for split in reversed(_FIRST) if split in one_of)
            shown = tuple(_shown(one_of[split]) for split in splits)
            found.append(SplitGroup(group=group, splits=splits, photos=shown, num_photos=len(members)))
    return found


def _same_picture(
    photos: Sequence[Photo], grids: UInt8[np.ndarray, "n 256"], places: Sequence[int], used: AbstractSet[str]
) -> Iterator[Copies]:
    # Of copies in one split the one of which most is known is kept.
    members = sorted(
        (photos[place] for place in places), key=lambda one: (_FIRST.index(one.split or ""), len(one.unknown))
    )
    by = _how(members)
    alike = 1.0 if by != "hash" else _similarity(grids, places)
    shown = tuple(map(_shown, members))
    left_out = tuple(photo.name for photo in members if photo.name not in used)
    if disputed_labels(members):
        kind: Literal["conflict", "label_conflict"] = (
            "conflict" if members[0].labels is None else "label_conflict"
        )
        yield Conflict(photos=shown, by=by, similarity=alike, left_out=left_out, kind=kind)
    elif len({photo.split for photo in members} - {None}) > 1:
        yield CrossSplit(photos=shown, by=by, similarity=alike, left_out=left_out)
    else:
        yield Duplicate(photos=shown, by=by, similarity=alike)


def _how(photos: Sequence[Photo]) -> By:
    if len({photo.sha256 for photo in photos}) == 1:
        return "bytes"
    return "pixels" if len({photo.kin.equal for photo in photos}) == 1 else "hash"


def _sets(names: Sequence[str]) -> Iterator[list[int]]:
    """Yield the places of each name that several have."""
    found = defaultdict(list)
    for place, name in enumerate(names):
        found[name].append(place)
    yield from (places for name, places in found.items() if name and len(places) > 1)


def _similarity(grids: UInt8[np.ndarray, "n 256"], places: Sequence[int]) -> float:
    """Return how alike the photo that is least like any other is to the one that it is most like."""
    chosen = grids[list(places[:COMPARED])]
    first, second = np.triu_indices(len(chosen), 1)
    table = np.full((len(chosen), len(chosen)), -1.0)
    table[first, second] = correlation(chosen[first], chosen[second], shared_grid(grids))
    return round(float(np.maximum(table, table.T).max(axis=1).min()), 4)


def _shown(photo: Photo) -> Shown:
    return Shown(photo.name, photo.label, photo.split or "")
