"""Groups: photos that belong together, such as the frames of a scene, stay in one split.

What decides a split comes from what no recipe changes: what the source says, file names, EXIF, equal pixels and the
perceptual hash. So every backbone, size, engine and machine gets the same groups.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath

from budwood.config.group_rule import GroupRule
from budwood.core.errors import DataError
from budwood.core.text import count
from budwood.data.kin import joined
from budwood.data.manifest import Photo

SAME_PICTURE = "same picture "
"""How the names of groups begin that the pictures themselves make up."""


def form_groups(photos: Sequence[Photo], rule: GroupRule) -> tuple[Photo, ...]:
    """Return the photos, each that belongs with others with the name of its group.

    Photos of equal bytes or pixels are together under every rule; those that are one picture saved again are unless
    the rule is "none". What is linked in two ways is one group, under the smaller name. A group of one photo is none: a
    table that names every photo is divided as the folder that names none of them.

    Raises:
        DataError: the rule does not apply to some of the photos, makes one group of all, or puts one group into two
            splits that the data bring.
    """
    named = _named(photos, rule)
    if rule.kind not in ("auto", "none", "near-duplicates"):
        _refuse_useless(photos, named, rule)
    if rule.kind != "near-duplicates":
        _refuse_in_two_splits(photos, named, rule)
    unit = _units(photos, named, rule)
    members = defaultdict(list)
    for index, first in enumerate(unit):
        members[first].append(index)
    sizes = Counter(named)
    names: dict[int, str | None] = {}
    for first, together in members.items():
        given = [name for index in together if (name := named[index]) and sizes[name] > 1]
        alone = SAME_PICTURE + min(photos[index].sha256 for index in together)[:12]
        names[first] = min(given) if given else alone if len(together) > 1 else None
    return tuple(replace(photo, group=names[first]) for photo, first in zip(photos, unit, strict=True))


def _named(photos: Sequence[Photo], rule: GroupRule) -> list[str | None]:
    match rule.kind:
        case "none":
            return [None] * len(photos)
        case "column":
            return _by_column(photos, rule.argument)
        case "pattern":
            return _by_pattern(photos, rule.argument)
        case "parent":
            return [str(PurePosixPath(photo.name).parent) for photo in photos]
        case "burst":
            return _by_time(photos, rule)
    return [photo.group for photo in photos]


def _by_column(photos: Sequence[Photo], column: str) -> list[str | None]:
    there = sorted({name for photo in photos for name in photo.metadata})
    if column in there:
        found = [photo.metadata.get(column) or None for photo in photos]
    elif column == "group" and any(photo.group for photo in photos):
        found = [photo.group for photo in photos]
    else:
        known = (
            f"The columns are {', '.join(there[:10])}"
            if there
            else "The photos have no columns beside the label"
        )
        raise DataError(f'data.group = "column:{column}": there is no column {column!r}. {known}')
    _refuse_without(photos, found, f'data.group = "column:{column}": the column is empty')
    return found


def _by_pattern(photos: Sequence[Photo], pattern: str) -> list[str | None]:
    compiled = re.compile(pattern)
    found: list[str | None] = []
    for photo in photos:
        match = compiled.search(photo.name)
        found.append(None if match is None else (match[1] if compiled.groups else match[0]) or None)
    where = f'data.group = "pattern:{pattern}"'
    if photos and not any(found):
        raise DataError(
            f"{where} matches none of the {len(photos):,} photos, such as {photos[0].name!r}. Expected a regular "
            "expression whose first parenthesis is the group's name in the path"
        )
    _refuse_without(photos, found, f"{where}: the pattern finds nothing")
    return found


def _by_time(photos: Sequence[Photo], rule: GroupRule) -> list[str | None]:
    where = f'data.group = "burst:{rule.argument}"'
    if photos and not any(photo.kin.taken for photo in photos):
        raise DataError(
            f"{where}: none of the photos says in EXIF when it was taken. Give another way to group them"
        )
    _refuse_without(photos, [photo.kin.taken for photo in photos], f"{where}: EXIF says no time")
    found: list[str | None] = [None] * len(photos)
    for burst in bursts(photos, rule.seconds):
        for index in burst:
            found[index] = f"burst {photos[burst[0]].kin.taken}"
    return found


def bursts(photos: Sequence[Photo], seconds: float) -> list[list[int]]:
    """Return the numbers of the photos that one camera took with pauses of `seconds` at most, of those with a time."""
    cameras: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
    for index, photo in enumerate(photos):
        try:
            time = datetime.strptime(photo.kin.taken[:19], "%Y:%m:%d %H:%M:%S")
        except ValueError:  # no time, or no such day
            continue
        cameras[photo.kin.taken[19:]].append((time, index))
    found: list[list[int]] = []
    for taken in cameras.values():
        taken.sort()
        for place, (time, index) in enumerate(taken):
            if place and (time - taken[place - 1][0]).total_seconds() <= seconds:
                found[-1].append(index)
            else:
                found.append([index])
    return found


def _refuse_without(photos: Sequence[Photo], found: Sequence[str | None], what: str) -> None:
    lacking = [photo.name for photo, name in zip(photos, found, strict=True) if not name]
    if lacking:
        raise DataError(
            f"{what} for {len(lacking):,} of {count(len(photos), 'photo')}, such as {lacking[0]!r}. Every photo needs "
            "a group; one that stands alone gets a name of its own"
        )


def _refuse_useless(photos: Sequence[Photo], named: Sequence[str | None], rule: GroupRule) -> None:
    if len(set(named)) == 1 and len(photos) > 1:
        raise DataError(
            f'data.group = "{_text(rule)}" makes one group of all {len(photos):,} photos ({named[0]!r}), which cannot '
            "be divided. Give a way to group them that tells them apart"
        )
    classes = defaultdict(set)
    for photo, name in zip(photos, named, strict=True):
        for label in photo.each_label:
            classes[label].add(name)
    if rule.kind == "parent" and all(len(names) == 1 for names in classes.values()):
        raise DataError(
            'data.group = "parent": every class lies in one folder, so a class would be one group, which cannot be '
            "divided. Expected folders of what belongs together inside the classes"
        )


def _refuse_in_two_splits(photos: Sequence[Photo], named: Sequence[str | None], rule: GroupRule) -> None:
    first: dict[str, Photo] = {}
    for photo, name in zip(photos, named, strict=True):
        if not name or photo.split is None:
            continue
        other = first.setdefault(name, photo)
        if other.split != photo.split:
            raise DataError(
                f"the group {name!r} is in two splits that the data bring: {other.name!r} in {other.split}, "
                f"{photo.name!r} in {photo.split}. Put it into one of them, give the photos without splits, or "
                'choose data.group = "none" to measure all the same'
            )


def _text(rule: GroupRule) -> str:
    return f"{rule.kind}:{rule.argument}" if rule.argument else rule.kind


def _units(photos: Sequence[Photo], named: Sequence[str | None], rule: GroupRule) -> list[int]:
    """Return for each photo the number of the first that it belongs with, directly or through others."""
    pairs = []
    first: dict[Hashable, int] = {}
    for index, (photo, name) in enumerate(zip(photos, named, strict=True)):
        keys = [("bytes", photo.sha256), ("pixels", photo.kin.equal), ("group", name)]
        if rule.kind != "none":
            keys.append(("same", photo.kin.same))
        if rule.kind == "near-duplicates":
            keys.append(("near", photo.kin.near))
        pairs += [(first.setdefault(key, index), index) for key in keys if key[1]]
    return joined(len(photos), pairs)


_OF_ONE = "(?:person|patient|subject|subj|participant|individual|animal|plant|tree|scene|site|plot|video|clip|sequence)"
_NUMBERED = re.compile(rf"(?<![a-z])({_OF_ONE})[-_ ]?\d+", re.IGNORECASE)
_FRAMES = r"([^/]*)[-_. ]\d+\.\w+$"
_WORDS = re.compile(rf"{_OF_ONE}|camera|slide|session|series|burst", re.IGNORECASE)
_FEWEST_GROUPS = 5


@dataclass(frozen=True, slots=True)
class Hint:
    """Something that hints at photos that belong together."""

    evidence: str
    """What it is, such as "the column 'patient'"."""
    option: str
    """The value of `--group` that keeps them together."""
    num_groups: int
    """Groups of several photos."""
    num_photos: int
    """In these groups."""
    example: str
    """Name of one of the photos."""


def suggestion(photos: Sequence[Photo]) -> str | None:
    """Return in words what hints at photos that belong together and what to do; None where nothing does."""
    hint = find_hint(photos)
    if hint is None:
        return None
    return (
        f"by {hint.evidence} there seem to be {count(hint.num_groups, 'group')} of photos that belong together, such "
        f"as frames of a scene ({hint.num_photos:,} of {count(len(photos), 'photo')}, {hint.example!r} is one). "
        "Divided photo by photo, a test photo has near twins in training and the accuracy says too much. --group "
        f"'{hint.option}' keeps "
        "each group in one split; --group none says that they are independent"
    )


def find_hint(photos: Sequence[Photo]) -> Hint | None:
    """Return what hints at photos that belong together and the option that keeps them so; None where nothing does.

    It looks at columns, folders, file names and times; a hint needs several groups that hold half of the photos.
    """
    hints: list[tuple[str, str, Mapping[int, str]]] = []
    for column in sorted({name for photo in photos for name in photo.metadata}):
        if _WORDS.search(column):
            values = {i: p.metadata[column] for i, p in enumerate(photos) if p.metadata.get(column)}
            hints.append((f"the column {column!r}", f"column:{column}", values))
    for word in sorted({match[1] for photo in photos if (match := _NUMBERED.search(photo.name))}):
        pattern = rf"{word}[-_ ]?(\d+)"
        found = {i: m[1] for i, photo in enumerate(photos) if (m := re.search(pattern, photo.name))}
        hints.append((f"paths with {word!r} and a number", f"pattern:{pattern}", found))
    folders = {i: str(PurePosixPath(photo.name).parent) for i, photo in enumerate(photos)}
    if not any(PurePosixPath(folder).name in photos[i].each_label for i, folder in folders.items()):
        hints.append(("folders inside the classes", "parent", folders))
    frames = {i: m[1] for i, photo in enumerate(photos) if (m := re.search(_FRAMES, photo.name))}
    hints.append(
        ("file names that differ by their last number", f"pattern:{_FRAMES}", _in_a_row(photos, frames))
    )
    taken = {i: str(place) for place, burst in enumerate(bursts(photos, 60.0)) for i in burst}
    hints.append(("EXIF times within a minute of one another", "burst:60s", taken))
    classes = len({label for photo in photos for label in photo.each_label})
    for what, option, groups in hints:
        sizes = Counter(groups.values())
        together = [i for i, name in groups.items() if sizes[name] > 1]
        several = {groups[i] for i in together}
        if len(several) >= max(_FEWEST_GROUPS, 2 * classes) and len(together) >= len(photos) / 2:
            return Hint(what, option, len(several), len(together), photos[together[0]].name)
    return None


def _in_a_row(photos: Sequence[Photo], frames: Mapping[int, str]) -> dict[int, str]:
    """Return of what may be frames those whose numbers have hardly a gap."""
    numbers = defaultdict(list)
    for index, name in frames.items():
        match = re.search(r"(\d+)\.\w+$", photos[index].name)
        numbers[name].append(int(match[1]) if match else 0)
    dense = {name for name, found in numbers.items() if max(found) - min(found) < 4 * len(found)}
    return {index: name for index, name in frames.items() if name in dense}
