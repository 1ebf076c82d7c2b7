"""Manifest: which photos there are, what each shows, how their source was understood, and what was odd in it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from budwood.core.text import count
from budwood.data.images import ImageLike
from budwood.data.taxonomy import Taxonomy
from budwood.data.understood import PassedOver, Reading, Understood

__all__ = ["CALIBRATION", "PARTS", "SPLITS", "Manifest", "PassedOver", "Photo", "Problem", "Reading", "Split"]

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
"""Those that a source may bring."""
CALIBRATION = "calibration"
"""The split that a recipe may ask for: it calibrates sets of classes, and nothing else."""
PARTS = (*SPLITS, CALIBRATION)
"""Every split of a training."""


NOTHING: Mapping[str, str] = {}
"""One for all photos: each its own would be 64 MB for a million."""


@dataclass(frozen=True, slots=True)
class Kin:
    """What decoding says of which photos belong together: those of one name do. Empty before the check."""

    equal: str = ""
    """Of the photos that have equal pixels, whatever their bytes."""
    same: str = ""
    """Of those that are one picture: saved again at another quality, size or format."""
    near: str = ""
    """Of those that are nearly one picture, such as frames of a burst."""
    taken: str = ""
    """When it was taken and with what; see `budwood.data.images.Inspection`."""


NO_KIN = Kin()


@dataclass(frozen=True, slots=True)
class Photo:
    """One labelled photo."""

    image: ImageLike = field(compare=False, repr=False)
    """A picture that can be read later, usually a file; or the array or bytes of a picture in memory."""
    name: str
    """POSIX path below the source's root, unique in its manifest: how every file of a run names the photo."""
    label: str
    """Its class; of a photo with several labels all of them in one text (`budwood.core.label_text`)."""
    split: str | None = None
    """"train", "validation", "test", "calibration", or None where the source does not say."""
    sha256: str = ""
    width: int = 0
    """Pixels, as a viewer shows it; 0 before the check."""
    height: int = 0
    group: str | None = None
    """Photos of one group stay in one split."""
    weight: float = 1.0
    """How much the photo counts where it is trained on."""
    metadata: Mapping[str, str] = field(default_factory=lambda: NOTHING, hash=False)
    """What else the source says of it, by column; of a folder, "domain" where domains lie above the classes."""
    kin: Kin = NO_KIN
    labels: tuple[str, ...] | None = None
    """Where photos have several labels: those that it has, which may be none. None where each has one class."""
    unknown: tuple[str, ...] = ()
    """Labels of which nobody knows whether the photo has them."""

    @property
    def each_label(self) -> tuple[str, ...]:
        """Return the labels that it has, or its class.

        >>> Photo(b"", "1", "cat").each_label
        ('cat',)
        """
        return (self.label,) if self.labels is None else self.labels


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the data."""

    path: str
    """Name of the photo, file or folder."""
    kind: str
    """One word, such as "truncated" or "duplicate"."""
    detail: str
    """A sentence."""


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
    reading: Reading = field(default_factory=Reading)
    """How the source was understood."""
    taxonomy: Taxonomy | None = None
    """The tree of the labels, where folders say it (`data.tree`)."""

    def __repr__(self) -> str:
        """Return a short text, for it stands in the command of a run.

        >>> Manifest((Photo(b"", "1", "cat"),), ("cat",), name="pets")
        Manifest('pets', 1 photo, 1 class)
        """
        photos, classes = count(len(self.photos), "photo"), count(len(self.classes), "class", "classes")
        return f"Manifest({self.name!r}, {photos}, {classes})"

    @property
    def multi_label(self) -> bool:
        """Return whether a photo may have several labels."""
        return any(photo.labels is not None for photo in self.photos)

    def understood(self) -> Understood:
        """Return what was understood of the source, without a photo.

        >>> Manifest((Photo(b"", "1", "cat", "train"),), ("cat",)).understood().classes
        {'cat': {'train': 1}}
        """
        counts: dict[str, Counter[str]] = {label: Counter() for label in self.classes}
        photos: Counter[str] = Counter()
        for photo in self.photos:
            photos[photo.split or ""] += 1
            for label in photo.each_label:
                counts[label][photo.split or ""] += 1
        groups = {photo.group for photo in self.photos if photo.group is not None}
        return Understood(
            self.reading,
            {label: dict(by_split) for label, by_split in counts.items()},
            self.passed_over,
            len(groups),
            photos=dict(photos),
            unlabelled=sum(not photo.each_label and not photo.unknown for photo in self.photos),
            unknown=sum(bool(photo.unknown) for photo in self.photos),
            multi_label=self.multi_label,
        )
