"""A folder of class folders, or of `train/`, `validation/` and `test/` folders that hold class folders.

    DATA/cats/1.jpg   DATA/dogs/2.jpg
    DATA/train/cats/1.jpg   DATA/train/dogs/2.jpg   DATA/test/cats/3.jpg   ...

Class folders may have sub-folders. Symbolic links are followed; hidden files are passed over, and so are runs of
Budwood and folders that hold nothing else, which is what a training started among the photos leaves there.
"""

import errno
import os
import stat
from dataclasses import replace
from pathlib import Path

from budwood.core.errors import DataError
from budwood.data.image_ref import ImageFile
from budwood.data.images import IMAGE_SUFFIXES
from budwood.data.manifest import Manifest, Photo, Problem

SPLIT_NAMES = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
}
"""What a split may be called, in lower case, and which one it is."""

_LITTER = {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx"}
_RUN = "run.json"
_LAYOUT = "Expected a folder for each class, such as DATA/cats/1.jpg and DATA/dogs/2.jpg"


def read_folder(root: str | os.PathLike) -> Manifest:
    """Return the manifest of a folder; nothing is decoded.

    Where `train` stands beside `validation` (or `valid`, `val`) or `test`, in any case, these are the splits given.
    A lone `train` that holds class folders is read as the whole data.

    Raises:
        DataError: no such folder, or no two classes of photos in it.
    """
    top = Path(root).absolute()
    if not top.exists():
        raise DataError(f"{root} does not exist. {_LAYOUT}")
    if not top.is_dir():
        raise DataError(f"{root} is a file. {_LAYOUT}")
    listing = _Listing(os.fspath(top))
    children = listing.entries("")
    if not children:
        why = f"cannot be used: {listing.problems[0].detail}" if listing.problems else "is empty"
        raise DataError(f"{root} {why}. {_LAYOUT}")
    parts = _find_splits(listing, children, root)
    for name, is_folder in children:
        if name in parts:
            listing.read_classes(name, parts[name])
        elif parts:
            listing.ignore(name, f"{'folder' if is_folder else 'file'} beside the splits")
    if not parts:
        listing.read_classes("", None)
    return _to_manifest(listing, root)


def _find_splits(listing: "_Listing", children: "_Entries", root: str | os.PathLike) -> dict[str, str | None]:
    found = {
        name: SPLIT_NAMES[name.lower()]
        for name, is_folder in children
        if is_folder and name.lower() in SPLIT_NAMES
    }
    splits = set(found.values())
    if splits == {"validation", "test"}:
        raise DataError(
            f"{root} has {' and '.join(map(repr, found))} but no 'train' to learn from. {_LAYOUT}"
        )
    if "train" not in splits:
        return {}
    if len(splits) > 1:
        return dict(found)
    # A class may be called "train", as in trains and cars; only a split holds class folders.
    return {name: None for name in found if sum(is_folder for _, is_folder in listing.entries(name)) > 1}


def _to_manifest(listing: "_Listing", root: str | os.PathLike) -> Manifest:
    photos = listing.photos
    classes = tuple(sorted({photo.label for photo in photos}))
    if len(classes) == 1:
        raise DataError(f"{root} has photos of one class only, {classes[0]!r}; two are needed. {_LAYOUT}")
    if not classes and listing.loose:
        raise DataError(f"the photos lie loose in {root}, such as {listing.loose[0]!r}. {_LAYOUT}")
    if not classes:
        raise DataError(f"{root} holds no photos ({', '.join(IMAGE_SUFFIXES[:6])}, ...). {_LAYOUT}")
    if {photo.split for photo in photos} == {"train"}:
        photos = [replace(photo, split=None) for photo in photos]
    return Manifest(tuple(photos), classes, tuple(listing.problems))


_Entries = list[tuple[str, bool]]


class _Listing:
    """Walks class folders and gathers photos and problems. Names are POSIX paths below the root, "" is the root."""

    def __init__(self, root: str):
        self.root = root
        self.photos: list[Photo] = []
        self.problems: list[Problem] = []
        self.loose: list[str] = []
        self._listed: dict[str, _Entries] = {}

    def report(self, name: str, kind: str, detail: str) -> None:
        self.problems.append(Problem(name or ".", kind, detail))

    def ignore(self, name: str, why: str) -> None:
        self.report(name, "ignored", f"ignored: {why}")

    def path(self, name: str) -> str:
        return f"{self.root}/{name}" if name else self.root

    def entries(self, folder: str) -> _Entries:
        """What lies in a folder, sorted, and whether each is a folder; hidden files, dead links
        and runs are left out."""
        if folder not in self._listed:
            try:
                names = _visible(self.path(folder))
            except OSError as error:
                self.report(folder, "unreadable", f"the folder cannot be listed ({error.strerror})")
                names = []
            listed = [self._entry(f"{folder}/{name}" if folder else name) for name in names]
            self._listed[folder] = [
                entry for entry in listed if entry and not (entry[1] and self._is_of_runs(entry[0]))
            ]
        return self._listed[folder]

    def _entry(self, name: str) -> tuple[str, bool] | None:
        try:
            mode = os.stat(self.path(name)).st_mode
        except OSError as error:
            if error.errno == errno.ELOOP:
                self.report(name, "link_loop", "a symbolic link that leads back to itself")
            elif error.errno == errno.ENOENT:
                self.report(name, "broken_link", "a symbolic link to something that does not exist")
            else:
                self.report(name, "unreadable", f"cannot be looked at ({error.strerror})")
            return None
        if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
            self.ignore(name, "neither a file nor a folder")
            return None
        return name, stat.S_ISDIR(mode)

    def _is_of_runs(self, folder: str) -> bool:
        """Whether a folder is a run, or holds runs and nothing else."""
        path = self.path(folder)
        if os.path.isfile(f"{path}/{_RUN}"):
            return True
        try:
            names = _visible(path)
        except OSError:
            return False
        return bool(names) and all(os.path.isfile(f"{path}/{name}/{_RUN}") for name in names)

    def read_classes(self, folder: str, split: str | None) -> None:
        """Takes each folder in `folder` for a class."""
        above = (os.path.realpath(self.root), os.path.realpath(self.path(folder)))
        for name, is_folder in self.entries(folder):
            if not is_folder:
                self.ignore(name, "not in the folder of a class")
                if _is_photo(name):
                    self.loose.append(name)
                continue
            before = len(self.photos)
            self._walk(name, name.rpartition("/")[2], split, above)
            if len(self.photos) == before:
                self.report(
                    name,
                    "empty_class",
                    "no photos in it; the class is left out unless another split has some",
                )

    def _walk(self, folder: str, label: str, split: str | None, above: tuple[str, ...]) -> None:
        real = os.path.realpath(self.path(folder))
        if real in above:
            self.report(folder, "link_loop", "a symbolic link to a folder that it lies in; not followed")
            return
        for name, is_folder in self.entries(folder):
            if is_folder:
                self._walk(name, label, split, (*above, real))
            elif _is_photo(name):
                self.photos.append(
                    Photo(image=ImageFile(self.path(name)), name=name, label=label, split=split)
                )
            else:
                ending = os.path.splitext(name)[1]
                self.ignore(name, f"{ending or 'no ending'} is none of the formats that are read")


def _visible(path: str) -> list[str]:
    names = sorted(os.listdir(path))
    return [name for name in names if not name.startswith(".") and name.lower() not in _LITTER]


def _is_photo(name: str) -> bool:
    return name.lower().endswith(IMAGE_SUFFIXES)
