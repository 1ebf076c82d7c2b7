"""The files of a TAR archive: stretches of it, or where it is compressed of what it unpacks to in the cache."""

import bz2
import gzip
import lzma
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

from budwood.core.errors import DataError
from budwood.core.progress.base import Progress
from budwood.core.text import shown
from budwood.data.image_ref import ImageSlice
from budwood.data.sources.members import Member, link_refusal, refuse_growth
from budwood.data.sources.unpacked import unpacked_file

_MAX_HEADER = 1 << 20


def members_of_tar(file: str, title: str) -> Iterator[Member]:
    with open(file, "rb") as opened:
        bounded = cast(IO[bytes], _Bounded(opened, title))
        with tarfile.open(fileobj=bounded, mode="r:") as tar:
            size = os.path.getsize(file)
            while (info := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # of no use here, and it grows
                name = info.name
                if info.islnk() or info.issym():
                    raise link_refusal(name, title)
                if info.isdir():
                    yield Member(name, "folder")
                elif info.issparse() or not info.isreg():
                    yield Member(name, "other")
                elif info.offset_data + info.size > size:
                    raise DataError(
                        f"{title} is cut short: {shown(name)!r} ends after its end. Copy it again"
                    )
                else:
                    image = ImageSlice(file, info.offset_data, info.size, name.rpartition("/")[2])
                    yield Member(name, "file", image, info.size)


class _Bounded:
    """A file of which a header may ask for no more than a header has, and not without end."""

    def __init__(self, file: IO[bytes], title: str):
        self._file, self._title = file, title
        self.tell, self.seek = file.tell, file.seek
        self.name = None
        self._left = os.fstat(file.fileno()).st_size // 512 * 8 + 1_000

    def read(self, size: int = -1) -> bytes:
        self._left -= 1
        if not 0 <= size <= _MAX_HEADER or self._left < 0:
            raise DataError(
                f"{self._title} is damaged: a header of it has no end. Make it, or copy it, again"
            )
        return self._file.read(size)


def plain_tar(file: str, title: str, progress: Progress) -> str:
    """Return the path of the archive without its compression: itself, or what was unpacked into the cache."""
    with open(file, "rb") as opened:
        start = opened.read(6)
    if not start:
        raise DataError(f"{title} is empty. Expected an archive of photos")
    openers: dict[bytes, Callable[..., Any]] = {
        b"\x1f\x8b": gzip.open,
        b"BZh": bz2.open,
        b"\xfd7zXZ\0": lzma.open,
    }
    opener = next((one for magic, one in openers.items() if start.startswith(magic)), None)
    if opener is None:
        return file
    packed_size = os.path.getsize(file)

    def unpack(place: Path) -> None:
        written = 0
        with (
            progress.stage(f"unpack {os.path.basename(file)}", unit="bytes") as stage,
            opener(file, "rb") as packed,
            place.open("wb") as unpacked,
        ):
            while block := packed.read(1 << 20):
                written += len(block)
                refuse_growth(written, packed_size, title)
                unpacked.write(block)
                stage.advance(len(block))

    return str(unpacked_file(file, ".tar", unpack))
