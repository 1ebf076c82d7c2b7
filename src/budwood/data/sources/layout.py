"""What the folders of a folder are: classes, splits, neither, or of no matter. Decided from a listing alone.

`possible_readings` gives every reading for which there is evidence. One is certain; of several the user has to choose.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice, permutations, product

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.core.text import class_key
from budwood.data.manifest import Split
from budwood.data.sources.branches import read_branches
from budwood.data.sources.layout_words import ambiguity, asked_in_vain, no_such_folder, refusal
from budwood.data.sources.listing import Candidate, Folder, WhyPassedOver
from budwood.data.sources.names import (
    are_labelled,
    is_date,
    is_numbered,
    is_of_annotations,
    is_of_unlabelled,
    split_roles,
)
from budwood.data.sources.readings import (
    SplitFolders,
    beside_annotations,
    has_train,
    inside,
    inside_itself,
    keys_of,
    read_classes,
    read_flat,
    read_nested,
    read_splits,
    read_splits_below,
    roles_in,
)

_MOST_WAYS = 6
"""Of one folder for each split that are shown where several have the name of one split."""


def choose_reading(top: Folder, settings: Data, title: str) -> Candidate:
    """Return the reading that is asked for, or the only one that is possible.

    Args:
        top: the listing.
        settings: the recipe's [data], whose `layout` and `split_folders` say what is asked for.
        title: what messages call the root.

    Raises:
        DataError: there is no such reading, or there are several.
    """
    found = [_asked_for(top, settings, title)] if is_asked(settings) else possible_readings(top)
    if len(found) > 1:
        raise DataError(ambiguity(title, found))
    if not found or len(found[0].counts) < 2:
        raise DataError(
            asked_in_vain(found[0], title)
            if is_asked(settings)
            else refusal(top, title, found[0] if found else None)
        )
    return found[0]


def is_asked(settings: Data) -> bool:
    """Return whether the recipe says how a folder is to be read."""
    return bool(settings.split_folders) or settings.layout != "auto" or settings.tree


def possible_readings(top: Folder) -> list[Candidate]:
    """Return every reading for which there is evidence; none where nothing says what the photos show."""
    if pictures := beside_annotations(top):
        drawn: dict[str, WhyPassedOver] = {
            one.name: "annotations" for one in top.folders if one is not pictures
        }
        return [
            replace(found, above=(pictures.base, *found.above), reasons={**drawn, **found.reasons})
            for found in possible_readings(pictures)
        ]
    roles = roles_in(top)
    found: list[Candidate] = []
    if has_train(top):
        found = _with_train(top, roles)
    elif len(top.children) > 1:
        found = _without_train(top, roles)
    return [*found, read_flat(top)] if are_labelled([file.name for file in top.files]) else found


def _with_train(top: Folder, roles: SplitFolders) -> list[Candidate]:
    """Return what is possible where a folder is called train."""
    train = [folder for folder, split in roles if split == "train"]
    learned = keys_of(train)
    rest = [folder for folder in top.children if not any(folder is one for one, _ in roles)]
    unexplained = [one for one in rest if not (is_of_annotations(one.base) or is_of_unlabelled(one.base))]
    with_classes = [folder for folder, _ in roles if inside(folder).children]
    if not any(folder is one for folder in train for one in with_classes):
        # Nothing but file names can say what its photos show; or it is a class called "train".
        found = [read_splits(roles)] if len(learned) > 1 else []
        return [*found, read_classes(top)] if unexplained else found
    if len(learned) < 2 and len(with_classes) < 2 and unexplained:
        return [read_classes(top)]
    same = [one for one in unexplained if keys_of([one]) & learned]
    if same or _doubles(roles, with_classes):
        return _assignments(roles, with_classes, same)
    found = [read_splits(roles)]
    if len(with_classes) == 1 and unexplained:
        found.append(read_classes(top))
    if "nested" in _levels(inside(train[0]).children):
        found.append(read_splits(roles, nested=True))
    return found


def _without_train(top: Folder, roles: SplitFolders) -> list[Candidate]:
    """Return what is possible among several folders of which none is called train."""
    others = [folder for folder in top.children if not any(folder is one for one, _ in roles)]
    with_classes = [folder for folder, _ in roles if inside(folder).children]
    if with_classes:
        learned = keys_of(with_classes)
        same = [one for one in others if keys_of([one]) & learned]
        found = [_as_splits([(one, "train"), *roles]) for one in same]
        return [*found, read_classes(top)] if others else found
    if not others or inside_itself(top):
        return []
    levels = _levels(top.children)
    found = [read_splits_below(top)] if "below" in levels else []
    found += [read_classes(top)] if "classes" in levels else []
    if "nested" in levels:
        found.append(read_nested(top))
        found += _unnamed_splits(top)
    return found


def _levels(folders: Sequence[Folder]) -> set[str]:
    """Return what neighbouring folders may be: "classes", "nested" above classes, or classes with splits "below"."""
    parts = [folder.children for folder in folders]
    named = [split_roles(part.base for part in some) for some in parts]
    roles = {role for some in named for role in some.values()}
    if (
        "train" in roles
        and len(roles) > 1
        and all(
            some and not folder.files and len(some) == len(known)
            for folder, some, known in zip(folders, parts, named, strict=True)
        )
    ):
        deeper = [inside(part) for some in parts for part in some]
        return {"below", "nested"} if all(len(one.children) > 1 for one in deeper) else {"below"}
    contents = [inside(folder) for folder in folders]
    if any(one.files for one in contents) or all(len(one.children) < 2 for one in contents):
        return {"classes"}
    names = [child.base for one in contents for child in one.children]
    shared = len({class_key(name) for name in names}) < len(names)
    plain = all(is_numbered(name) for name in names) and not all(is_numbered(one.base) for one in folders)
    if plain and not (shared and all(name.strip().isdigit() and not is_date(name) for name in names)):
        return {"classes"}
    return {"classes", "nested"}


def _unnamed_splits(top: Folder) -> list[Candidate]:
    """Return the reading in which two or three folders of the same classes are splits, the largest one train."""
    keys = [keys_of([folder]) for folder in top.children]
    if not 2 <= len(keys) <= 3 or not frozenset.intersection(*keys):
        return []
    train, *rest = sorted(top.children, key=lambda folder: -folder.num_photos)
    held_out: list[Split] = ["test"] if len(rest) == 1 else ["validation", "test"]
    return [_as_splits([(train, "train"), *zip(rest, held_out, strict=True)])]


def _doubles(roles: SplitFolders, with_classes: Sequence[Folder]) -> bool:
    splits = [split for folder, split in roles if any(folder is one for one in with_classes)]
    return len(set(splits)) < len(splits)


def _assignments(
    roles: SplitFolders, with_classes: Sequence[Folder], same: Sequence[Folder]
) -> list[Candidate]:
    """Return the ways to make splits of folders that hold the same classes: those whose names say which split they are,
    and others."""
    known = [(folder, split) for folder, split in roles if any(folder is one for one in with_classes)]
    named: dict[Split, list[Folder]] = {}
    for folder, split in known:
        named.setdefault(split, []).append(folder)
    # Of several folders for one split it may be any of them, or all.
    chosen = islice(product(*named.values()), _MOST_WAYS)
    ways: list[SplitFolders] = [list(zip(folders, named, strict=True)) for folders in chosen]
    if len(named) < len(known):
        ways.append([(folder, split) for split, folders in named.items() for folder in folders])
    plain = ways[0]
    free: list[Split] = [split for split in ("validation", "test") if split not in named]
    if same and free:
        for given in permutations(free, min(len(same), len(free))):
            ways.append([*plain, *zip(same, given, strict=False)])
    elif same:
        ways.append([*plain, *((one, "train") for one in same)])
    return [_as_splits(way) for way in ways]


def _as_splits(folders: SplitFolders) -> Candidate:
    """Return the reading of splits, with what has to be given to have it."""
    ask: dict[Split, tuple[str, ...]] = {}
    for folder, split in folders:
        ask[split] = (*ask.get(split, ()), folder.name)
    return read_splits(folders, ask=ask)


def _asked_for(top: Folder, settings: Data, title: str) -> Candidate:
    given = _given_folders(top, settings.split_folders, title)
    roles = given or (roles_in(top) if has_train(top) else [])
    if settings.tree:
        return read_branches(top, roles, title)
    if settings.layout == "flat":
        return read_flat(top, roles)
    if settings.layout == "classes":
        return read_classes(top)
    if settings.layout == "nested":
        return read_splits(given, nested=True) if given else read_nested(top)
    return read_splits(roles) if roles else read_splits_below(top)


def _given_folders(
    top: Folder, split_folders: Mapping[Split, str | list[str]], title: str
) -> list[tuple[Folder, Split]]:
    found: list[tuple[Folder, Split]] = []
    for split, names in split_folders.items():
        for name in [names] if isinstance(names, str) else names:
            path = name.replace("\\", "/").strip("/")
            folder = top.find(path)
            if folder is None or folder is top:
                raise DataError(no_such_folder(top, title, name))
            other = next((one for one, _ in found if _overlap(one.name, folder.name)), None)
            if other is not None:
                raise DataError(
                    f"split_folders names {other.name!r} and {folder.name!r}, whose photos would be in two splits. "
                    "Give folders that lie beside one another"
                )
            found.append((folder, split))
    return found


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
