"""What a person names on the command line, as pictures in the order in which they were named."""

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from budwood.config.data import Data
from budwood.core.errors import DataError, ImageError
from budwood.core.progress.base import SILENT, Progress
from budwood.data.images import IMAGE_SUFFIXES, ImageLike
from budwood.data.inspection import measure
from budwood.data.manifest import PassedOver
from budwood.data.sources.left import count_unread
from budwood.data.sources.object_tree import ObjectTree
from budwood.data.sources.tree import DiskTree
from budwood.data.sources.unlabelled import is_table, read_table_of_pictures
from budwood.data.sources.walk import Walk
from budwood.data.stored_image import StoredImage
from budwood.storage.place import Place, is_address, read_place

# What no list of files has, and every format of pictures has early.
_CONTROL = bytes(set(range(32)) - set(b"\0\t\n\r"))


class Expanded(list[tuple[str, ImageLike]]):
    """Names and pictures, in order."""

    passed_over: tuple[PassedOver, ...] = ()
    """What lies in the folders and is not read, by kind and folder."""


def expand(
    arguments: Sequence[str],
    read_standard_input: Callable[[], bytes],
    *,
    paths_from: str | None = None,
    settings: Data | None = None,
    progress: Progress = SILENT,
) -> Expanded:
    """Return name and picture of everything that the arguments name: files, folders (walked), globs, tables, `-`.

    Standard input is one picture, or a list of files and folders, one a line (or separated by NUL).
    What is missing or unreadable stays in the list, so that predicting it says so in its place, and so does a
    folder without pictures.

    Args:
        arguments: what was named.
        read_standard_input: called for `-`.
        paths_from: a file with a list of files and folders, as standard input may be one; `-` is standard input, and a
            list whatever it holds.
        settings: how tables are read.
        progress: told where pictures of a table are unpacked.

    Raise DataError when there is nothing at all, for a table that cannot be read, or one beside other pictures: it may
    name them again.
    """
    tables = [argument for argument in arguments if is_table(argument) and os.path.isfile(argument)]
    if tables and (len(tables) < len(arguments) or paths_from is not None):
        raise DataError(
            f"{tables[0]} is a table of pictures, and others are named beside it, which it may name again. Give the "
            "table alone"
        )
    passed_over: list[PassedOver] = []
    if tables:
        found = Expanded(row for table in tables for row in read_table_of_pictures(table, settings, progress))
    else:
        found = Expanded(
            item for argument in arguments for item in _expand_one(argument, read_standard_input, passed_over)
        )
        if paths_from is not None:
            content = read_standard_input() if paths_from == "-" else _read_list(paths_from)
            found += _from_list(content, passed_over)
    found.passed_over = tuple(passed_over)
    if not found:
        raise DataError(
            "no picture was named. Give files, folders, patterns such as 'photos/*.jpg', a table, or - for standard "
            "input"
        )
    return found


def _read_list(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(
            f"cannot read the list {path} ({error.strerror}). Give a file with a path a line, or - for standard input"
        ) from error


def _expand_one(
    argument: str, read_standard_input: Callable[[], bytes], passed_over: list[PassedOver]
) -> Iterator[tuple[str, ImageLike]]:
    if argument == "-":
        content = read_standard_input()
        if _is_picture(content):
            yield "standard input", content
        else:
            yield from _from_list(content, passed_over)
    elif is_address(argument):
        yield from _from_storage(read_place(argument), passed_over)
    elif not os.path.lexists(argument) and glob.has_magic(argument):
        # `**` gives folders and what is in them, which must not be taken twice.
        matches = [
            match
            for match in sorted(glob.glob(argument, recursive=True))
            if "**" not in argument or not os.path.isdir(match)
        ]
        for match in matches or [argument]:
            yield from _from_path(match, passed_over)
    else:
        yield from _from_path(argument, passed_over)


def _from_path(name: str, passed_over: list[PassedOver]) -> Iterator[tuple[str, Path]]:
    if not os.path.isdir(name):
        yield name, Path(name)
        return
    walk = Walk(DiskTree(name))
    paths = [os.path.join(name, file.name) for file in walk.top.every()]
    paths += [os.path.join(name, problem.path) for problem in walk.problems if problem.kind == "unreadable"]
    for path in sorted(paths) or [name]:
        yield path, Path(path)
    passed_over += [
        replace(one, place=name if one.place == "." else os.path.join(name, one.place))
        for one in count_unread(walk.unread)
    ]


def _from_storage(place: Place, passed_over: list[PassedOver]) -> Iterator[tuple[str, ImageLike]]:
    """Yield a picture in object storage, or those below a prefix."""
    if is_table(place.base):
        raise DataError(
            f"{place} is a table in object storage, and tables of what is to be predicted are read from files. "
            "Download it; the pictures may stay where they are (--allow-uri)"
        )
    if place.scheme == "file":
        yield from _from_path(place.key, passed_over)
        return
    if place.base.lower().endswith(IMAGE_SUFFIXES):
        yield str(place), StoredImage(place.above, place.base)
        return
    walk = Walk(ObjectTree(place))
    names = [file.name for file in walk.top.every()]
    if not names:
        raise DataError(f"{place} holds no pictures. Give a prefix with pictures below it")
    for name in names:
        yield str(place.below(name)), walk.tree.image(name)
    passed_over += [
        replace(one, place=str(place) if one.place == "." else str(place.below(one.place)))
        for one in count_unread(walk.unread)
    ]


def _from_list(content: bytes, passed_over: list[PassedOver]) -> Iterator[tuple[str, Path]]:
    separator = b"\0" if b"\0" in content else b"\n"
    for line in content.split(separator):
        name = os.fsdecode(line.rstrip(b"\r") if separator == b"\n" else line)
        if name:
            yield from _from_path(name, passed_over)


def _is_picture(content: bytes) -> bool:
    if not content:
        return False
    try:
        measure(content)
    except ImageError as error:
        # A damaged picture, or one of a format that is not read, is still no list.
        return error.kind != "not_an_image" or len(content.translate(None, _CONTROL)) < len(content)
    return True
