"""The one place where the label of a photo is read, whatever holds it: a column, an annotation, a dataset's number."""

import numbers
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from budwood.core.errors import DataError
from budwood.core.text import class_key, shown

_SEPARATORS = re.compile(r"[;|,]")
_LONGEST = 500
_MISSING = ("nan", "-nan", "<na>", "#n/a", "nat")
_NUMBER = re.compile(r"[+-]?\d{1,15}(\.0*)?")


class Labels:
    """Reads the labels of one source, and knows what was read when they are to be judged together.

    >>> labels = Labels("photos.csv")
    >>> labels.read("cat", "row 2"), labels.read("dog", "row 3")
    ('cat', 'dog')
    """

    def __init__(self, title: str, names: Sequence[str] | None = None):
        self.title = title
        self.names = names
        """Of classes that are written as their numbers."""
        self._first: dict[str, tuple[str, type]] = {}

    def read(self, value: object, where: str) -> str:
        """Return the class that a value names. Raise DataError, with `where` it stands."""
        value = _without_array(value)
        if shape := getattr(value, "shape", ()):
            raise DataError(
                f"{self.title}, {where}: the label is an array of shape {tuple(shape)}, and a photo has one label. "
                "Expected a class name, or its number, which labels.argmax(axis=1) gives of one-hot rows"
            )
        label = self._number(value, where) if isinstance(value, int | float) else value
        if label is None or label == "" or (isinstance(label, str) and not label.strip()):
            raise DataError(
                f"{self.title}, {where}: the label is empty. Give the photo a label, or remove it"
            )
        if isinstance(label, list | tuple | set | dict):
            raise DataError(
                f"{self.title}, {where}: the label is {shown(str(label)[:60])}, and a photo has one. Expected a class "
                "name"
            )
        if not isinstance(label, str):
            raise DataError(
                f"{self.title}, {where}: the label is of type {type(label).__name__}. Expected a class name, or its "
                "number"
            )
        if label.strip().lower() in _MISSING:
            raise DataError(
                f"{self.title}, {where}: the label is {shown(label)!r}, as programs write an empty field. Give the "
                "photo a label, or remove it; a class of that name needs another one"
            )
        if len(label) > _LONGEST:
            raise DataError(
                f"{self.title}, {where}: the label has {len(label):,} characters, which is no class name: "
                f"{shown(label[:40])!r} ..."
            )
        # Two forms of the same letters are one name.
        label = unicodedata.normalize("NFC", label)
        kind = int if isinstance(value, int | float) else str
        first, kind_of_first = self._first.setdefault(label, (where, kind))
        if kind is not kind_of_first:
            raise DataError(
                f"{self.title}: the label {label!r} is a number in {where if kind is int else first} and text in "
                f"{first if kind is int else where}. Write every label in the same way"
            )
        return label

    def judge(self, *, one_each: bool = True) -> None:
        """Look at all labels together. Raise DataError where some are the same but for spelling, or, where each photo
        has one and nobody has said so (`one_each`), several in one."""
        kinds = Counter(kind for _, kind in self._first.values())
        if len(kinds) > 1:
            number, text = (
                next((label, where) for label, (where, kind) in self._first.items() if kind is one)
                for one in (int, str)
            )
            raise DataError(
                f"{self.title}: labels of mixed types: {number[0]} in {number[1]} is a number, {text[0]!r} in {text[1]}"
                " is text. Write every label in the same way"
            )
        for label, (where, _) in self._first.items():
            parts = [part.strip() for part in _SEPARATORS.split(label)]
            if one_each and len(parts) > 1 and all(part in self._first for part in parts):
                between = next(sign for sign in label if _SEPARATORS.match(sign))
                raise DataError(
                    f"{self.title}, {where}: {label!r} names several classes, and {parts[0]!r} is one by itself. "
                    "Expected one label for each photo; for several, give --set data.task=multi-label --set "
                    f"data.label_separator='{between}'"
                )
        seen: dict[str, str] = {}
        for label in self._first:
            other = seen.setdefault(class_key(label), label)
            if other != label:
                raise DataError(
                    f"{self.title}: the labels {other!r} ({self._first[other][0]}) and {label!r} "
                    f"({self._first[label][0]}) differ by case or blanks alone. Write them alike, or "
                    "give them names that differ"
                )
        self._refuse_same_numbers()

    def _refuse_same_numbers(self) -> None:
        """Raise DataError where labels are one number in several spellings, such as 1, 01 and 1.0."""
        seen: dict[float, str] = {}
        for label in self._first:
            if _NUMBER.fullmatch(label.strip()):
                other = seen.setdefault(float(label), label)
                if other != label:
                    raise DataError(
                        f"{self.title}: the labels {other!r} ({self._first[other][0]}) and {label!r} "
                        f"({self._first[label][0]}) are the same number. Write them alike, or give them names that "
                        "differ"
                    )

    def _number(self, value: int | float, where: str) -> object:
        if isinstance(value, bool):
            return value
        if isinstance(value, float):
            if value != value:  # NaN is how tables of numbers leave a field empty
                return None
            if not value.is_integer():
                raise DataError(
                    f"{self.title}, {where}: the label is {value:g}, a number with decimals. Expected a class name, or "
                    "its number"
                )
            value = int(value)  # so are numbers beside an empty field
        if self.names is None:
            return str(value) if abs(value) < 10**18 else [value]
        if value == -1:  # how data sets say that nobody knows
            return None
        if not 0 <= value < len(self.names):
            raise DataError(
                f"{self.title}, {where}: the label is {value}, and the classes are numbered 0 to {len(self.names) - 1}"
            )
        return self.names[value]


def _without_array(value: object) -> object:
    """Return Python's own number in place of NumPy's or a tensor's."""
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "size", None) == 1:
        return item()
    return value
