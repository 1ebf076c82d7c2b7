"""Photos with several labels: what they are made of, and by which label a split deals them."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool

from budwood.core.errors import DataError
from budwood.core.label_text import SEPARATOR, UNKNOWN, as_text, disputed
from budwood.core.text import shown
from budwood.data.manifest import Manifest, Photo


def with_labels(photo: Photo, labels: Iterable[str], unknown: Iterable[str] = ()) -> Photo:
    """Return a photo that has these labels, and no others but perhaps the unknown ones."""
    labels, unknown = tuple(sorted(set(labels))), tuple(sorted(set(unknown)))
    return replace(photo, label=as_text(labels, unknown), labels=labels, unknown=unknown)


def without_labels(photo: Photo, labels: Collection[str]) -> Photo:
    """Return a photo with several labels without some of them, known or unknown."""
    assert photo.labels is not None
    if not {*photo.labels, *photo.unknown} & set(labels):
        return photo
    return with_labels(
        photo,
        [label for label in photo.labels if label not in labels],
        [label for label in photo.unknown if label not in labels],
    )


def only_of(manifest: Manifest, photos: Sequence[Photo]) -> Manifest:
    """Return a manifest of some of its photos, without the labels that none of them has, unknown ones too."""
    held = {label for photo in photos for label in photo.each_label}
    lost = [label for label in manifest.classes if label not in held]
    if manifest.multi_label and lost:
        photos = [without_labels(photo, lost) for photo in photos]
    return replace(
        manifest,
        photos=tuple(photos),
        classes=tuple(label for label in manifest.classes if label in held),
    )


def disputed_labels(photos: Sequence[Photo]) -> tuple[str, ...]:
    """Return the labels that some photos have and others have not, sorted; none that is only unknown in the others.

    Of photos of one class each these are their classes, where there are several.

    >>> sets = (["sea", "sunset"], []), (["sea"], []), (["sea"], ["trees"])
    >>> disputed_labels([with_labels(Photo(b"", "", ""), has, unknown) for has, unknown in sets])
    ('sunset',)
    """
    if any(photo.labels is None for photo in photos):
        classes = sorted({photo.label for photo in photos})
        return tuple(classes) if len(classes) > 1 else ()
    return disputed((photo.each_label, photo.unknown) for photo in photos)


def as_multi_label(manifest: Manifest) -> Manifest:
    """Return a manifest whose photos have one label each as one of several labels a photo.

    Raise DataError for a name that cannot be written among several.
    """
    if manifest.multi_label:
        return manifest
    refuse_bad_names(manifest.classes, manifest.name)
    photos = tuple(with_labels(photo, (photo.label,)) for photo in manifest.photos)
    return replace(manifest, photos=photos)


def refuse_bad_names(labels: Iterable[str], title: str) -> None:
    """Raise DataError for a label that cannot stand beside others in one text."""
    for label in labels:
        if SEPARATOR in label or label.startswith(UNKNOWN):
            raise DataError(
                f"{title}: the label {shown(label[:60])!r} holds {SEPARATOR!r} or begins with {UNKNOWN!r}, by which "
                "several labels of a photo are told apart. Give it another name"
            )


def rarest_labels(photos: Sequence[Photo]) -> dict[str, str]:
    """Return by the name of each photo its rarest label, by which it is dealt to a split; "" where it has none.

    A photo with one label goes by that.

    >>> photos = [with_labels(Photo(b"", name, ""), labels) for name, labels in (("1", "ab"), ("2", "a"))]
    >>> rarest_labels(photos)
    {'1': 'b', '2': 'a'}
    """
    counts = label_counts(photos)
    return {
        photo.name: min(photo.each_label, key=lambda label: (counts[label], label), default="")
        for photo in photos
    }


def unknown_cells(photos: Sequence[Photo], labels: Sequence[str]) -> Bool[np.ndarray, "n k"]:
    """Return of which labels it is unknown whether a photo has them.

    >>> unknown_cells([with_labels(Photo(b"", "1", ""), ["a"], unknown=["b"])], ["a", "b"]).tolist()
    [[False, True]]
    """
    return np.array([[label in photo.unknown for label in labels] for photo in photos], bool)


def label_counts(photos: Iterable[Photo]) -> Mapping[str, int]:
    """Return how many photos have each label."""
    return Counter(label for photo in photos for label in photo.each_label)
