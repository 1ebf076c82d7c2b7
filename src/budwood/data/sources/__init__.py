"""Sources: where labelled photos come from. Each is a file here with a function that gives a `Manifest`.

`SCHEMES` are named `SCHEME:...`; `FILES` are known by their endings; `FOLDERS` by what lies in them, on disk as in an
archive. A further source is one entry of these.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.core.progress.base import SILENT, Progress
from budwood.data.label_sets import as_multi_label
from budwood.data.manifest import Manifest, Photo
from budwood.data.sources.annotations import (
    is_annotations,
    items_of,
    read_cvat,
    read_json_annotations,
    why_none,
)
from budwood.data.sources.archive import ENDINGS, ArchiveTree, is_archive, open_archive
from budwood.data.sources.delimited import TEXT_ENDINGS, read_json, read_text_table, title_of
from budwood.data.sources.folder import read_folder, read_tree
from budwood.data.sources.hub import is_saved, read_hub, read_saved
from budwood.data.sources.layout import is_asked
from budwood.data.sources.memory import read_arrays, read_python
from budwood.data.sources.object_tree import ObjectTree, local_copy, numbered
from budwood.data.sources.parquet import read_parquet
from budwood.data.sources.schemes import refuse_unknown_scheme
from budwood.data.sources.table import split_names, split_words
from budwood.data.sources.tfds import read_tfds
from budwood.data.sources.tree import DiskTree, Tree
from budwood.data.sources.webdataset import CLASS_NAMES, SHARD_ENDINGS, is_webdataset, read_shards
from budwood.storage.place import Place, is_address, read_place, without_secrets

__all__ = [
    "FILES",
    "FOLDERS",
    "SCHEMES",
    "FileKind",
    "FolderKind",
    "Source",
    "read_arrays",
    "read_folder",
    "read_source",
    "read_tfds",
    "source_name",
]


@dataclass(frozen=True)
class Source:
    """A kind of source that is named `SCHEME:...`."""

    read: Callable[[str, Data, Progress], Manifest]
    """Lists the photos as the recipe's [data] asks; decodes none. Raise DataError."""
    name: Callable[[str], str]
    """Gives the data set's name, for files."""


@dataclass(frozen=True)
class FileKind:
    """A kind of file that names photos, or holds them."""

    endings: tuple[str, ...]
    read: Callable[[Tree, str, Data, Progress], Manifest]
    """Lists the photos of a file, by its name in a tree. Raise DataError."""


@dataclass(frozen=True)
class FolderKind:
    """A kind of folder that is known by what lies in it."""

    name: str
    find: Callable[[Tree], Sequence[str]]
    """Gives the names of the files by which it is known; none where it is another kind."""
    read: Callable[[Tree, Sequence[str], Data, Progress], Manifest]
    """Lists the photos. Raise DataError."""
    holds_pictures: bool = False
    """Whether the pictures are inside of those files: the folders around them say nothing then."""


SCHEMES: dict[str, Source] = {
    "tfds": Source(
        # On Windows a Path has turned the slash before a configuration.
        lambda dataset, settings, progress: read_tfds(dataset.replace("\\", "/"), progress=progress),
        lambda dataset: dataset.replace("\\", "/").partition(":")[0].replace("/", "-"),
    ),
    "hf": Source(
        lambda name, settings, progress: read_hub(name.replace("\\", "/"), settings, progress),
        lambda name: name.replace("\\", "/").partition(":")[0].partition("@")[0].replace("/", "-"),
    ),
}
"""The sources that are named `SCHEME:...`; every command takes them."""

FILES: tuple[FileKind, ...] = (
    FileKind(
        tuple(TEXT_ENDINGS),
        lambda tree, name, settings, progress: read_text_table(
            tree, name, settings, TEXT_ENDINGS[os.path.splitext(name)[1].lower()]
        ),
    ),
    FileKind(
        (".json",), lambda tree, name, settings, progress: read_json_annotations(tree, [name], settings)
    ),
    FileKind((".xml",), lambda tree, name, settings, progress: read_cvat(tree, name, settings)),
    FileKind(
        (".parquet",),
        lambda tree, name, settings, progress: read_parquet(
            [_path(tree, name, progress)], title_of(tree, name), settings, progress, _found_in(tree, [name])
        ),
    ),
)
"""The files that name photos; every command takes them."""

