"""Folders and their photos as a listing, and the readings of it: which photo shows what. Nothing is read from disk."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from budwood.data.manifest import Split
from budwood.data.taxonomy import Link

Layout = Literal["classes", "splits", "nested", "flat", "tree"]
WhyPassedOver = Literal["beside", "unlabelled", "annotations", "copy", "preview", "no_label"]


@dataclass(frozen=True, slots=True)
class File:
    """A photo."""

    name: str
    """POSIX path below the root."""
    size: int = 0
    """Bytes."""

    @property
    def base(self) -> str:
        """Return the last part of the name."""
        return self.name.rpartition("/")[2]


@dataclass(frozen=True)
class Folder:
    """A folder: its sub-folders, and the photos that lie in it directly."""

    name: str
    """POSIX path below the root; "" is the root."""
    folders: "tuple[Folder, ...]" = ()
    files: tuple[File, ...] = ()

    @property
    def base(self) -> str:
        """Return the last part of the name."""
        return self.name.rpartition("/")[2]

    @cached_property
    def num_photos(self) -> int:
        """Return how many photos lie in it, at any depth."""
        return len(self.files) + sum(folder.num_photos for folder in self.folders)

    @cached_property
    def children(self) -> "tuple[Folder, ...]":
        """Return the sub-folders that hold photos, at any depth."""
        return tuple(folder for folder in self.folders if folder.num_photos)

    def every(self) -> Iterator[File]:
        """Yield every photo, at any depth; of each folder the sub-folders and photos in the order of their names."""
        entries: list[Folder | File] = [*self.folders, *self.files]
        for one in sorted(entries, key=lambda one: one.name):
            if isinstance(one, Folder):
                yield from one.every()
            else:
                yield one

    def find(self, name: str) -> "Folder | None":
        """Return the folder of that path, None where there is none."""
        if self.name == name:
            return self
        inside = (one for one in self.folders if name == one.name or name.startswith(one.name + "/"))
        folder = next(inside, None)
        return folder.find(name) if folder else None


@dataclass(frozen=True, slots=True)
class Placed:
    """A photo and what a reading takes it for."""

    name: str
    label: str
    split: Split | None
    home: str
    """The folder in which the class has this name."""
    above: str = ""
    """Name of the folder above the class that is neither a class nor a split."""


@dataclass(frozen=True)
class Candidate:
    """One way to read a listing."""

    layout: Layout
    photos: tuple[Placed, ...]
    class_folders: tuple[str, ...] = ()
    """Folders taken for classes, those without photos too."""
    splits: Mapping[Split, tuple[str, ...]] = field(default_factory=dict)
    """The folders of each split."""
    above: tuple[str, ...] = ()
    """Names of the folders above the classes that are neither a class nor a split."""
    reasons: Mapping[str, WhyPassedOver] = field(default_factory=dict)
    """Folders and photos that are passed over for another reason than that they lie beside the classes."""
    split_folders: Mapping[Split, tuple[str, ...]] = field(default_factory=dict)
    """What has to be given as the split folders to have this reading; empty where its layout is enough."""
    links: tuple[Link, ...] = ()
    """What lies below what, where the folders are a tree of labels."""

    @cached_property
    def counts(self) -> Counter[str]:
        """Return the number of photos of each class."""
        return Counter(photo.label for photo in self.photos)


@dataclass
class Draft:
    """A reading in the making."""

    layout: Layout
    photos: list[Placed] = field(default_factory=list)
    class_folders: list[str] = field(default_factory=list)
    splits: dict[Split, tuple[str, ...]] = field(default_factory=dict)
    above: list[str] = field(default_factory=list)
    reasons: dict[str, WhyPassedOver] = field(default_factory=dict)

    def finish(
        self, split_folders: Mapping[Split, tuple[str, ...]] | None = None, links: tuple[Link, ...] = ()
    ) -> Candidate:
        """Return the reading. Where all is train, these are the photos that are still to be divided."""
        if set(self.splits) == {"train"}:
            self.above = [*self.splits.pop("train"), *self.above]
            self.photos = [
                Placed(photo.name, photo.label, None, photo.home, photo.above) for photo in self.photos
            ]
        return Candidate(
            self.layout,
            tuple(self.photos),
            tuple(self.class_folders),
            self.splits,
            tuple(dict.fromkeys(self.above)),
            self.reasons,
            split_folders or {},
            links,
        )
