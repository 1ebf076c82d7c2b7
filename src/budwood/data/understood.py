"""What was understood of a source before a photo is decoded: classes, splits and groups with their photos, and what is
not read."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from budwood.data.manifest import Manifest, PassedOver, Reading


@dataclass(frozen=True)
class Understood:
    """What was understood of a source."""

    reading: Reading = field(default_factory=Reading)
    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By class, the number of photos of each split; those without a split under an empty string."""
    passed_over: tuple[PassedOver, ...] = ()
    groups: int = 0
    """How many groups the source names; 0 where it names none."""

    @property
    def splits(self) -> list[str]:
        """Return the splits that have photos, an empty string for the photos without one."""
        there = {split for counts in self.classes.values() for split in counts}
        return [split for split in ("train", "validation", "test", "") if split in there]

    @property
    def lacking(self) -> dict[str, list[str]]:
        """Return by given split the classes of which it has no photos."""
        return {
            split: [label for label, counts in self.classes.items() if not counts.get(split)]
            for split in self.splits
            if split and any(not counts.get(split) for counts in self.classes.values())
        }


def understand(manifest: Manifest) -> Understood:
    """Return what a manifest says, without a photo.

    >>> from budwood.data.manifest import Photo
    >>> understand(Manifest((Photo(b"", "1", "cat", "train"),), ("cat",))).classes
    {'cat': {'train': 1}}
    """
    counts: dict[str, dict[str, int]] = {label: defaultdict(int) for label in manifest.classes}
    for photo in manifest.photos:
        counts[photo.label][photo.split or ""] += 1
    groups = {photo.group for photo in manifest.photos if photo.group is not None}
    return Understood(
        manifest.reading,
        {label: dict(by_split) for label, by_split in counts.items()},
        manifest.passed_over,
        len(groups),
    )