FOLDERS: tuple[FolderKind, ...] = (
    FolderKind(
        "a data set that Hugging Face saved",
        lambda tree: ["."] if isinstance(tree, DiskTree) and is_saved(tree.root) else [],
        lambda tree, names, settings, progress: read_saved(tree.title, settings, progress),
        holds_pictures=True,
    ),
    FolderKind(
        "Parquet files",
        lambda tree: _only(tree, (".parquet",)),
        lambda tree, names, settings, progress: read_parquet(
            [_path(tree, name, progress) for name in names],
            tree.title,
            settings,
            progress,
            _found_in(tree, names),
        ),
        holds_pictures=True,
    ),
    FolderKind(
        "shards of WebDataset",
        lambda tree: _only(tree, SHARD_ENDINGS),
        lambda tree, names, settings, progress: read_shards(
            _shards(tree, names, progress), tree.title, settings, progress
        ),
        holds_pictures=True,
    ),
    FolderKind(
        "metadata of an imagefolder",
        lambda tree: _files_at(tree, "metadata.jsonl") or _files_at(tree, "metadata.csv"),
        lambda tree, names, settings, progress: _read_metadata(tree, names, settings),
    ),
    FolderKind(
        "annotations of CVAT",
        lambda tree: _files_at(tree, "annotations.xml"),
        lambda tree, names, settings, progress: read_cvat(tree, names[0], settings),
    ),
    FolderKind(
        "annotations of COCO or Datumaro",
        lambda tree: _annotations(tree),
        lambda tree, names, settings, progress: read_json_annotations(tree, names, settings),
    ),
)
"""The folders that are more than folders of classes, in the order in which they are looked for."""

_TABLES = tuple(ending for kind in FILES for ending in kind.endings)


def read_source(source: Any, settings: Data | None = None, *, progress: Progress = SILENT) -> Manifest:
    """Return the manifest of what holds labelled photos.

    Args:
        source: a folder, a table, an archive, an export of annotations or `SCHEME:...`; or photos from Python, see
            `budwood.data.sources.memory.read_python`. A manifest is passed on.
        settings: the recipe's [data], which says how to read where that is not certain; None are the defaults.
        progress: what to tell meanwhile.

    Raise DataError where there is nothing to list, or more than one way to read it.
    """
    settings = settings or Data()
    found = _read(source, settings, progress)
    if settings.task == "multi-label":
        return as_multi_label(found)
    if settings.task == "single-label" and found.multi_label:
        raise DataError(
            f'{found.name} has several labels a photo, and data.task = "single-label" expects one. Leave data.task out'
        )
    return found


def _read(source: Any, settings: Data, progress: Progress) -> Manifest:
    if isinstance(source, Manifest):
        return source
    if not isinstance(source, str | os.PathLike):
        return read_python(source, settings)
    text = os.fspath(source)
    if is_address(text):
        return _read_address(read_place(text), settings, progress)
    scheme, colon, rest = text.partition(":")
    if colon and scheme in SCHEMES:
        return SCHEMES[scheme].read(rest, settings, progress)
    if os.path.isfile(text):
        return _read_file(text, settings, progress)
    if os.path.isdir(text):
        return _read_tree(DiskTree(text), settings, progress)
    if re.match("https?:/", text):
        raise DataError(
            f"{without_secrets(text)} is an address of the web, and Budwood reads files. Download what is there, and "
            "give the folder, the table or the archive"
        )
    refuse_unknown_scheme(text, SCHEMES)
    if archive := _archive_above(text):
        return _read_inside(archive, text, settings, progress)
    return read_folder(text, settings)


def source_name(source: Any) -> str:
    """Return what to call a training on this source: the name of the folder, the file or the data set.

    >>> source_name("photos/flowers/"), source_name("tfds:cifar10:3.0.2"), source_name("flowers.tar.gz")
    ('flowers', 'cifar10', 'flowers')
    """
    if isinstance(source, Manifest):
        return source.name or "run"
    if not isinstance(source, str | os.PathLike):
        return "photos"
    text = os.fspath(source)
    scheme, colon, rest = text.partition(":")
    if colon and scheme in SCHEMES:
        return SCHEMES[scheme].name(rest) or "run"
    name = Path(text).resolve().name
    ending = next(
        (one for one in sorted((*ENDINGS, *_TABLES), key=len, reverse=True) if name.lower().endswith(one)), ""
    )
    return name[: len(name) - len(ending)] or "run"


