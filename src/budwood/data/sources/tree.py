"""Files and folders below one root, on disk or in an archive: what every reading of a layout or a table looks at.

A folder and an archive are read by the same rules. Each is a `Tree`, which says what is there and judges nothing:
hidden files, litter and links that lead nowhere are listed as what they are. Names are POSIX paths below the root; ""
is the root.
"""

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from budwood.data.image_ref import ImageFile, ImageRef

EntryKind = Literal["file", "folder", "broken_link", "link_loop", "unreadable", "other"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies in a folder under one name."""

    name: str
    """POSIX path below the root."""
    kind: EntryKind
    """Links are what they lead to; "other" is neither a file nor a folder, such as a socket."""
    fault: str = ""
    """Why it is "unreadable"."""
    size: int = 0
    """Bytes of a file."""

    @property
    def base(self) -> str:
        """Return the last part of the name.

        >>> Entry("cats/1.jpg", "file").base
        '1.jpg'
        """
        return self.name.rpartition("/")[2]


@runtime_checkable
class Tree(Protocol):
    """Files and folders below one root."""

    @property
    def title(self) -> str:
        """What messages call it: as the user wrote it."""
        ...

    def entries(self, folder: str) -> tuple[Entry, ...]:
        """Return what lies in a folder, sorted by name, hidden files too. Raise OSError where that cannot be listed."""
        ...

    def identity(self, folder: str) -> str:
        """Return what a folder has in common with every link that leads to it."""
        ...

    def image(self, name: str) -> ImageRef:
        """Return the file of that name, as a picture to be read later."""
        ...

    def start(self, name: str, size: int) -> bytes:
        """Return the first bytes of a file. Raise OSError where it cannot be read."""
        ...


class DiskTree:
    """A folder on disk. Listings are kept: each folder is looked at once.

    >>> DiskTree(".").title
    '.'
    """

    def __init__(self, root: str | os.PathLike):
        self.title = os.fspath(root)
        self.root = os.fspath(Path(root).absolute())
        self._listed: dict[str, tuple[Entry, ...]] = {}

    def path(self, name: str) -> str:
        """Return where a file or folder lies on disk."""
        return f"{self.root.rstrip('/')}/{name}" if name else self.root

    def entries(self, folder: str) -> tuple[Entry, ...]:
        if folder not in self._listed:
            names = sorted(os.listdir(self.path(folder)))
            self._listed[folder] = tuple(
                self._entry(f"{folder}/{name}" if folder else name) for name in names
            )
        return self._listed[folder]

    def identity(self, folder: str) -> str:
        return os.path.realpath(self.path(folder))

    def image(self, name: str) -> ImageRef:
        return ImageFile(self.root, name)

    def start(self, name: str, size: int) -> bytes:
        with open(self.path(name), "rb") as file:
            return file.read(size)

    def _entry(self, name: str) -> Entry:
        try:
            status = os.stat(self.path(name))
        except OSError as error:
            if error.errno == errno.ELOOP:
                return Entry(name, "link_loop")
            if error.errno == errno.ENOENT:
                return Entry(name, "broken_link")
            return Entry(name, "unreadable", error.strerror or str(error))
        if stat.S_ISDIR(status.st_mode):
            return Entry(name, "folder")
        if stat.S_ISREG(status.st_mode):
            return Entry(name, "file", size=status.st_size)
        return Entry(name, "other")
