"""What a person names on the command line, as pictures in the order in which they were named."""

import glob
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from budwood.data.images import IMAGE_SUFFIXES
from budwood.errors import DataError


def expand(arguments: Sequence[str], standard_input: BinaryIO) -> list[tuple[str, Path | bytes]]:
    """Name and picture of everything that the arguments name: files, folders (walked), globs, `-`.

    Standard input is one picture, or a list of paths, one a line (or separated by NUL).
    A file that is missing stays in the list, so that predicting it says so in its place.

    Raises DataError when there is nothing at all, or a folder or a pattern holds no picture.
    """
    found = [item for argument in arguments for item in _expand_one(argument, standard_input)]
    if not found:
        raise DataError(
            "no picture was named. Give files, folders, patterns such as 'photos/*.jpg', or - for standard input"
        )
    return found


def _expand_one(argument: str, standard_input: BinaryIO) -> Iterator[tuple[str, Path | bytes]]:
    if argument == "-":
        yield from _from_stream(standard_input.read())
    elif os.path.isdir(argument):
        yield from _from_folder(Path(argument))
    elif not os.path.lexists(argument) and glob.has_magic(argument):
        matches = sorted(glob.glob(argument, recursive=True))
        if not matches:
            raise DataError(f"nothing matches the pattern {argument}. Check it, or name the files")
        for match in matches:
            if os.path.isfile(match):
                yield match, Path(match)
    else:
        yield argument, Path(argument)


def _from_folder(folder: Path) -> Iterator[tuple[str, Path]]:
    paths = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [
            os.path.join(place, name)
            for name in names
            if not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES
        ]
    if not paths:
        raise DataError(f"the folder {folder} holds no pictures")
    for path in sorted(paths):
        yield path, Path(path)


def _from_stream(content: bytes) -> Iterator[tuple[str, Path | bytes]]:
    if _is_picture(content):
        yield "standard input", content
        return
    separator = b"\0" if b"\0" in content else b"\n"
    for line in content.split(separator):
        name = os.fsdecode(line.rstrip(b"\r") if separator == b"\n" else line)
        if name:
            yield name, Path(name)


def _is_picture(content: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(content)):
            return True
    except Image.DecompressionBombError:
        return True
    except (OSError, SyntaxError, ValueError):
        return False
