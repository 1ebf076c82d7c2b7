"""What was understood of a source before a photo is decoded: classes, splits and groups with their photos, and what is
not read."""

from collections.abc import Mapping
from dataclasses import dataclass, field


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
    inner: tuple[str, ...] = ()
    """Folders within that of a class which have the name of another class; their photos count as the outer one."""
    doubtful: tuple[str, ...] = ()
    """Classes whose names say that they may be none, such as "Unsorted"."""
    columns: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Of a table, the column that gives each of "path", "label", "split", "group" and "weight"."""
    label_columns: tuple[str, ...] = ()
    """Of a table, the columns that say 1 or 0 of a label each."""
    asked: bool = False
    """Whether an option chose this reading; otherwise it was the only one."""


@dataclass(frozen=True)
class Understood:
    """What was understood of a source."""

    reading: Reading = field(default_factory=Reading)
    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By class, the number of photos of each split; those without a split under an empty string."""
    passed_over: tuple[PassedOver, ...] = ()
    groups: int = 0
    """How many groups the source names; 0 where it names none."""
    photos: Mapping[str, int] = field(default_factory=dict)
    """Number of photos of each split, as `classes` has it of each class."""
    multi_label: bool = False
    """Whether a photo may have several labels: then it is counted under each of them."""
    unlabelled: int = 0
    """Photos that have none of the labels."""
    unknown: int = 0
    """Photos of which a label is unknown."""

    @property
    def splits(self) -> list[str]:
        """Return the splits that have photos, an empty string for the photos without one."""
        there = set(self.photos) or {split for counts in self.classes.values() for split in counts}
        return [split for split in ("train", "validation", "test", "") if split in there]

    @property
    def lacking(self) -> dict[str, list[str]]:
        """Return by given split the classes of which it has no photos."""
        return {
            split: [label for label, counts in self.classes.items() if not counts.get(split)]
            for split in self.splits
            if split and any(not counts.get(split) for counts in self.classes.values())
        }
