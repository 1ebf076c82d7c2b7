"""The split rule "grouped": who is in which split hardly changes where photos are added, removed or relabelled.

Within each class the groups, a photo by itself being one, stand in the order of a hash of the seed and the group's
name, or else of its smallest photo hash. The order is cut at a fixed place into two parts: the test split is the start
of the first, validation the end of the second, each as large as its share; between them lies train. A photo that comes
or goes changes one of the parts alone, and so moves one other photo of its class at most.

Photos with several labels are dealt by iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011): the labels
take their turns, the rarest first, each with the photos that no rarer one has, in the order of the same hash. A split
gets of a label what its share still lacks after the rarer labels have brought theirs.
"""

import hashlib
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from budwood.core.errors import DataError
from budwood.core.text import count
from budwood.data.manifest import Photo


@dataclass(frozen=True, slots=True)
class _Unit:
    """Photos that stay together."""

    place: float
    """In [0, 1): its hash."""
    key: str
    names: tuple[str, ...]
    labels: Mapping[str, int]
    """Photos by class."""

    @property
    def home(self) -> str:
        """Return the class that most of the photos have; of several the one that the hash chooses."""
        most = max(self.labels.values())
        first = sorted(label for label, number in self.labels.items() if number == most)
        return first[int(self.place * len(first) * 997) % len(first)]


def deal(
    photos: Sequence[Photo], shares: Mapping[str, float], seed: int, what: str = "splits"
) -> dict[str, str]:
    """Return the split of each photo by its name; every class has at least one group in each.

    Args:
        photos: with the names of their groups.
        shares: by split; of train, test and validation, or of folds.
        seed: the same seed and photos give the same, whatever their order.
        what: how an error calls the splits.

    Raise DataError where a class has fewer groups than there are splits.
    """
    units = _units(photos, seed)
    if any(len(photo.each_label) != 1 for photo in photos):
        # Where each has one label the split is that of one class a photo.
        return _deal_sets(units, shares, what)
    refuse_too_few(Counter(label for unit in units for label in unit.labels), shares, what)
    at_home = defaultdict(list)
    for unit in units:
        at_home[unit.home].append(unit)
    chosen: dict[str, str] = {}
    for label in sorted(at_home):
        ordered = sorted(at_home[label], key=lambda unit: (unit.place, unit.key))
        cut = _cut if "train" in shares else _in_parts
        chosen |= cut(ordered, shares)
    _fill_empty(units, chosen, list(shares))
    return {name: chosen[unit.key] for unit in units for name in unit.names}


def _deal_sets(units: Sequence[_Unit], shares: Mapping[str, float], what: str) -> dict[str, str]:
    """Return the split of each photo that may have several labels."""
    refuse_too_few(Counter(label for unit in units for label in unit.labels), shares, what, "label")
    counts: Counter[str] = sum((Counter(unit.labels) for unit in units), Counter())
    # What has no label at all comes last, and fills what is left.
    turns = [*sorted(counts, key=lambda label: (counts[label], label)), ""]
    # Train lies between what is held out, so that a photo that comes or goes seldom moves others across.
    order = (
        sorted(shares, key=["test", "calibration", "train", "validation"].index)
        if "train" in shares
        else list(shares)
    )
    waiting, chosen = list(units), dict[str, str]()
    dealt: dict[str, Counter[str]] = {split: Counter() for split in shares}
    sizes: Counter[str] = Counter()
    for label in turns:
        own = [unit for unit in waiting if label in unit.labels or not label]
        waiting = [unit for unit in waiting if label and label not in unit.labels]
        total = counts[label] if label else sum(len(unit.names) for unit in units)
        had = [dealt[split][label] if label else sizes[split] for split in order]
        lacking = [max(0.0, shares[split] * total - there) for split, there in zip(order, had, strict=True)]
        weights = [unit.labels[label] if label else len(unit.names) for unit in own]
        ends = list(accumulate(lacking))
        scale, held = (ends[-1] or 1.0) / max(1, sum(weights)), 0.0
        for unit, weight in sorted(
            zip(own, weights, strict=True), key=lambda one: (one[0].place, one[0].key)
        ):
            split = order[min(bisect_right(ends, (held + weight / 2) * scale), len(order) - 1)]
            held += weight
            chosen[unit.key] = split
            dealt[split].update(unit.labels)
            sizes[split] += len(unit.names)
    _fill_empty(units, chosen, list(shares))
    return {name: chosen[unit.key] for unit in units for name in unit.names}


def refuse_too_few(
    groups: Mapping[str, int], splits: Mapping[str, float], what: str, kind: str = "class"
) -> None:
    """Raise DataError where a class (or label: `kind`) has fewer separate photos than there are splits."""
    for label, number in sorted(groups.items()):
        if number < len(splits):
            raise DataError(
                f"{kind} {label!r} has {count(number, 'separate photo')} (copies and groups count once), but "
                f"{len(splits)} {what} need one each: {', '.join(splits)}. Add photos, or leave the {kind} out "
                "(--min-photos)"
            )


