"""Several labels a picture as scikit-learn's users give them: a matrix of 0 and 1, or a collection of labels each."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from budwood.core.label_text import SEPARATOR
from budwood.core.text import shown
from budwood.data.label_sets import refuse_bad_names


@dataclass(frozen=True)
class Indicator:
    """Which picture has which label."""

    labels: tuple[str, ...]
    """In the order of the columns."""
    targets: Float32[np.ndarray, "n k"]
    """1 where a picture has a label, 0 where it has not, NaN where that is unknown."""


def read_indicator(y: Any, labels: Sequence[str] | None = None) -> Indicator | None:
    """Return which labels each picture has; None where y holds one class a picture.

    Args:
        y: `(n, K)` of 0, 1 (or False, True) and NaN for unknown: an array, nested lists, a sparse matrix or a data
            frame; or one collection of texts a picture, which may be empty.
        labels: known ones, in the order that is wanted; by default a frame's columns, "label 0" and so on of an array,
            those of all collections, sorted.

    Raises:
        ValueError: for other values, rows of different lengths, a single column, or other labels than the known ones.
        DataError: for a label that cannot be written beside others.

    >>> read_indicator([["sea", "sun"], [], ["sea"]])
    Indicator(labels=('sea', 'sun'), targets=array([[1., 1.],
           [0., 0.],
           [1., 0.]], dtype=float32))
    >>> read_indicator(["sea", "sun"]) is None
    True
    """
    if hasattr(y, "columns"):
        return _of_frame(y, labels)
    if hasattr(y, "toarray"):
        return _of_matrix(y.toarray(), labels)
    if isinstance(y, np.ndarray) and y.ndim > 1:
        return _of_matrix(y, labels)
    if isinstance(y, str | bytes) or not isinstance(y, Iterable):
        return None
    if isinstance(y, np.ndarray) and (y.dtype != object or not y.ndim):
        return None
    rows = list(y)
    several = [_is_collection(row) for row in rows]
    if not any(several):
        return None
    if not all(several):
        raise ValueError(
            f"y holds one class for picture {several.index(False)}, and several labels for picture "
            f"{several.index(True)}. Give a collection of labels for each"
        )
    if any(isinstance(row, set | frozenset) or isinstance(one, str) for row in rows for one in _some(row)):
        return _of_collections(rows, labels)
    if not any(len(row) for row in rows):
        raise ValueError("y holds no label of any picture, so there is nothing to learn. Give some")
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        raise ValueError(
            f"the rows of y have {min(lengths)} to {max(lengths)} numbers. Give one for each label, 0 or 1, or "
            "collections of texts"
        )
    return _of_matrix(np.array([list(row) for row in rows], dtype=object), labels)


def refuse_joined(classes: Iterable[Any]) -> None:
    """Raise ValueError where classes look like several labels in one text.

    >>> refuse_joined(["salt;pepper", "sugar"])
    >>> refuse_joined(["sea", "sea;sun"])
    Traceback (most recent call last):
    ...
    ValueError: y can be read in two ways: 'sea;sun' may be one class, or the labels sea and sun of one picture. \
Give [text.split(';') for text in y] for several labels a picture, or classes without ';'
    """
    seen: dict[str, str] = {}
    for text in classes:
        if not isinstance(text, str):
            return
        for part in text.split(SEPARATOR):
            other = seen.setdefault(part, text)
            if other != text:
                joined = text if SEPARATOR in text else other
                parts = " and ".join(shown(one) for one in joined.split(SEPARATOR)[:2])
                raise ValueError(
                    f"y can be read in two ways: {joined!r} may be one class, or the labels {parts} of one picture. "
                    f"Give [text.split({SEPARATOR!r}) for text in y] for several labels a picture, or classes without "
                    f"{SEPARATOR!r}"
                )


def _is_collection(row: Any) -> bool:
    if isinstance(row, str | bytes):
        return False
    return isinstance(row, Collection) or (isinstance(row, np.ndarray) and row.ndim > 0)


def _some(row: Collection[Any]) -> list[Any]:
    """Return what says of which kind a row is: something of it, also of an empty set."""
    return list(row)[:1] or [None]


def _of_collections(rows: Sequence[Collection[Any]], labels: Sequence[str] | None) -> Indicator:
    for place, row in enumerate(rows):
        other = next((one for one in row if not isinstance(one, str)), None)
        if other is not None:
            raise ValueError(
                f"y[{place}] holds {other!r} among its labels. Give texts, such as {str(other)!r}"
            )
    found = sorted({str(one) for row in rows for one in row})
    if labels is None:
        refuse_bad_names(found, "y")
        labels = found
    if not labels:
        raise ValueError("y holds no label of any picture, so there is nothing to learn. Give some")
    if unknown := sorted(set(found) - set(labels)):
        raise ValueError(
            f"y holds the label {unknown[0]}, which was not among those of fit: {', '.join(list(labels)[:10])}. "
            "Rename it, or leave it out"
        )
    targets = np.array([[one in set(row) for one in labels] for row in rows], np.float32)
    return Indicator(tuple(labels), targets)


def _of_frame(frame: Any, labels: Sequence[str] | None) -> Indicator:
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f"two columns of y have the name {twice}. Give each label one column with a name of its own"
        )
    values = _numbers(_array(frame), names)
    if labels is None:
        return Indicator(tuple(names), values)
    if set(labels) != set(names):
        odd = sorted(set(names) ^ set(labels))[0]
        raise ValueError(
            f"y has the columns {', '.join(names[:10])}, and the labels of fit are {', '.join(list(labels)[:10])}: "
            f"{odd} is in one of the two alone. Give a column for each"
        )
    return Indicator(tuple(labels), values[:, [names.index(label) for label in labels]])


def _array(frame: Any) -> np.ndarray:
    """Return the cells, with NaN for what pandas calls NA."""
    values = np.asarray(frame)
    if values.dtype == object:
        missing = np.asarray(frame.isna()) if hasattr(frame, "isna") else np.zeros(values.shape, bool)
        values = np.where(missing, np.nan, values)
    return values


def _of_matrix(values: np.ndarray, labels: Sequence[str] | None) -> Indicator:
    names = list(labels) if labels is not None else [f"label {number}" for number in range(values.shape[-1])]
    if values.ndim == 2 and values.shape[1] != len(names):
        raise ValueError(f"y has {values.shape[1]} columns for {len(names)} labels. Give one for each label")
    return Indicator(tuple(names), _numbers(values, names))


def _numbers(values: np.ndarray, names: Sequence[str]) -> Float32[np.ndarray, "n k"]:
    """Return the cells as numbers. Raise ValueError for another shape, or a cell that is none of 0, 1 and NaN."""
    if values.ndim != 2 or values.shape[1] < 2:
        raise ValueError(
            f"y must hold one label per picture, or a column for each of two or more labels: got shape {values.shape}. "
            "Give a flat sequence of classes, or of one label alone a collection a picture, such as ['sea'] and []"
        )
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError):
        numbers = np.full(values.shape, -1.0)
        for (row, column), cell in np.ndenumerate(values):
            if cell is None or isinstance(cell, int | float | np.number | np.bool_):
                numbers[row, column] = np.nan if cell is None else float(cell)
    wrong = np.argwhere(~(np.isnan(numbers) | (numbers == 0) | (numbers == 1)))
    if len(wrong):
        row, column = wrong[0].tolist()
        raise ValueError(
            f"row {row} of y says {shown(str(values[row, column])[:60])!r} of {names[column]}. Expected 1 for a "
            "picture with the label, 0 for one without, NaN where it is unknown"
        )
    return numbers.astype(np.float32)