def _read_file(path: str, settings: Data, progress: Progress) -> Manifest:
    kind = _kind_of_file(path)
    if kind is not None:
        folder, name = os.path.split(path)
        return kind.read(DiskTree(folder or "."), name, settings, progress)
    if is_archive(path):
        return _read_archive(path, path, settings, progress)
    raise DataError(
        f"{path} is a file of a kind that is not read. Expected a folder of class folders, a table "
        f"({', '.join(_TABLES)}) or an archive ({', '.join(ENDINGS)})"
    )


def _read_archive(path: str, title: str, settings: Data, progress: Progress) -> Manifest:
    tree = open_archive(path, progress)
    tree.title = title
    if path.lower().endswith(SHARD_ENDINGS) and is_webdataset(tree):
        return read_shards([path], title, settings, progress)
    return _read_tree(tree.unwrapped(), settings, progress)


def _read_address(place: Place, settings: Data, progress: Progress) -> Manifest:
    """Return the manifest of what lies in object storage: a table, an archive, or a prefix of class folders."""
    if place.scheme == "file":
        return _read(place.key, settings, progress)
    if names := numbered(place.base):
        if not place.base.endswith(SHARD_ENDINGS):
            raise DataError(
                f"{place} numbers files of a kind that is not. Expected shards: {', '.join(SHARD_ENDINGS)}"
            )
        shards = _shards(ObjectTree(place.above, progress), names, progress)
        try:
            return read_shards(shards, str(place), settings, progress)
        except DataError as error:
            # Of the copies here nobody knows, and there is nothing to mend at them.
            words = str(error)
            for copy, name in zip(shards, names, strict=True):
                words = words.replace(str(copy), str(place.above.below(name)))
            raise DataError(words) from error
    kind = _kind_of_file(place.base)
    if kind is not None:
        return kind.read(ObjectTree(place.above, progress), place.base, settings, progress)
    if is_archive(place.base):
        return _read_archive(local_copy(place.above, place.base, progress), str(place), settings, progress)
    return _read_tree(ObjectTree(place, progress), settings, progress)


def _archive_above(path: str) -> str | None:
    """Return the archive in which a path leads, None where it leads in none."""
    return next((str(one) for one in Path(path).parents if is_archive(one) and os.path.isfile(one)), None)


def _read_inside(archive: str, path: str, settings: Data, progress: Progress) -> Manifest:
    """Return the manifest of a table or an export in an archive, such as photos.zip/labels.csv."""
    name = os.path.relpath(path, archive).replace(os.sep, "/")
    whole = open_archive(archive, progress)
    kind = _kind_of_file(name)
    for tree in (whole.unwrapped(), whole):
        if kind is not None and name in tree:
            return kind.read(tree, name, settings, progress)
    tables = [one for one in whole.unwrapped().files() if one.lower().endswith(_TABLES)]
    there = f"There is {tables[0]!r}" if tables else "There is none"
    raise DataError(
        f"{archive} holds no table or export {name!r} ({', '.join(_TABLES)}). {there}. Without one, give {archive} "
        "itself"
    )


def _read_tree(tree: DiskTree | ArchiveTree | ObjectTree, settings: Data, progress: Progress) -> Manifest:
    """Return the manifest of a folder, or of an archive, by what lies in it."""
    for kind in FOLDERS:
        # A reading of folders that is asked for leaves no other.
        if is_asked(settings) and (settings.layout != "auto" or not kind.holds_pictures):
            continue
        if names := list(kind.find(tree)):
            found = kind.read(tree, names, settings, progress)
            _refuse_other_reading(tree, kind, names, found, settings)
            return found
    try:
        return read_tree(tree, settings)
    except DataError as error:
        for name in items_of(tree, "annotations"):
            value = read_json(tree, name)
            if not is_annotations(value):
                why = f"{title_of(tree, name)} cannot be read: {why_none(value)}"
                raise DataError(f"{why}. Without it: {error}") from error
        files = tree.files() if isinstance(tree, ArchiveTree) else _names_at(tree, "")
        if tables := [name for name in files if name.lower().endswith(_TABLES)]:
            first = min(tables, key=lambda name: name.count("/"))
            raise DataError(
                f"{error}. There is {first!r} in it: give {title_of(tree, first)} to read the labels from that"
            ) from error
        if archives := [name for name in files if is_archive(name)]:
            give = (
                f"give {title_of(tree, archives[0])}"
                if not isinstance(tree, ArchiveTree)
                else f"unpack that, and give {archives[0]}"
            )
            raise DataError(f"{error}. There is {archives[0]!r} in it: {give}") from error
        raise


