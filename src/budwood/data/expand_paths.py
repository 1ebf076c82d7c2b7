"""What a person names on the command line, as pictures in the order in which they were named."""

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from budwood.core.errors import DataError, ImageError
from budwood.data.inspection import measure
from budwood.data.manifest import PassedOver
from budwood.data.sources.left import count_unread
from budwood.data.sources.tree import DiskTree
from budwood.data.sources.walk import Walk

# What no list of files has, and every format of pictures has early.
_CONTROL = bytes(set(range(32)) - set(b"\0\t\n\r"))


class Expanded(list[tuple[str, Path | bytes]]):
    """Names and pictures, in order."""

    passed_over: tuple[PassedOver, ...] = ()
    """What lies in the folders and is not read, by kind and folder."""


def expand(arguments: Sequence[str], read_standard_input: Callable[[], bytes]) -> Expanded:
    """Return name and picture of everything that the arguments name: files, folders (walked), globs, `-`.

    Standard input is one picture, or a list of files and folders, one a line (or separated by NUL).
    What is missing or unreadable stays in the list, so that predicting it says so in its place, and so does a
    folder without pictures.

    Raise DataError when there is nothing at all.
    """
    passed_over: list[PassedOver] = []
    found = Expanded(
        item for argument in arguments for item in _expand_one(argument, read_standard_input, passed_over)
    )
    found.passed_over = tuple(passed_over)
    if not found:
        raise DataError(
            "no picture was named. Give files, folders, patterns such as 'photos/*.jpg', or - for standard input"
        )
    return found


def _expand_one(
    argument: str, read_standard_input: Callable[[], bytes], passed_over: list[PassedOver]
) -> Iterator[tuple[str, Path | bytes]]:
    if argument == "-":
        yield from _from_stream(read_standard_input(), passed_over)
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


def _from_stream(content: bytes, passed_over: list[PassedOver]) -> Iterator[tuple[str, Path | bytes]]:
    if _is_picture(content):
        yield "standard input", content
        return
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
