"""A picture that can be read later: what a source hands out in place of pixels."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class ImageRef(Protocol):
    """A picture that can be read later, as often as is asked, by another process too: it can be pickled.

    `tests/data/test_image_ref.py` says what an implementation must do.
    """

    @property
    def name(self) -> str:
        """For messages, such as the file's name."""
        ...

    def read(self) -> bytes:
        """Return the encoded picture, the same bytes every time. Raise OSError or ImageError where it is gone."""
        ...


class ImageFile:
    """A picture in a file: a path, so that Pillow opens it directly and reads no more of it than it needs.

    It has what `pathlib.Path` has and is equal to it, but takes 48 bytes in place of 600.

    >>> ImageFile("photos", "cats/1.jpg").name, os.fspath(ImageFile("photos", "cats/1.jpg"))
    ('1.jpg', 'photos/cats/1.jpg')
    """

    __slots__ = ("_below", "_place")

    def __init__(self, place: str | os.PathLike[str], below: str = ""):
        self._place, self._below = os.fspath(place), below

    @property
    def name(self) -> str:
        return os.path.basename(os.fspath(self))

    def read(self) -> bytes:
        with open(self, "rb") as file:
            return file.read()

    def __fspath__(self) -> str:
        return os.path.join(self._place, self._below) if self._below else self._place

    def __str__(self) -> str:
        return os.fspath(self)

    def __repr__(self) -> str:
        return f"ImageFile({os.fspath(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImageFile | Path) and Path(self) == Path(other)

    def __hash__(self) -> int:
        return hash(Path(self))

    def __getattr__(self, name: str) -> Any:
        """Return what a `pathlib.Path` has of that name, such as `suffix`, `parent` and `exists`."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(Path(self), name)


@dataclass(frozen=True)
class ImageBytes:
    """An encoded picture in memory.

    >>> ImageBytes(b"GIF89a", "1.gif").read()
    b'GIF89a'
    """

    content: bytes = field(repr=False)
    name: str = ""

    def read(self) -> bytes:
        return self.content


@dataclass(frozen=True)
class ImageSlice:
    """An encoded picture that is a stretch of a larger file, such as one of an archive that is not compressed.

    The file is opened at every reading, so it can be read by several threads, by a process that was forked, and by
    another that was sent it.

    >>> ImageSlice("photos.tar", 512, 3000, "1.jpg").name
    '1.jpg'
    """

    file: str
    offset: int
    size: int
    name: str = ""

    def read(self) -> bytes:
        with open(self.file, "rb") as opened:
            opened.seek(self.offset)
            content = opened.read(self.size)
        if len(content) < self.size:
            raise OSError(f"{self.file} is shorter than when it was listed")
        return content
