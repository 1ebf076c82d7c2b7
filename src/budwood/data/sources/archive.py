"""Archives as trees of files: ZIP and TAR are read in place, a compressed TAR is unpacked into the cache once.

What an archive names outside of itself is refused, and so is what grows beyond measure when it is unpacked.
"""

import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import replace

from budwood.core.errors import DataError
from budwood.core.progress.base import SILENT, Progress
from budwood.core.text import shown
from budwood.data.image_ref import ImageRef, ImageSlice
from budwood.data.sources.members import Member
from budwood.data.sources.names import is_litter
from budwood.data.sources.tar_members import members_of_tar, plain_tar
from budwood.data.sources.tree import Entry
from budwood.data.sources.zip_members import ZipPicture, members_of_zip

ENDINGS = (".zip", ".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")
"""Of files that are read as archives."""

_MAX_DEPTH = 64


def is_archive(path: str | os.PathLike) -> bool:
    """Return whether a file is read as an archive, by its ending.

    >>> is_archive("photos.tar.gz"), is_archive("photos.csv")
    (True, False)
    """
    return os.fspath(path).lower().endswith(ENDINGS)


def open_archive(path: str | os.PathLike, progress: Progress = SILENT) -> "ArchiveTree":
    """Return what lies in an archive; no picture is unpacked, but a compressed TAR is, into the cache.

    Raise DataError where it is damaged, or holds what leads out of it.
    """
    title = os.fspath(path)
    full = os.path.abspath(title)
    try:
        if zipfile.is_zipfile(full):
            return ArchiveTree(title, members_of_zip(full, title))
        tar = plain_tar(full, title, progress)
        return ArchiveTree(title, members_of_tar(tar, title))
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


def _parts(name: str, title: str) -> list[str]:
    """Return the parts of a name in an archive. Raise DataError where it leads out of it."""
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


def _start(image: ImageRef, size: int) -> bytes:
    if isinstance(image, ZipPicture):
        return image.start(min(size, image.size))
    if isinstance(image, ImageSlice):
        return ImageSlice(image.file, image.offset, min(size, image.size), image.name).read()
    return image.read()[:size]


def _words(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
