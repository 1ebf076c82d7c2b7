"""A data set inside itself: a folder whose photos all lie beside it again, as unpacking twice leaves it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from budwood.data.sources.listing import Folder
from budwood.data.sources.names import is_of_previews
from budwood.data.sources.readings import inside_itself, stem_of


@dataclass(frozen=True)
class Copy:
    """A folder that may be a copy of those beside it, by names and sizes alone."""

    folder: str
    pairs: tuple[tuple[str, str], ...]
    """A photo in it, and the photo that it would be a copy of."""


def possible_copies(top: Folder) -> Iterator[Copy]:
    """Yield the folders whose photos all have one of the same name and size where the folder itself lies."""
    folder = inside_itself(top)
    if folder is not None:
        beside = {
            file.name: file.size for child in top.children if child is not folder for file in child.every()
        }
        start = f"{top.name}/" if top.name else ""
        pairs = [(file, start + file.name.removeprefix(f"{folder.name}/")) for file in folder.every()]
        if all(beside.get(name) == file.size for file, name in pairs):
            yield Copy(folder.name, tuple((file.name, name) for file, name in pairs))
    for child in top.children:
        if folder is None or child is not folder:
            yield from possible_copies(child)


def small_copies(top: Folder) -> frozenset[str]:
    """Return the folders beside those of classes that hold smaller copies of their photos, such as thumbnails."""
    found = set()
    for child in top.children:
        if len(top.children) > 2 and is_of_previews(child.base):
            sizes: dict[str, int] = {}
            for file in (file for other in top.children if other is not child for file in other.every()):
                stem = stem_of(file.base)
                sizes[stem] = max(sizes.get(stem, 0), file.size)
            if all(file.size < sizes.get(stem_of(file.base), 0) for file in child.every()):
                found.add(child.name)
                continue
        found |= small_copies(child)
    return frozenset(found)


def without(top: Folder, names: frozenset[str]) -> Folder:
    """Return the listing without some folders and files."""
    folders = tuple(without(one, names) for one in top.folders if one.name not in names)
    return replace(top, folders=folders, files=tuple(one for one in top.files if one.name not in names))
