"""Classes of unequal size, and classes of which a split has too few photos to say anything."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np

from budwood.auditing.findings import FewPhotos, Imbalance
from budwood.config.learning import Loss
from budwood.core.errors import DataError
from budwood.data.manifest import Photo
from budwood.data.split import assign_splits
from budwood.training.class_weights import class_weights

UNEQUAL = 3.0
"""Classes are unequal from this ratio on of the photos of the largest class to those of the smallest."""
MAJORITY = 1.5
"""They are so too from this ratio on of the share of the largest to what it would be if all were equal."""
FEW = 5
"""Photos of a test split below which a class's recall says little: the interval of 4 of 4 begins at 51 %."""
_MEASURED: tuple[Literal["train", "validation", "test"], ...] = ("train", "validation", "test")


def find_imbalance(photos: Sequence[Photo], classes: Sequence[str]) -> list[Imbalance]:
    """Return the imbalance of the photos that can be used, where there is one."""
    counts = Counter(photo.label for photo in photos)
    if len(classes) < 2:
        return []
    largest = max(classes, key=lambda label: counts[label])
    smallest = min(classes, key=lambda label: counts[label])
    share = counts[largest] / len(photos)
    if counts[largest] < UNEQUAL * counts[smallest] and share * len(classes) < MAJORITY:
        return []
    labels = np.array([list(classes).index(photo.label) for photo in photos])
    weights = class_weights(Loss(class_weights="balanced"), labels, classes)
    return [
        Imbalance(
            largest=largest,
            smallest=smallest,
            num_largest=counts[largest],
            num_smallest=counts[smallest],
            majority_share=share,
            weights={label: round(float(one), 4) for label, one in zip(classes, weights, strict=True)},
        )
    ]


def find_few_photos(
    photos: Sequence[Photo],
    classes: Sequence[str],
    shares: Sequence[float] = (0.8, 0.1, 0.1),
    seed: int = 0,
) -> list[FewPhotos]:
    """Return for each split, the worst first, the classes that have too few photos in it, where there are such.

    Too few are less than five in test, none in validation, less than two in train, as given or as `train` would divide.

    Args:
        photos: that can be used, with their groups; photos of one group count once.
        classes: their names.
        shares, seed: of the split that would be made.
    """
    given = {photo.split for photo in photos} - {None}
    try:
        photos = assign_splits(photos, shares=shares, seed=seed)
    except DataError:
        # Too few to be divided at all: the check says so.
        photos = tuple(photo for photo in photos if photo.split)
    there: dict[tuple[str, str], set[str]] = defaultdict(set)
    for photo in photos:
        for label in photo.each_label:
            there[label, photo.split or ""].add(photo.group or photo.sha256 or photo.name)
    splits = {photo.split for photo in photos}
    found = []
    for split in _MEASURED:
        least = {"train": 2, "validation": 1, "test": FEW}[split]
        numbers = {label: len(there[label, split]) for label in classes}
        few = sorted((label for label in classes if numbers[label] < least), key=numbers.__getitem__)
        if split in splits and few:
            by_class = {label: numbers[label] for label in few}
            found.append(FewPhotos(split=split, least=least, classes=by_class, given=split in given))
    return sorted(found, key=lambda one: (min(one.classes.values()), -_MEASURED.index(one.split)))
