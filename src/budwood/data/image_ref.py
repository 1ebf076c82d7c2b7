"""A picture that can be read later: what a source hands out in place of pixels."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable


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


if TYPE_CHECKING:
    _Path = Path
else:
    # Of the class that this system makes; from Python 3.12 on `Path` alone would do.
    _Path = type(Path())


class ImageFile(_Path):
    """A picture in a file: a path, so that Pillow opens it directly and reads no more of it than it needs.

    >>> ImageFile("photos/cats/1.jpg").name
    '1.jpg'
    """

    def read(self) -> bytes:
        return self.read_bytes()


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
