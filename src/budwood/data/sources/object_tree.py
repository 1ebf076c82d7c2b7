"""A prefix of object storage as a tree of files and folders: listed in a stream, once, when it is first looked at."""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from budwood.core.cache import DATA, cache_dir
from budwood.core.errors import DataError, ImageError
from budwood.core.files import whole_file, write_text
from budwood.core.locks import FileLock
from budwood.core.progress.base import SILENT, Progress
from budwood.data.image_ref import ImageRef
from budwood.data.sources.tree import Entry
from budwood.data.stored_image import StoredImage
from budwood.storage.objects import Listed, Storage, open_storage
from budwood.storage.place import Place

MOST_NUMBERED = 100_000
_LISTED_AT_A_TIME = 1000


class ObjectTree:
    """The objects below a place, by POSIX names.

    Args:
        place: a bucket, or a prefix in it.
        progress: told of stage "list".

    Raises:
        StorageError: the place cannot be reached or listed.
    """

    def __init__(self, place: Place, progress: Progress = SILENT):
        self.title = str(place)
        self.place = place
        self._progress = progress
        self._storage = open_storage(place)
        self._listed: dict[str, list[Entry]] | None = None
        self._etags: dict[str, str] = {}
        self._sorted: dict[str, tuple[Entry, ...]] = {}

    def entries(self, folder: str) -> tuple[Entry, ...]:
        if folder not in self._sorted:
            listed = self._folders()
            if folder not in listed:
                raise FileNotFoundError(2, f"no folder {folder} in {self.title}")
            self._sorted[folder] = tuple(sorted(listed[folder], key=lambda entry: entry.name))
        return self._sorted[folder]

    def identity(self, folder: str) -> str:
        return folder

    def image(self, name: str) -> ImageRef:
        return self._object(name)

    def start(self, name: str, size: int) -> bytes:
        try:
            return self._object(name).start(size)
        except ImageError as error:
            raise OSError(error.fault) from error

    def _object(self, name: str) -> StoredImage:
        return StoredImage(self.place, name, etag=self._etags.get(name, ""))

    def _folders(self) -> dict[str, list[Entry]]:
        if self._listed is None:
            self._listed = self._list()
        return self._listed

    def _list(self) -> dict[str, list[Entry]]:
        folders: dict[str, list[Entry]] = {"": []}
        files: list[Listed] = []
        with self._progress.stage("list", unit="objects") as stage:
            for number, one in enumerate(self._storage.list(), 1):
                files.append(one)
                if number % _LISTED_AT_A_TIME == 0:
                    stage.advance(_LISTED_AT_A_TIME)
            stage.advance(len(files) % _LISTED_AT_A_TIME)
        for one in files:
            for folder, above in _folders_of(one.key):
                if folder in folders:
                    break
                folders[folder] = []
                folders.setdefault(above, []).append(Entry(folder, "folder"))
        for one in files:
            # Consoles make an empty object of the name of a folder.
            if one.size == 0 and (one.key in folders or "." not in one.key.rpartition("/")[2]):
                continue
            folders[one.key.rpartition("/")[0]].append(Entry(one.key, "file", size=one.size))
            self._etags[one.key] = one.etag
        return folders


def _folders_of(name: str) -> Iterator[tuple[str, str]]:
    """Yield each folder above a name with the one above that, the innermost first.

    >>> list(_folders_of("a/b/1.jpg"))
    [('a/b', 'a'), ('a', '')]
    """
    folder = name.rpartition("/")[0]
    while folder:
        above = folder.rpartition("/")[0]
        yield folder, above
        folder = above


def numbered(name: str) -> list[str]:
    """Return the names that a name with a range in it stands for, none where it has none.

    >>> numbered("train-{008..010}.tar"), numbered("train.tar")
    (['train-008.tar', 'train-009.tar', 'train-010.tar'], [])
    """
    found = re.fullmatch(r"([^{}]*)\{(\d{1,9})\.\.(\d{1,9})\}([^{}]*)", name)
    if found is None:
        return []
    first, last = int(found[2]), int(found[3])
    if not first <= last < first + MOST_NUMBERED:
        raise DataError(f"{name} stands for no files, or for more than {MOST_NUMBERED:,}. Write {{000..099}}")
    return [f"{found[1]}{number:0{len(found[2])}d}{found[4]}" for number in range(first, last + 1)]


def local_copy(place: Place, name: str, progress: Progress = SILENT) -> str:
    """Return where a copy of an object lies in the cache, made where there is none of its content yet.

    Copies of one place keep their names below one folder, so that what lies beside one another stays so.

    Raises:
        StorageError: it is gone, or cannot be read.
        DataError: there is no room for it.
    """
    storage = Storage(place)
    found = storage.head(name)
    folder = cache_dir().absolute() / DATA / f"storage-{hashlib.sha256(str(place).encode()).hexdigest()[:16]}"
    copy, stamp = folder / "copies" / name, folder / "etags" / name
    state = f"{found.etag} {found.size} {found.modified.isoformat()}"
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        stamp.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(stamp.with_name(f"{stamp.name}.lock")):
            if not (_said(stamp) == state and copy.is_file()):
                _download(storage, name, found, copy, progress)
                write_text(stamp, state)
    except OSError as error:
        raise DataError(
            f"cannot copy {place.below(name)} into the cache {folder} ({error.strerror or error}). Make room, or set "
            "BUDWOOD_CACHE to another folder"
        ) from error
    return str(copy)


def _download(storage: Storage, name: str, found: Listed, copy: Path, progress: Progress) -> None:
    with (
        whole_file(copy) as aside,
        aside.open("wb") as file,
        progress.stage(f"copy {os.path.basename(name)}", total=found.size, unit="bytes") as stage,
    ):
        for piece in storage.stream(name):
            file.write(piece)
            stage.advance(len(piece))
        written = file.tell()
        if written != found.size:
            raise DataError(f"{storage.place.below(name)} changed while it was copied. Start again")


def _said(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""
