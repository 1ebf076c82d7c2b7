"""Shards of WebDataset: TAR files in which photos lie beside their classes, `0012.jpg` and `0012.cls` or `.json`."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.core.progress.base import SILENT, Progress
from budwood.core.text import shown
from budwood.data.images import IMAGE_SUFFIXES
from budwood.data.manifest import Manifest
from budwood.data.sources.archive import ArchiveTree, open_archive
from budwood.data.sources.columns import Columns, choose_columns
from budwood.data.sources.delimited import parse_json
from budwood.data.sources.label_values import LabelForm
from budwood.data.sources.table import Row, Table, read_table, split_names, split_words
from budwood.data.sources.tree import DiskTree

SHARD_ENDINGS = (".tar", ".tar.gz", ".tgz")
_CLASSES = ("cls", "json")
CLASS_NAMES = ("classnames.txt", "classes.txt", "class_names.txt")
_LARGEST_NOTE = 1_000_000
_SHARD = re.compile(r"(?P<split>[A-Za-z]+)")
_ROLES = ("split", "group", "weight")


def samples_of(tree: ArchiveTree) -> dict[str, dict[str, str]]:
    """Return the files of each sample by ending: what a name has before the first dot is what they share."""
    samples: dict[str, dict[str, str]] = {}
    for name in tree.files():
        folder, _, base = name.rpartition("/")
        if base.startswith("."):
            continue
        stem, _, ending = base.partition(".")
        samples.setdefault(f"{folder}/{stem}" if folder else stem, {})[ending.lower()] = name
    return samples


def is_webdataset(tree: ArchiveTree) -> bool:
    """Return whether every picture in an archive has its class beside it."""
    pictures = [files for files in samples_of(tree).values() if _picture(files)]
    if not pictures:
        return False
    if all("cls" in files for files in pictures):
        return True
    if not all("json" in files for files in pictures):
        return False
    try:
        first = _note(tree, pictures[0]["json"], tree.title)
    except DataError:
        return False
    return isinstance(first, dict) and any(name in first for name in ("label", "cls", "class"))


def read_shards(paths: Sequence[str], title: str, settings: Data, progress: Progress = SILENT) -> Manifest:
    """Return the manifest of one shard or more. Their split is what their names, or those of their folders, begin with.

    Classes are numbered; where a file of class names (classnames.txt, one a line) lies beside the shards, they have
    names.

    Raise DataError where a shard is damaged, or a picture has no class.
    """
    trees = {path: open_archive(path, progress) for path in sorted(map(os.path.abspath, paths))}
    asked = split_names(settings.split_folders)
    parts = {path: _split_of(path, asked) for path in trees}
    if len(set(parts.values())) > 1 and None in parts.values():
        unnamed = next(path for path, split in parts.items() if split is None)
        raise DataError(
            f"{title}: the names of some shards say their split, and that of {os.path.basename(unnamed)} does not. "
            "Name all alike, such as train-0000.tar and test-0000.tar"
        )
    samples = [
        (path, key, files)
        for path, tree in trees.items()
        for key, files in samples_of(tree).items()
        if _picture(files)
    ]
    if not samples:
        raise DataError(f"{title} holds no pictures. Expected samples such as 000012.jpg with 000012.cls")
    columns = _columns(trees[samples[0][0]], samples[0][2], title, settings)
    if any(parts.values()):
        columns = Columns({**columns.chosen, "split": "split"}, columns.others)

    top = os.path.commonpath([os.path.dirname(path) for path in trees])

    def rows() -> Iterator[Row]:
        for path, key, files in samples:
            tree, shard = trees[path], os.path.relpath(path, top).replace(os.sep, "/")
            picture = _picture(files)
            name = f"{shard}/{picture}" if len(trees) > 1 else str(picture)
            values = _said(tree, files, f"{title}, {shard}: {shown(key)!r}")
            if parts[path]:
                values["split"] = parts[path]
            yield Row(f"{shard}: {shown(key)!r}", values, tree.image(str(picture)), name)

    return read_table(
        Table(
            title,
            "webdataset",
            columns,
            rows(),
            class_names=_class_names(os.path.dirname(next(iter(trees)))),
            form=LabelForm.of(settings),
            split_names=asked,
        )
    )


def _picture(files: dict[str, str]) -> str | None:
    return next(
        (name for ending, name in files.items() if f".{ending.rpartition('.')[2]}" in IMAGE_SUFFIXES), None
    )


def _columns(tree: ArchiveTree, files: dict[str, str], title: str, settings: Data) -> Columns:
    header = list(_said(tree, files, title))
    asked: dict[Any, str] = {role: column for role, column in settings.columns.items() if role != "path"}
    if "cls" in files:
        asked.setdefault("label", "cls")
    # The picture is there already; a column of paths says where it once lay.
    found = choose_columns(header, asked, title, needed=("label",))
    others = tuple(
        name for name in header if name not in {found.chosen[role] for role in found.chosen if role != "path"}
    )
    return Columns({role: column for role, column in found.chosen.items() if role != "path"}, others)


def _said(tree: ArchiveTree, files: dict[str, str], title: str) -> dict[str, object]:
    """Return what lies beside a picture, by name."""
    values: dict[str, object] = {}
    if "json" in files:
        note = _note(tree, files["json"], title)
        if not isinstance(note, dict):
            raise DataError(f"{title}: its .json is of type {type(note).__name__}. Expected an object")
        values |= {key: value for key, value in note.items() if not isinstance(value, dict)}
    if "cls" in files:
        text = _text(tree, files["cls"], title).strip()
        values["cls"] = int(text) if re.fullmatch(r"-?\d{1,9}", text) else text
    if not values:
        raise DataError(f"{title} has no class beside it. Expected a .cls or a .json of the same name")
    return values


def _note(tree: ArchiveTree, name: str, title: str) -> object:
    return parse_json(_text(tree, name, title), title)


def _text(tree: ArchiveTree, name: str, title: str) -> str:
    image = tree.image(name)
    if getattr(image, "size", 0) > _LARGEST_NOTE:
        raise DataError(f"{title}: {shown(name)!r} is of more than {_LARGEST_NOTE:,} bytes. Expected a class")
    try:
        return image.read().decode("utf-8")
    except OSError as error:
        raise DataError(f"{title}: {shown(name)!r} cannot be read ({error})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{title}: {shown(name)!r} is not UTF-8, byte {error.start}") from error


def _class_names(folder: str) -> list[str] | None:
    tree = DiskTree(folder)
    for name in CLASS_NAMES:
        path = tree.path(name)
        if os.path.isfile(path):
            try:
                with open(path, encoding="utf-8-sig") as file:
                    return [line.strip() for line in file.read(10_000_000).splitlines() if line.strip()]
            except (OSError, UnicodeDecodeError) as error:
                raise DataError(f"{path} cannot be read as a list of class names ({error})") from error
    return None


def _split_of(path: str, asked: Mapping[str, str]) -> str | None:
    """Return what the name of a shard, or of its folder, begins with, where that names a split."""
    for part in (os.path.basename(path), os.path.basename(os.path.dirname(path))):
        match = _SHARD.match(part)
        if match and split_words([match["split"]], asked):
            return match["split"]
    return None
