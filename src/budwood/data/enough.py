"""Whether the usable photos are enough to learn from: classes with too few, and what is refused for it."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from budwood.core.errors import DataError
from budwood.core.text import count, listing
from budwood.data.label_sets import without_labels
from budwood.data.manifest import Photo, Problem

FEWEST = 3
"""Different photos that a class needs where photos are divided: one each for train, validation and test."""


def refuse_too_many_unreadable(unreadable: Sequence[Problem], num_found: int, max_unreadable: float) -> None:
    if num_found == 0:
        raise DataError("there are no photos. Expected at least 3 of each of two classes")
    if len(unreadable) > max_unreadable * num_found:
        some = some_names(f"{problem.path!r} ({problem.kind})" for problem in unreadable)
        raise DataError(
            f"{len(unreadable)} of {num_found} photos ({len(unreadable) / num_found:.0%}) cannot be decoded: {some}. "
            f"Fix or remove them, or raise `data.max_unreadable`, which is {max_unreadable:g}"
        )


def leave_small_classes_out(photos: Sequence[Photo], fewest: int) -> tuple[list[Photo], list[Problem]]:
    different = different_photos(photos)
    small = {label: number for label, number in different.items() if number < fewest}
    problems = [
        Problem(
            label,
            "small_class",
            f"{count(number, 'different photo')}, and data.min_photos = {fewest}; the class is left out",
        )
        for label, number in sorted(small.items())
    ]
    return [kept for photo in photos if (kept := _without(photo, small)) is not None], problems


def _without(photo: Photo, labels: Collection[str]) -> Photo | None:
    """Return the photo without some of its labels, None where its one class is among them."""
    if photo.labels is None:
        return None if photo.label in labels else photo
    return without_labels(photo, labels)


def different_photos(photos: Sequence[Photo]) -> Counter[str]:
    """Return how many photos each class has that a split can tell apart: copies count once, and so do groups."""
    units = {(label, photo.group or photo.kin.equal) for photo in photos for label in photo.each_label}
    return Counter(label for label, _ in units)


def too_few_classes(different: Mapping[str, int], fewest: int) -> str:
    """Return in words that classes of fewer than `fewest` different photos are left out, and how many they have."""
    largest = sorted(different, key=lambda label: (-different[label], label))[:2]
    found = listing([f"{label!r} has {different[label]:,}" for label in largest])
    text = (
        f"data.min_photos = {fewest} (--min-photos) leaves fewer than two classes: of the largest, {found} different "
        "photos"
    )
    if len(largest) < 2:
        return f"{text}; two classes are needed"
    return f"{text}. Give {different[largest[-1]]} or fewer, or add photos"


def _on_every_photo(photos: Sequence[Photo], labels: Sequence[str]) -> list[str]:
    """Return the labels that no photo is known to lack."""
    lacked = set()
    for photo in photos:
        lacked |= set(labels) - set(photo.each_label) - set(photo.unknown)
    return [label for label in labels if label not in lacked]


def refuse_too_few(photos: Sequence[Photo], classes: Sequence[str], too_few: str) -> None:
    if too_few:
        raise DataError(too_few)
    several = any(photo.labels is not None for photo in photos)
    if len(classes) < 2 and several:
        raise DataError(
            f"{count(len(classes), 'label')} can be used{_listed(classes)}; two are needed. To tell photos with a "
            "label from photos without it, give each photo one of two classes"
        )
    if len(classes) < 2:
        raise DataError(
            f"photos of {len(classes)} class{'' if classes else 'es'} can be used{_listed(classes)}; two are needed. "
            "`budwood check` says what is wrong with the others"
        )
    if all(photo.split is None for photo in photos):
        different = different_photos(photos)
        few = [f"{label!r} has {different[label]}" for label in classes if different[label] < FEWEST]
        if few:
            kind, kinds = ("label", "labels") if several else ("class", "classes")
            raise DataError(
                f"too few photos: {some_names(few)}. Each {kind} needs at least {FEWEST} different ones, one each for "
                "train, validation and test (copies, and photos of one group, count once). Add photos, or leave such "
                f"{kinds} out with --min-photos {FEWEST}"
            )
    if several and (everywhere := _on_every_photo(photos, classes)):
        raise DataError(
            f"every photo has {some_names(map(repr, everywhere))} where that is known, so there is nothing to learn of "
            "it. Expected photos with it and photos without it: add some, or leave the label out"
        )
    learnable = {label for photo in photos if photo.split in (None, "train") for label in photo.each_label}
    unseen = [label for label in classes if label not in learnable]
    if unseen:
        raise DataError(
            f"no usable photos in train of {some_names(map(repr, unseen))}, which validation or test has. "
            "Add some to train, or remove the class"
        )


def _listed(names: Sequence[str]) -> str:
    return f" ({some_names(map(repr, names))})" if names else ""


def some_names(names: Iterable[str], most: int = 4) -> str:
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more
