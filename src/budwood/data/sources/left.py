"""What a reading of a folder leaves: reported as problems, and counted by kind and place."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from budwood.core.text import count
from budwood.data.manifest import PassedOver, Problem
from budwood.data.sources.listing import Folder, Placed, WhyPassedOver
from budwood.data.sources.walk import Unread

_WHY: dict[WhyPassedOver, str] = {
    "beside": "not in the folder of a class",
    "unlabelled": "nothing says what its photos show",
    "annotations": "what was drawn on the photos beside it",
    "copy": "the photos beside it once more",
    "preview": "small copies of the photos beside it",
    "no_label": "its name does not begin with a class and a number",
}
Counts = dict[tuple[str, str, str], list[str]]
"""By kind, place and ending, the names."""
_EMPTY_CLASS = "no photos in it; the class is left out unless another split has some"


@dataclass(frozen=True, slots=True)
class _Left:
    """A folder or a single photo that is not read."""

    name: str
    why: WhyPassedOver
    num_photos: int
    example: str
    is_file: bool = False


def tell_left(
    top: Folder,
    unread: Sequence[Unread],
    placed: Sequence[Placed],
    class_folders: Sequence[str],
    reasons: Mapping[str, WhyPassedOver],
) -> tuple[list[Problem], tuple[PassedOver, ...]]:
    """Return the problems, and what was passed over by kind and place.

    Args:
        top: all photos.
        unread: all that is no photo.
        placed: the photos that are read.
        class_folders: the folders of the classes.
        reasons: why folders and photos are passed over, where it is not that they lie beside the classes.
    """
    read = {photo.name for photo in placed}
    classes = set(class_folders)
    left = list(_left_of(top, read, classes, reasons, "beside"))
    lost = {one.name for one in left if not one.is_file}
    loose = [one for one in unread if lost.isdisjoint(_parents(one.name))]
    problems = [Problem(one.name, "ignored", _in_words(one)) for one in left if not _is_mask(one)]
    masks = Counter(_above(one.name) for one in left if _is_mask(one))
    problems += [
        Problem(folder, "ignored", f"{count(number, 'picture')} in it; {_WHY['annotations']}")
        for folder, number in masks.items()
    ]
    problems += [Problem(one.name, "ignored", one.detail) for one in loose if one.detail]
    reported = lost | {parent for name in read for parent in _parents(name)}
    problems += [Problem(name, "empty_class", _EMPTY_CLASS) for name in class_folders if name not in reported]
    problems.sort(key=lambda problem: problem.path.split("/"))
    counts: Counts = {}
    for one in left:
        place = (_class_of(one.name, classes) or _above(one.name)) if one.is_file else one.name
        if one.num_photos:
            counts.setdefault((one.why, place, ""), []).extend([one.example] * one.num_photos)
    return problems, tuple(count_unread(loose, classes, counts))


def count_unread(
    unread: Sequence[Unread], classes: AbstractSet[str] = frozenset(), counts: Counts | None = None
) -> list[PassedOver]:
    """Return how many files of which kind are not read, by class or folder, most first.

    Args:
        unread: the files.
        classes: the folders of the classes.
        counts: what else is passed over.
    """
    counts = dict(counts or {})
    for file in unread:
        place = _class_of(file.name, classes) or _above(file.name)
        ending = file.ending if file.kind == "format" else ""
        counts.setdefault((file.kind, place, ending), []).append(file.name)
    found = [
        PassedOver(kind, place, len(names), names[0], ending)
        for (kind, place, ending), names in counts.items()
    ]
    return sorted(found, key=lambda one: (-one.count, one.place, one.kind, one.ending))


def _left_of(
    folder: Folder,
    read: set[str],
    classes: set[str],
    reasons: Mapping[str, WhyPassedOver],
    why: WhyPassedOver,
) -> Iterator[_Left]:
    """Yield the largest folders of which nothing is read, and the single photos beside what is."""
    for file in folder.files:
        if file.name not in read:
            yield _Left(file.name, reasons.get(file.name, why), 1, file.name, is_file=True)
    for child in folder.folders:
        reason = reasons.get(child.name, why)
        names = [file.name for file in child.every()]
        if any(name in read for name in names):
            yield from _left_of(child, read, classes, reasons, reason)
        elif names or not (child.name in classes or classes.intersection(_parents(child.name))):
            yield _Left(child.name, reason, len(names), next(iter(names), ""))


def _is_mask(left: _Left) -> bool:
    return left.is_file and left.why == "annotations"


def _in_words(left: _Left) -> str:
    if left.is_file:
        return _WHY[left.why]
    return f"{count(left.num_photos, 'photo') if left.num_photos else 'no photos'}; {_WHY[left.why]}"


def _class_of(name: str, classes: AbstractSet[str]) -> str:
    """Return the name of the class in whose folder a file lies, else an empty string."""
    return next((parent.rpartition("/")[2] for parent in _parents(name) if parent in classes), "")


def _above(name: str) -> str:
    return name.rpartition("/")[0] or "."


def _parents(name: str) -> Iterator[str]:
    """Yield the folders that a file or folder lies in, the nearest first.

    >>> list(_parents("train/cats/1.jpg"))
    ['train/cats', 'train']
    """
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name
