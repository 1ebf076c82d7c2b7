"""What a person names on the command line, as pictures in the order in which they were named."""

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from budwood.core.errors import DataError, ImageError
from budwood.data.images import IMAGE_SUFFIXES, measure

# What no list of files has, and every format of pictures has early.
_CONTROL = bytes(set(range(32)) - set(b"\0\t\n\r"))


def expand(
    arguments: Sequence[str], read_standard_input: Callable[[], bytes]
) -> list[tuple[str, Path | bytes]]:
    """Name and picture of everything that the arguments name: files, folders (walked), globs, `-`.

    Standard input is one picture, or a list of files and folders, one a line (or separated by NUL).
    What is missing or unreadable stays in the list, so that predicting it says so in its place, and so does a
    folder without pictures.

    Raises DataError when there is nothing at all.
    """
    found = [item for argument in arguments for item in _expand_one(argument, read_standard_input)]
    if not found:
        raise DataError(
            "no picture was named. Give files, folders, patterns such as 'photos/*.jpg', or - for standard input"
        )
    return found


def _expand_one(
    argument: str, read_standard_input: Callable[[], bytes]
) -> Iterator[tuple[str, Path | bytes]]:
    if argument == "-":
        yield from _from_stream(read_standard_input())
    elif not os.path.lexists(argument) and glob.has_magic(argument):
        # `**` gives folders and what is in them, which must not be taken twice.
        matches = [
            match
            for match in sorted(glob.glob(argument, recursive=True))
            if "**" not in argument or not os.path.isdir(match)
        ]
        for match in matches or [argument]:
            yield from _from_path(match)
    else:
        yield from _from_path(argument)


def _from_path(name: str) -> Iterator[tuple[str, Path]]:
    if not os.path.isdir(name):
        yield name, Path(name)
        return
    paths: list[str] = []
    unreadable: list[OSError] = []
    for place, folders, names in os.walk(name, onerror=unreadable.append):
        folders[:] = [folder for folder in folders if not folder.startswith(".")]
        paths += [
            os.path.join(place, file)
            for file in names
            if not file.startswith(".") and Path(file).suffix.lower() in IMAGE_SUFFIXES
        ]
    paths += [error.filename for error in unreadable]
    for path in sorted(paths) or [name]:
        yield path, Path(path)


def _from_stream(content: bytes) -> Iterator[tuple[str, Path | bytes]]:
    if _is_picture(content):
        yield "standard input", content
        return
    separator = b"\0" if b"\0" in content else b"\n"
    for line in content.split(separator):
        name = os.fsdecode(line.rstrip(b"\r") if separator == b"\n" else line)
        if name:
            yield from _from_path(name)


def _is_picture(content: bytes) -> bool:
    if not content:
        return False
    try:
        measure(content)
    except ImageError as error:
        # A damaged picture, or one of a format that is not read, is still no list.
        return error.kind != "not_an_image" or len(content.translate(None, _CONTROL)) < len(content)
    return True
