"""Masks among the photos of a class, such as segmentations: pictures drawn on the photos beside them, and no photos.

    DATA/cats/images/1.jpg   DATA/cats/masks/1.png
    DATA/cats/1.jpg   DATA/cats/1_mask.png

What goes with the photos one by one is certain; where it goes with some of them, the user has to say.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from budwood.config.data import Masks
from budwood.core.errors import DataError
from budwood.core.text import count, shown
from budwood.data.sources.listing import File, Folder
from budwood.data.sources.names import is_of_annotations, is_of_masks
from budwood.data.sources.readings import beside_annotations

_ENDING = re.compile(
    r"(?P<photo>.*[^ _.-])[ _.-]+"
    r"(?P<word>masks?|seg|segm|segmentations?|gt|ground[ _-]?truth|trimap|matte|superpixels)"
    r"(?:[ _.-]*\(?\d+\)?)?",
    re.IGNORECASE,
)


@dataclass
class _Found:
    """What may be masks for one reason."""

    folders: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    doubt: str = ""
    """Why it may be something else; empty where it is certain."""

    @property
    def names(self) -> list[str]:
        return [*self.folders, *self.files]


def find_masks(top: Folder, choice: Masks, title: str) -> frozenset[str]:
    """Return the folders and files below the root that are masks of the photos beside them.

    Args:
        top: the listing.
        choice: `data.masks` of the recipe.
        title: what messages call the root.

    Raise DataError where some may be masks or photos, and the recipe does not say which.
    """
    if choice == "keep":
        return frozenset()
    found = [*_folders(top, top), *_files(top)]
    doubtful = next((one for one in found if one.doubt), None)
    if doubtful is not None and choice == "auto":
        raise DataError(_ambiguity(title, doubtful))
    return frozenset(name for one in found for name in one.names)


def _folders(folder: Folder, top: Folder) -> Iterator[_Found]:
    drawn = [one for one in folder.children if is_of_annotations(one.base)] if folder is not top else []
    if drawn and beside_annotations(folder):
        yield _Found(folders=[one.name for one in drawn])
    elif drawn and folder.files:
        photos = {_stem(file) for file in folder.files}
        for one in drawn:
            if all(_is_of(file, photos) for file in one.every()):
                yield _Found(folders=[one.name])
            elif is_of_masks(one.base):
                doubt = f"not every picture in {shown(one.name)!r} is named as a photo beside it"
                yield _Found(folders=[one.name], doubt=doubt)
    for child in folder.children:
        if child not in drawn:
            yield from _folders(child, top)


def _files(top: Folder) -> Iterator[_Found]:
    """Yield the files that are named as a photo beside them and a word for a mask, by that word."""
    masks: dict[str, list[str]] = defaultdict(list)
    masked: dict[str, int] = defaultdict(int)
    photos: dict[str, int] = defaultdict(int)
    alone: dict[str, list[str]] = defaultdict(list)
    for folder in _every(top):
        stems = {_stem(file) for file in folder.files}
        with_mask: dict[str, set[str]] = defaultdict(set)
        for file in folder.files:
            if match := _ENDING.fullmatch(_stem(file)):
                there = match["photo"] in stems
                (masks if there else alone)[match["word"]].append(file.name)
                if there:
                    with_mask[match["word"]].add(match["photo"])
        plain = sum(not _ENDING.fullmatch(stem) for stem in stems)
        for word, some in with_mask.items():
            masked[word] += len(some)
            photos[word] += plain
    for word, names in masks.items():
        yield _Found(files=[*names, *alone[word]], doubt=_doubt(masked[word], photos[word], alone[word]))


def _doubt(masked: int, photos: int, alone: Sequence[str]) -> str:
    if alone:
        return f"there is no photo beside {shown(alone[0])!r} that it belongs to"
    if 2 * masked < photos:
        return f"they go with only {masked:,} of the {count(photos, 'photo')} beside them"
    return ""


def _ambiguity(title: str, found: _Found) -> str:
    what = f"pictures such as {shown(found.names[0])!r}"
    if found.folders:
        what = f"the pictures in {shown(found.folders[0])!r}"
    return "\n".join(
        [
            f"{title} can be read in two ways, and nothing says which one is meant ({found.doubt}):",
            f"  --set data.masks=skip  {what} are masks of the photos beside them, and are not read",
            "  --set data.masks=keep  they are photos of their classes",
            "Give the option of the one that is (in a recipe, data.masks)",
        ]
    )


def _every(folder: Folder) -> Iterator[Folder]:
    yield folder
    for child in folder.children:
        yield from _every(child)


def _is_of(file: File, photos: set[str]) -> bool:
    """Return whether a file is named as one of the photos, with or without a word for a mask."""
    stem = _stem(file)
    match = _ENDING.fullmatch(stem)
    return stem in photos or (match is not None and match["photo"] in photos)


def _stem(file: File) -> str:
    return (file.base.rpartition(".")[0] or file.base).casefold()