def _refuse_other_reading(
    tree: Tree, kind: FolderKind, names: Sequence[str], found: Manifest, settings: Data
) -> None:
    """Raise DataError where the folders of the photos say other classes than the file that was read."""
    if kind.holds_pictures:
        return
    try:
        other = read_tree(tree, settings)
    except DataError:
        return
    labels = {photo.name: photo.label for photo in other.photos}
    for photo in found.photos:
        if labels.get(photo.name, photo.label) != photo.label:
            raise DataError(
                f"{tree.title} can be read in two ways: {names[0]} says that {photo.name!r} is {photo.label!r}, and "
                f"its folder says {labels[photo.name]!r}. Give --layout {other.reading.layout or 'classes'} for the "
                f"folders, or {title_of(tree, names[0])} for the file"
            )


def _kind_of_file(name: str) -> FileKind | None:
    return next((kind for kind in FILES if name.lower().endswith(kind.endings)), None)


def _read_metadata(tree: Tree, names: Sequence[str], settings: Data) -> Manifest:
    """Return the manifest of an imagefolder: one table, or one in the folder of each split."""
    ending = os.path.splitext(names[0])[1]
    parts = [read_text_table(tree, name, settings, TEXT_ENDINGS[ending]) for name in names]
    if len(parts) == 1:
        return replace(parts[0], reading=replace(parts[0].reading, layout="imagefolder"))
    splits = split_words((name.partition("/")[0] for name in names), split_names(settings.split_folders))
    photos: list[Photo] = []
    for name, part in zip(names, parts, strict=True):
        split = splits.get(name.partition("/")[0])
        photos += [replace(photo, split=photo.split or split) for photo in part.photos]
    classes = tuple(sorted({label for photo in photos for label in photo.each_label}))
    reading = replace(parts[0].reading, layout="imagefolder")
    return Manifest(tuple(photos), classes, reading=reading)


def _annotations(tree: Tree) -> list[str]:
    names = list(items_of(tree, "annotations"))
    return names if names and all(is_annotations(read_json(tree, name)) for name in names) else []


def _only(tree: Tree, endings: tuple[str, ...]) -> list[str]:
    """Return the files of these endings, where a folder holds nothing else that could be photos."""
    if isinstance(tree, ArchiveTree):
        return []
    names = _names_at(tree, "")
    found = [name for name in names if name.lower().endswith(endings)]
    folders = [
        entry.name for entry in tree.entries("") if entry.kind == "folder" and not entry.base.startswith(".")
    ]
    if found and not folders:
        return found
    below = [name for folder in folders for name in _names_at(tree, folder)]
    inside = [name for name in below if name.lower().endswith(endings)]
    return inside if inside and len(inside) == len(below) and not found else []


def _files_at(tree: Tree, base: str) -> list[str]:
    """Return the file of that name at the root, or those in the folders there."""
    if base in _names_at(tree, ""):
        return [base]
    folders = [entry.name for entry in tree.entries("") if entry.kind == "folder"]
    return [f"{folder}/{base}" for folder in folders if f"{folder}/{base}" in _names_at(tree, folder)]


def _names_at(tree: Tree, folder: str) -> list[str]:
    try:
        entries = tree.entries(folder)
    except OSError:
        return []
    return [entry.name for entry in entries if entry.kind == "file" and not entry.base.startswith(".")]


def _path(tree: Tree, name: str, progress: Progress = SILENT) -> str:
    """Return where a file lies on disk; what lies in object storage is copied into the cache first."""
    if isinstance(tree, ObjectTree):
        return local_copy(tree.place, name, progress)
    if not isinstance(tree, DiskTree):
        raise DataError(f"{title_of(tree, name)} lies in an archive. Unpack it, and give the file")
    return os.path.join(os.path.dirname(tree.path(name)), os.path.basename(name))


def _shards(tree: Tree, names: Sequence[str], progress: Progress) -> list[str]:
    """Return where shards lie on disk, with the list of class names beside them."""
    if isinstance(tree, ObjectTree):
        for folder in {name.rpartition("/")[0] for name in names}:
            for entry in tree.entries(folder):
                if entry.base in CLASS_NAMES:
                    local_copy(tree.place, entry.name, progress)
    return [_path(tree, name, progress) for name in names]


def _found_in(tree: Tree, names: Sequence[str]) -> tuple[Tree, str] | None:
    """Return the tree and the folder in it from which the paths of a table count; None where that is its own folder."""
    return (tree, names[0].rpartition("/")[0]) if isinstance(tree, ObjectTree) else None
