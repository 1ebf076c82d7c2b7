"""Archives as trees of files: ZIP and TAR are read in place, a compressed TAR is unpacked into the cache once.

What an archive names outside of itself is refused, and so is what grows beyond measure when it is unpacked.
"""

import bz2
import contextlib
import gzip
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, cast

from budwood.core.errors import DataError
from budwood.core.progress.base import SILENT, Progress
from budwood.core.text import shown
from budwood.data.image_ref import ImageRef, ImageSlice
from budwood.data.sources.names import is_litter
from budwood.data.sources.tree import Entry, EntryKind
from budwood.data.sources.unpacked import unpacked_file

ENDINGS = (".zip", ".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")
"""Of files that are read as archives."""

MAX_GROWTH, GROWTH_FROM = 200, 100_000_000
"""How much larger than its file something may be when it is unpacked, from so many bytes on. Photos hardly shrink."""
_MAX_DEPTH = 64
_MAX_HEADER = 1 << 20
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_STORED, _DEFLATED, _BZIP2 = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2


def is_archive(path: str | os.PathLike) -> bool:
    """Return whether a file is read as an archive, by its ending.

    >>> is_archive("photos.tar.gz"), is_archive("photos.csv")
    (True, False)
    """
    return os.fspath(path).lower().endswith(ENDINGS)


def open_archive(path: str | os.PathLike, progress: Progress = SILENT) -> "ArchiveTree":
    """Return what lies in an archive; no picture is unpacked, but a compressed TAR is, into the cache.

    Raises DataError where it is damaged, or holds what leads out of it.
    """
    title = os.fspath(path)
    full = os.path.abspath(title)
    try:
        if zipfile.is_zipfile(full):
            return ArchiveTree(title, _of_zip(full, title))
        tar = _plain_tar(full, title, progress)
        return ArchiveTree(title, _of_tar(tar, title))
    except DataError:
        raise
    except PermissionError as error:
        raise DataError(f"no permission to read {title}") from error
    except FileNotFoundError as error:
        raise DataError(f"{title} does not exist") from error
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(
            f"{title} is no complete archive ({_words(error)}). Make it, or copy it, again"
        ) from error
    except (OSError, ValueError, struct.error, NotImplementedError, OverflowError) as error:
        raise DataError(f"{title} cannot be read as an archive ({_words(error)})") from error


@dataclass(frozen=True)
class Member:
    """One file of an archive."""

    name: str
    kind: EntryKind
    image: ImageRef | None = None
    size: int = 0


class ArchiveTree:
    """What lies in an archive, by POSIX names.

    Args:
        title: what messages call it.
        members: its files and folders.
    """

    def __init__(self, title: str, members: Iterable[Member] = ()):
        self.title = title
        self._folders: dict[str, dict[str, Entry]] = {"": {}}
        self._images: dict[str, ImageRef] = {}
        for member in members:
            self._add(member)
        self._sorted: dict[str, tuple[Entry, ...]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._images

    def entries(self, folder: str) -> tuple[Entry, ...]:
        if folder not in self._folders:
            raise FileNotFoundError(2, f"no folder {folder} in {self.title}")
        if folder not in self._sorted:
            self._sorted[folder] = tuple(sorted(self._folders[folder].values(), key=lambda entry: entry.name))
        return self._sorted[folder]

    def identity(self, folder: str) -> str:
        return folder

    def image(self, name: str) -> ImageRef:
        return self._images[name]

    def start(self, name: str, size: int) -> bytes:
        return _start(self._images[name], size)

    def files(self) -> list[str]:
        """Return the names of all files, sorted."""
        return sorted(self._images)

    @property
    def wrapper(self) -> str:
        """Return the folder in which all lies, as archives often have one, where it holds folders; otherwise ""."""
        folder = ""
        while True:
            there = [entry for entry in self.entries(folder) if not is_litter(entry.base)]
            if len(there) != 1 or there[0].kind != "folder":
                return folder
            inside = [entry for entry in self.entries(there[0].name) if not is_litter(entry.base)]
            if not any(entry.kind == "folder" for entry in inside):
                return folder
            folder = there[0].name

    def unwrapped(self) -> "ArchiveTree":
        """Return what lies in `wrapper`, with names from there: nobody can name a folder of an archive."""
        if not self.wrapper:
            return self
        prefix = self.wrapper + "/"
        inside = ArchiveTree(self.title)
        inside._folders = {
            name[len(prefix) :]: {
                base: replace(entry, name=entry.name[len(prefix) :]) for base, entry in entries.items()
            }
            for name, entries in self._folders.items()
            if f"{name}/".startswith(prefix)
        }
        inside._images = {
            name[len(prefix) :]: image for name, image in self._images.items() if name.startswith(prefix)
        }
        return inside

    def _add(self, member: Member) -> None:
        parts = _parts(member.name, self.title)
        if not parts:
            return
        folder = ""
        for part in parts[:-1]:
            folder = self._add_folder(folder, part)
        name = f"{folder}/{parts[-1]}" if folder else parts[-1]
        if member.kind == "folder":
            self._add_folder(folder, parts[-1])
            return
        if parts[-1] in self._folders[folder]:
            raise DataError(
                f"{self.title} holds {shown(name)!r} twice. Make the archive again, with each file once"
            )
        self._folders[folder][parts[-1]] = Entry(name, member.kind, size=member.size)
        if member.image is not None:
            self._images[name] = member.image

    def _add_folder(self, folder: str, part: str) -> str:
        name = f"{folder}/{part}" if folder else part
        entry = self._folders[folder].setdefault(part, Entry(name, "folder"))
        if entry.kind != "folder":
            raise DataError(
                f"{self.title} holds {shown(name)!r} as a file and as a folder. Make the archive again"
            )
        self._folders.setdefault(name, {})
        return name


@dataclass(frozen=True)
class ZipPicture:
    """A compressed picture in a ZIP file, found by its place, so that nothing has to be kept open."""

    file: str
    offset: int
    """Of its own header in the file."""
    packed: int
    """Bytes in the file."""
    size: int
    """Bytes when it is unpacked."""
    crc: int
    method: int
    name: str = ""

    def read(self) -> bytes:
        content = self.start(self.size)
        if len(content) != self.size or zlib.crc32(content) != self.crc:
            raise OSError(f"it is damaged in {self.file}")
        return content

    def start(self, size: int) -> bytes:
        """Return the first bytes."""
        with open(self.file, "rb") as opened:
            opened.seek(self.offset)
            header = opened.read(_LOCAL_HEADER.size)
            if len(header) < _LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
                raise OSError(f"{self.file} is not as it was when it was listed")
            *_, name_length, extra_length = _LOCAL_HEADER.unpack(header)
            opened.seek(name_length + extra_length, os.SEEK_CUR)
            packed = opened.read(self.packed)
        # Never more than was declared, whatever the stream goes on to.
        try:
            if self.method == _STORED:
                return packed[:size]
            if self.method == _DEFLATED:
                return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, max(size, 1))
            return bz2.BZ2Decompressor().decompress(packed, size)
        except (zlib.error, EOFError) as error:
            raise OSError(f"it is damaged in {self.file} ({error})") from error


