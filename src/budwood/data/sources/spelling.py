"""Names of classes that are spelled in two ways: joined where they are certainly one, and stopped at where not."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from budwood.core.errors import DataError
from budwood.core.text import class_key, listing
from budwood.data.sources.listing import Placed


def join_spellings(
    photos: Sequence[Placed], *, asked: bool, title: str
) -> tuple[list[Placed], dict[str, tuple[str, ...]]]:
    """Return the photos with one name for each class, and by class the other spellings that were taken for it.

    Names that differ by their Unicode form alone are one name. Names that differ by case or blanks are one class where
    they stand in different folders, such as `train/Cats` and `test/cats`; in the same folder they may be two.

    Args:
        photos: as they were placed.
        asked: whether the user said how to read the folder; names of one folder are then kept apart.
        title: what messages call the root.

    Raises:
        DataError: two names in one folder differ by case or blanks alone.
    """
    spelled: dict[str, Counter[str]] = defaultdict(Counter)
    homes: dict[tuple[str, str], set[str]] = defaultdict(set)
    for photo in photos:
        key, name = class_key(photo.label), unicodedata.normalize("NFC", photo.label)
        spelled[key][photo.label] += 1 + (photo.split == "train") * len(photos)
        homes[key, photo.home].add(name)
    apart = {key for (key, _), names in homes.items() if len(names) > 1}
    if apart and not asked:
        names = next(sorted(names) for (key, _), names in homes.items() if key in apart and len(names) > 1)
        raise DataError(
            f"{listing([repr(name) for name in names])} in {title} differ by upper and lower case or blanks alone. If "
            "they are one class, give them one name; if they are two, give --layout classes (or splits, nested, flat)"
        )
    chosen: dict[str, str] = {}
    joined: dict[str, tuple[str, ...]] = {}
    for key, counts in spelled.items():
        if key in apart:
            chosen |= {label: unicodedata.normalize("NFC", label) for label in counts}
            continue
        # Where most of its photos to learn from have it so.
        first = max(sorted(counts), key=lambda label: counts[label])
        name = unicodedata.normalize("NFC", first)
        chosen |= dict.fromkeys(counts, name)
        if len(counts) > 1:
            joined[name] = tuple(sorted(label for label in counts if label != first))
    return [replace(photo, label=chosen[photo.label]) for photo in photos], joined
