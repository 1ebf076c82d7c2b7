"""Find the picture that a table names: below the table's folder, at an absolute path, or inside an archive."""

import difflib
import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from budwood.core.errors import DataError, StorageError
from budwood.core.text import shown
from budwood.data.image_ref import ImageFile, ImageRef
from budwood.data.images import IMAGE_SUFFIXES
from budwood.data.sources.archive import is_archive, open_archive
from budwood.data.sources.object_tree import ObjectTree
from budwood.data.sources.tree import DiskTree, Entry, Tree
from budwood.data.stored_image import StoredImage
from budwood.storage.place import Place, is_address, read_place, without_secrets

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|data:")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Found:
    """A picture that a table names."""

    name: str
    """POSIX path below the root, for `Photo.name`."""
    image: ImageRef


class Finder:
    """Looks up the paths of one table.

    Args:
        tree: below which relative paths lie.
        base: the folder in it from which they count, "" for its root.
        title: what messages call the table.
        beside: further folders of the tree that may hold the pictures; the first picture decides which one does.
        allowed: places of object storage to which addresses may lead; no other is opened.
    """

    def __init__(
        self,
        tree: Tree,
        base: str,
        title: str,
        beside: tuple[str, ...] = (),
        allowed: tuple[Place, ...] = (),
    ):
        self.tree, self.base, self.title = tree, base, title
        # A dot says little to whoever reads it at the end of a sentence.
        self._place = tree.root if isinstance(tree, DiskTree) and tree.title == "." else tree.title
        self._candidates, self._allowed = (base, *beside), allowed
        self._listings: dict[tuple[int, str], _Listing] = {}
        self._archives: dict[str, Tree] = {}
        self._disk = DiskTree(os.sep if os.name == "posix" else "") if isinstance(tree, DiskTree) else None

    def find(self, text: object, where: str) -> Found:
        """Return the picture that a path names, or the first of several paths that there is.

        Raise DataError, with `where` it stands, where there is none.
        """
        paths = [self._readable(one, where) for one in (text if isinstance(text, tuple) else (text,))]
        if address := next(filter(is_address, paths), None):
            return self._stored(address, where)
        for folder in self._candidates:
            for path in paths:
                if found := self._look(folder, path, where):
                    # Where the first picture lies, the others do too.
                    self._candidates = (folder,)
                    return found
        raise DataError(f"{self.title}, {where}: there is no {shown(paths[-1])!r}{self._hint(paths[-1])}")

    def _readable(self, text: object, where: str) -> str:
        if text is None or text == "" or text != text:
            raise DataError(f"{self.title}, {where}: the path is empty. Name the picture, or remove the row")
        if isinstance(text, os.PathLike):
            text = os.fspath(text)
        if not isinstance(text, str):
            raise DataError(
                f"{self.title}, {where}: the path is of type {type(text).__name__}. Expected the path of a picture"
            )
        if len(text) > _LONGEST or "\0" in text:
            raise DataError(f"{self.title}, {where}: {shown(text[:60])!r} ... is no path of a picture")
        if _URL.match(text) and not is_address(text):
            raise DataError(
                f"{self.title}, {where}: {shown(without_secrets(text)[:120])!r} is an address on the network, and "
                "Budwood reads files. Download the pictures, and write the paths of the files"
            )
        return text

    def _stored(self, address: str, where: str) -> Found:
        """Return the picture at an address of a place that is allowed. Whether it is there shows when it is read."""
        try:
            place = read_place(address)
        except StorageError as error:
            raise DataError(f"{self.title}, {where}: {error}") from None
        for number, one in enumerate(self._allowed):
            if key := one.relative(place):
                image = ImageFile(place.key) if place.scheme == "file" else StoredImage(one, key)
                # From the first place alone names are short: those of several must not be the same.
                return Found(key if number == 0 else f"{place.bucket}/{place.key}".strip("/"), image)
        places = ", ".join(map(str, self._allowed)) or "no place, for the table lies on this machine"
        raise DataError(
            f"{self.title}, {where}: {shown(str(place)[:200])!r} lies outside of what may be read ({places}). If it is "
            f"meant: --allow-uri {place.above}"
        )

    def _look(self, folder: str, path: str, where: str) -> Found | None:
        if os.path.isabs(path) or (_DRIVE.match(path) and os.name == "nt"):
            return self._absolute(path, where)
        for spelled in dict.fromkeys((path, path.replace("\\", "/"))):
            if _DRIVE.match(path):
                return None
            if spelled.startswith("/"):
                raise self._outside(path, where)
            parts = self._parts(folder, spelled)
            if parts is None:
                raise self._outside(path, where)
            if found := self._in_tree(self.tree, parts):
                return found
        return None

    @property
    def _outer(self) -> str:
        return self._place if isinstance(self.tree, ObjectTree) else "the archive"

    def _outside(self, path: str, where: str) -> DataError:
        if self._disk is None:
            return DataError(
                f"{self.title}, {where}: {shown(path)!r} lies outside of {self._outer}. Expected a path below "
                f"{self.base or 'its root'}"
            )
        return DataError(
            f"{self.title}, {where}: {shown(path)!r} leads out of {self._place}, below which the pictures are "
            "expected. Say where they lie (--set data.root=FOLDER), or write absolute paths"
        )

    @staticmethod
    def _parts(folder: str, path: str) -> list[str] | None:
        """Return the parts of a path from the root, None where it leads out of it."""
        parts = folder.split("/") if folder else []
        for part in path.split("/"):
            if part == "..":
                if not parts:
                    return None
                parts.pop()
            elif part not in ("", "."):
                parts.append(part)
        return parts

    def _absolute(self, path: str, where: str) -> Found | None:
        if self._disk is None:
            raise self._outside(path, where)
        root = self.tree.root if isinstance(self.tree, DiskTree) else ""
        full = os.path.normpath(path)
        below = (
            os.path.relpath(full, root)
            if os.path.splitdrive(full)[0] == os.path.splitdrive(root)[0]
            else ".."
        )
        if below != ".." and not below.startswith(".." + os.sep):
            return self._in_tree(self.tree, below.replace(os.sep, "/").split("/"))
        drive, rest = os.path.splitdrive(full)
        disk = self._disk if not drive else DiskTree(drive + os.sep)
        found = self._in_tree(disk, rest.replace(os.sep, "/").strip("/").split("/"))
        return found and Found("/".join(filter(None, (drive.strip(":\\"), found.name))), found.image)

    def _in_tree(self, tree: Tree, parts: list[str]) -> Found | None:
        """Return the file of this path, of the same path in another Unicode form, or with the ending that it lacks."""
        folder = ""
        for depth, part in enumerate(parts, 1):
            listed = self._listed(tree, folder)
            actual = listed.same(part)
            last = depth == len(parts)
            if actual is None and last:
                actual = listed.with_ending(part)
            if actual is None:
                return None
            name = f"{folder}/{actual}" if folder else actual
            kind = listed.kinds[actual]
            if last:
                return Found(name, tree.image(name)) if kind == "file" else None
            if kind == "file":
                return self._in_archive(tree, name, parts[depth:])
            if kind != "folder":
                return None
            folder = name
        return None

    def _in_archive(self, tree: Tree, name: str, parts: list[str]) -> Found | None:
        if not isinstance(tree, DiskTree) or not is_archive(name):
            return None
        path = tree.path(name)
        inside = self._archives.get(path)
        if inside is None:
            inside = self._archives[path] = open_archive(path)
        found = self._in_tree(inside, parts)
        return found and Found(f"{name}/{found.name}", found.image)

    def _listed(self, tree: Tree, folder: str) -> "_Listing":
        key = id(tree), folder
        if key not in self._listings:
            try:
                entries = tree.entries(folder)
            except OSError:
                entries = ()
            self._listings[key] = _Listing(entries)
        return self._listings[key]

    def _hint(self, path: str) -> str:
        """Return the end of the sentence that says what is missing: what it was meant for, where that can be seen."""
        spelled = path.replace("\\", "/")
        parts = [part for part in spelled.split("/") if part not in ("", ".", "..")]
        if _DRIVE.match(path) or os.path.isabs(path):
            for start in range(1, len(parts)):
                if found := self._in_tree(self.tree, parts[start:]):
                    prefix = path[: len(path) - len("/".join(parts[start:]))]
                    return (
                        f"; there is {found.name!r} below {self._place}. The path is of another place or machine: "
                        f"remove {shown(prefix)!r} from every row"
                    )
            return f". The path is of another place or machine: write paths below {self._place}"
        inside = self._parts(self.base, spelled) or []
        folder = ""
        for depth, part in enumerate(inside, 1):
            listed = self._listed(self.tree, folder)
            actual = listed.same(part) or (listed.with_ending(part) if depth == len(inside) else None)
            if actual is None:
                place = folder or self._place
                cased = [name for name in listed.kinds if name.lower() == part.strip().lower()]
                if cased:
                    return f" in {place}, where {cased[0]!r} differs by case or blanks alone. Write it as the file is"
                if near := difflib.get_close_matches(part, list(listed.kinds)[:5000], n=1, cutoff=0.8):
                    return f" in {place}. Did you mean {near[0]!r}?"
                break
            folder = f"{folder}/{actual}" if folder else actual
        for name, kind in self._listed(self.tree, self.base).kinds.items():
            below = f"{self.base}/{name}" if self.base else name
            if kind == "folder" and self._in_tree(self.tree, [*below.split("/"), *parts]):
                return f" below {self._place}, but there is one in {name!r}. Say so: --set data.root={below}"
        return f" below {self._place}. Paths count from there; --set data.root=FOLDER names another folder"


class _Listing:
    """What lies in one folder, by the last part of its name."""

    def __init__(self, entries: Sequence[Entry]):
        self.kinds = {entry.base: entry.kind for entry in entries}

    @cached_property
    def _forms(self) -> dict[str, list[str]]:
        forms: dict[str, list[str]] = {}
        for name in self.kinds:
            if not name.isascii():
                forms.setdefault(unicodedata.normalize("NFC", name), []).append(name)
        return forms

    def same(self, part: str) -> str | None:
        """Return the name as it is written here: a file system may use another Unicode form than a table."""
        if part in self.kinds:
            return part
        fitting = [] if part.isascii() else self._forms.get(unicodedata.normalize("NFC", part), [])
        return fitting[0] if len(fitting) == 1 else None

    def with_ending(self, part: str) -> str | None:
        """Return the one picture of that name, where the table leaves out its ending."""
        if PurePosixPath(part).suffix.lower() in IMAGE_SUFFIXES:
            return None
        endings = (ending for suffix in IMAGE_SUFFIXES for ending in (suffix, suffix.upper()))
        fitting = [part + ending for ending in endings if part + ending in self.kinds]
        return fitting[0] if len(fitting) == 1 else None