def in_order(photos: Sequence[Photo], seed: int) -> list[Photo]:
    """Return the photos in an order that the seed decides, those of a group one after another."""
    by_name = {photo.name: photo for photo in photos}
    units = sorted(_units(photos, seed), key=lambda unit: (unit.place, unit.key))
    return [by_name[name] for unit in units for name in unit.names]


def _units(photos: Sequence[Photo], seed: int) -> list[_Unit]:
    members: dict[tuple[str, str], list[Photo]] = defaultdict(list)
    for photo in photos:
        # A name of a group may be that of a photo.
        key = ("group", photo.group) if photo.group else ("photo", photo.sha256 or photo.name)
        members[key].append(photo)
    units = []
    # One for all units of the same labels: each its own, and lists that are done with, are 0.3 GB of a million photos.
    known: dict[tuple[str, ...], Counter[str]] = {}
    for kind, name in list(members):
        some = members.pop((kind, name))
        digest = hashlib.sha256(f"{seed} {kind} {name}".encode("utf-8", "surrogateescape")).digest()
        place = int.from_bytes(digest[:6], "big") / 2**48
        names = tuple(sorted(photo.name for photo in some))
        each = tuple(label for photo in some for label in photo.each_label)
        labels = known.setdefault(each, Counter(each))
        units.append(_Unit(place, f"{kind} {name}", names, labels))
    return units


def _cut(units: Sequence[_Unit], shares: Mapping[str, float]) -> dict[str, str]:
    """Return units in their order, divided into what is held out at either end and train between."""
    ends = [split for split in ("test", "validation", "calibration") if split in shares]
    held_out = sum(shares[split] for split in ends)
    chosen = {unit.key: "train" for unit in units}
    if not ends:
        return chosen
    border = shares[ends[0]] / held_out
    parts = [
        [unit for unit in units if unit.place < border],
        [unit for unit in units if unit.place >= border],
    ][: len(ends)]
    if len(ends) == 1:
        parts = [list(units)]
    for part, split, backwards in zip(parts, ends, (False, True), strict=False):
        ordered = part[::-1] if backwards else part
        for unit in ordered[: _number(ordered, held_out)]:
            chosen[unit.key] = split
    for split, backwards in zip(ends, (False, True), strict=False):
        # A class of few groups may have none in one part.
        free = [unit for unit in (units[::-1] if backwards else units) if chosen[unit.key] == "train"]
        if split not in chosen.values() and len(free) > 1:
            chosen[free[0].key] = split
    return chosen


def _number(units: Sequence[_Unit], share: float) -> int:
    """Return how many of the first units hold the share of the photos most nearly: one or more, and not all
    of several."""
    sizes = [len(unit.names) for unit in units]
    wanted = share * sum(sizes)
    best, held = (0, wanted), 0
    for number, size in enumerate(sizes, 1):
        held += size
        if abs(held - wanted) < best[1] - 1e-9:
            best = (number, abs(held - wanted))
    return max(min(1, len(units)), min(best[0], len(units) - 1))


def _in_parts(units: Sequence[_Unit], shares: Mapping[str, float]) -> dict[str, str]:
    """Return units in their order, divided into as many parts that lie side by side; the first is a hash's
    choice."""
    splits = list(shares)
    total = sum(len(unit.names) for unit in units)
    turn = int(units[0].place * 2**48) if units else 0
    chosen, held = {}, 0
    for unit in units:
        middle = held + len(unit.names) / 2
        chosen[unit.key] = splits[(int(middle * len(splits) / total) + turn) % len(splits)]
        held += len(unit.names)
    return chosen


def _fill_empty(units: Sequence[_Unit], chosen: dict[str, str], splits: Sequence[str]) -> None:
    """Give each class a group in every split where that leaves none without, the first in the order of the hash."""
    there: dict[tuple[str, str], int] = Counter(
        (label, chosen[unit.key]) for unit in units for label in unit.labels
    )
    ordered = sorted(units, key=lambda unit: (unit.place, unit.key))
    for label in sorted({label for unit in units for label in unit.labels}):
        for split in splits:
            if there[label, split]:
                continue
            spare = [
                unit
                for unit in ordered
                if label in unit.labels and all(there[one, chosen[unit.key]] > 1 for one in unit.labels)
            ]
            if spare:
                # What has most to give gives.
                giver = max(spare, key=lambda unit: there[label, chosen[unit.key]])
                for one in giver.labels:
                    there[one, chosen[giver.key]] -= 1
                    there[one, split] += 1
                chosen[giver.key] = split