def _of_zip(file: str, title: str) -> Iterator[Member]:
    with zipfile.ZipFile(file) as opened:
        infos = opened.infolist()
    size = os.path.getsize(file)
    _refuse_growth(sum(info.file_size for info in infos), size, title)
    reached = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        name = _zip_name(info)
        if info.header_offset < reached:
            raise DataError(
                f"{title}: {shown(name)!r} shares its bytes with another file, which only a trap does. Nothing of it "
                "is read"
            )
        reached = info.header_offset + _LOCAL_HEADER.size + info.compress_size
    if reached > size:
        raise DataError(
            f"{title} is no complete archive: files in it end after its end. Make it, or copy it, again"
        )
    for info in infos:
        name = _zip_name(info)
        mode = info.external_attr >> 16
        if info.is_dir() or name.endswith("/"):
            yield Member(name, "folder")
        elif info.create_system == 3 and stat.S_ISLNK(mode):
            raise _refuse_link(name, title)
        elif info.flag_bits & 1:
            raise DataError(
                f"{title}: {shown(name)!r} is encrypted. Pack the photos again, without a password"
            )
        elif info.compress_type not in (_STORED, _DEFLATED, _BZIP2):
            raise DataError(
                f"{title}: {shown(name)!r} is compressed by method {info.compress_type}, which is not read. Pack the "
                "photos again, stored or deflated"
            )
        else:
            _refuse_growth(info.file_size, info.compress_size, f"{title}: {shown(name)!r}")
            picture = ZipPicture(
                file,
                info.header_offset,
                info.compress_size,
                info.file_size,
                info.CRC,
                info.compress_type,
                name.rpartition("/")[2],
            )
            yield Member(name, "file", picture, info.file_size)


def _zip_name(info: zipfile.ZipInfo) -> str:
    name = info.filename
    if not info.flag_bits & 0x800 and not name.isascii():
        # Written without saying so: macOS and many tools write UTF-8, old Windows programs its code page.
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _of_tar(file: str, title: str) -> Iterator[Member]:
    with open(file, "rb") as opened:
        bounded = cast(IO[bytes], _Bounded(opened, title))
        with tarfile.open(fileobj=bounded, mode="r:") as tar:
            size = os.path.getsize(file)
            while (info := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # of no use here, and it grows
                name = info.name
                if info.islnk() or info.issym():
                    raise _refuse_link(name, title)
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


def _plain_tar(file: str, title: str, progress: Progress) -> str:
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
                _refuse_growth(written, packed_size, title)
                unpacked.write(block)
                stage.advance(len(block))

    return str(unpacked_file(file, ".tar", unpack))


def _parts(name: str, title: str) -> list[str]:
    """Return the parts of a name in an archive. Raises DataError where it leads out of it."""
    if name.startswith("/") or (len(name) > 1 and name[1] == ":" and name[0].isalpha()):
        raise DataError(
            f"{title} holds the absolute path {shown(name[:200])!r}. Expected paths below its root; make it again"
        )
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise DataError(
            f"{title} holds {shown(name[:200])!r}, which leads out of it. Expected paths below its root; make it again"
        )
    if "\0" in name or len(name) > 4096 or len(parts) > _MAX_DEPTH:
        raise DataError(
            f"{title} holds {shown(name[:60])!r} ..., which is no path of a photo. Make the archive again"
        )
    return parts


def _refuse_link(name: str, title: str) -> DataError:
    return DataError(
        f"{title}: {shown(name)!r} is a link, and links in archives are not followed. Pack the files themselves"
    )


def _refuse_growth(size: int, packed: int, title: str) -> None:
    if size > GROWTH_FROM and size > MAX_GROWTH * max(packed, 1):
        raise DataError(
            f"{title} would grow from {packed:,} to {size:,} bytes or more. Photos do not: it is a trap (a zip "
            "bomb), or not made of photos. Nothing of it is read"
        )


def _start(image: ImageRef, size: int) -> bytes:
    if isinstance(image, ZipPicture):
        return image.start(min(size, image.size))
    if isinstance(image, ImageSlice):
        return ImageSlice(image.file, image.offset, min(size, image.size), image.name).read()
    return image.read()[:size]


def _words(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
