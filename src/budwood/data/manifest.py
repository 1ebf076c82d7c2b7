"""Manifest: which photos there are, what each shows, how their source was understood, and what was odd in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from budwood.core.text import count
from budwood.data.images import ImageLike


@dataclass(frozen=True, slots=True)
class Photo:
    """One labelled photo."""

    image: ImageLike = field(compare=False, repr=False)
    """A picture that can be read later, usually a file; or the array or bytes of a picture in memory."""
    name: str
    """POSIX path below the source's root, unique in its manifest: how every file of a run names the photo."""
    label: str
    split: str | None = None
    """"train", "validation", "test", or None where the source does not say."""
    sha256: str = ""
    width: int = 0
    """Pixels, as a viewer shows it; 0 before the check."""
    height: int = 0
    group: str | None = None
    """Photos of one group stay in one split."""
    weight: float = 1.0
    """How much the photo counts where it is trained on."""
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What else the source says of it, by column; of a folder, "domain" where domains lie above the classes."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the data."""

    path: str
    """Name of the photo, file or folder."""
    kind: str
    """One word, such as "truncated" or "duplicate"."""
    detail: str
    """A sentence."""


@dataclass(frozen=True, slots=True)
class PassedOver:
    """Files of one kind in one place that were not read."""

    kind: str
    """Why, in one word, such as "format", "litter", "run", "broken_link" or "beside" (outside of every class)."""
    place: str
    """The class where they lie in the folder of one, otherwise the folder; "." is the source itself."""
    count: int
    example: str
    """Name of one of them."""
    ending: str = ""
    """In lower case, with its dot, where all have the same."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a source was understood: what its folders, file names or columns were taken for."""

    layout: str = ""
    """"classes", "splits" or "flat" of a folder; elsewhere the kind of source, such as "csv"."""
    splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """What the source calls each split that it brings, such as {"train": ("Training",)}."""
    above: tuple[str, ...] = ()
    """Folders above the classes that are neither a class nor a split: "images", or the domains "amazon", "dslr"."""
    joined: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """By class, the other spellings of its name that were taken for it."""
    columns: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Of a table, the column that gives each of "path", "label", "split", "group" and "weight"."""
    asked: bool = False
    """Whether an option chose this reading; otherwise it was the only one."""


@dataclass(frozen=True)
class Manifest:
    """What a source brings: its photos in a stable order, its class names (a folder's are sorted), and problems of
    the listing."""

    photos: tuple[Photo, ...]
    classes: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    name: str = "photos"
    """The name of the data set; a run that is given no directory is named after it."""
    passed_over: tuple[PassedOver, ...] = ()
    """What the source holds and was not read, by kind and place."""
    reading: Reading = Reading()
    """How the source was understood."""

    def __repr__(self) -> str:
        """Return a short text, for it stands in the command of a run.

        >>> Manifest((Photo(b"", "1", "cat"),), ("cat",), name="pets")
        Manifest('pets', 1 photo, 1 class)
        """
        photos, classes = count(len(self.photos), "photo"), count(len(self.classes), "class", "classes")
        return f"Manifest({self.name!r}, {photos}, {classes})"
