"""Make a manifest of the rows of a table: the one way of every table, annotation file and data frame.

A row names a picture, or brings it, and its label; optional are a split, a group, a weight, and whatever else it says,
which is kept as metadata. What cannot be read rightly is refused with the row in which it stands.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from budwood.core.errors import DataError
from budwood.core.text import shown
from budwood.data.images import ImageLike
from budwood.data.manifest import Manifest, PassedOver, Photo, Problem, Reading
from budwood.data.sources.columns import NAME, Columns, no_label
from budwood.data.sources.find import Finder
from budwood.data.sources.label_values import AS_FOUND, LabelForm, read_fields, read_indicators
from budwood.data.sources.names import settle_held_out, split_roles


@dataclass(frozen=True, slots=True)
class Row:
    """One photo as a table has it."""

    where: str
    """For messages, such as "row 3"."""
    values: Mapping[str, object]
    """By column."""
    image: ImageLike | None = None
    """The picture itself, where the table brings it."""
    name: str = ""
    """What to call that picture."""


@dataclass(frozen=True)
class Table:
    """Rows, and what their columns mean."""

    title: str
    """What messages call it, such as the path of the file."""
    kind: str
    """Such as "csv"."""
    columns: Columns
    rows: Iterable[Row]
    finder: Finder | None = None
    """Looks up the pictures that rows name; None where every row brings its picture."""
    class_names: Sequence[str] | None = None
    """Of classes that are written as their numbers."""
    form: LabelForm = AS_FOUND
    """How its labels are to be read."""
    split_names: Mapping[str, str] = field(default_factory=dict)
    """What the table calls the splits, where `data.split_folders` says so: ours by the table's."""
    unlabelled_are_left_out: bool = False
    """As in annotations that are not finished; of a table, an empty label is a mistake."""
    problems: tuple[Problem, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()


def read_table(table: Table) -> Manifest:
    """Return the manifest of a table. Raise DataError for a row that cannot be read rightly, or for too few."""
    photos: list[Photo] = []
    values: list[Mapping[str, object]] = []
    """Of its row, what may say the labels."""
    columns_of_labels = [*filter(None, [table.columns.get("label")]), *table.columns.labels]
    rows: dict[str, str] = {}
    """Where each photo stands, by its name."""
    unlabelled: list[str] = []
    for row in table.rows:
        photo = _read_row(table, row, unlabelled)
        if photo is None:
            continue
        said = {column: row.values.get(column) for column in columns_of_labels}
        if photo.name in rows:
            other = values[list(rows).index(photo.name)]
            _refuse_twice(table, photo.name, (rows[photo.name], row.where), (other, said))
        rows[photo.name] = row.where
        photos.append(photo)
        values.append(said)
    where = list(rows.values())
    table, photos = _with_labels(table, photos, values, where)
    words = {photo.split for photo in photos if photo.split}
    photos = _with_splits(table, _named_as_before(photos), where)
    _refuse_bad_groups(table, photos, where)
    classes = tuple(sorted({label for photo in photos for label in photo.each_label}))
    if not photos:
        raise DataError(f"{table.title} holds no labelled photo. Expected one row for each photo")
    if len(classes) < 2:
        only = f"of one class only, {classes[0]!r}" if classes else "without any label"
        raise DataError(f"{table.title} has photos {only}; two are needed")
    passed = list(table.passed_over)
    if unlabelled:
        passed.append(PassedOver("unlabelled", ".", len(unlabelled), unlabelled[0]))
    reading = Reading(
        layout=table.kind,
        splits=_splits(words, table.split_names, photos),
        columns=dict(table.columns.chosen),
        label_columns=table.columns.labels,
    )
    return Manifest(tuple(photos), classes, table.problems, passed_over=tuple(passed), reading=reading)


def split_names(asked: Mapping[Any, str | list[str]]) -> dict[str, str]:
    """Return our name of each split by the one that `data.split_folders` gives for it.

    >>> split_names({"train": ["a", "b"], "test": "c"})
    {'a': 'train', 'b': 'train', 'c': 'test'}
    """
    pairs = ((ours, [theirs] if isinstance(theirs, str) else theirs) for ours, theirs in asked.items())
    return {name: ours for ours, names in pairs for name in names}


def _with_labels(
    table: Table, photos: Sequence[Photo], values: Sequence[Mapping[str, object]], rows: Sequence[str]
) -> tuple[Table, list[Photo]]:
    """Return the table with the columns that say the labels, and the photos with what these say."""
    columns, column = table.columns, table.columns.get("label")
    if column is not None:
        fields = [row[column] for row in values]
        found = read_fields(table.title, fields, rows, table.form, column=column, names=table.class_names)
    else:
        indicated = read_indicators(table.title, values, rows, table.form, columns.labels)
        if indicated is None:
            raise no_label([*columns.chosen.values(), *columns.others], table.title)
        found, taken = indicated
        columns = Columns(columns.chosen, tuple(one for one in columns.others if one not in taken), taken)
    photos = [
        replace(
            photo,
            label=one.text,
            labels=one.labels,
            unknown=one.unknown,
            metadata={name: text for name, text in photo.metadata.items() if name not in columns.labels},
        )
        for photo, one in zip(photos, found, strict=True)
    ]
    return replace(table, columns=columns), photos


def _read_row(table: Table, row: Row, unlabelled: list[str]) -> Photo | None:
    columns, values = table.columns, row.values
    name, image = row.name, row.image
    if image is None:
        assert table.finder is not None
        found = table.finder.find(values.get(columns.chosen["path"]), row.where)
        name, image = found.name, found.image
    label = values.get(columns.get("label") or "")
    if table.unlabelled_are_left_out and label in (None, "", []):
        unlabelled.append(name)
        return None
    others = {other: _text(values.get(other)) for other in columns.others}
    return Photo(
        image=image,
        name=name,
        label="",
        split=_text(values.get(columns.get("split") or "")).strip() or None,
        group=_text(values.get(columns.get("group") or "")) or None,
        weight=_weight(table, row),
        metadata={other: text for other, text in others.items() if text},
    )


def split_words(words: Iterable[str], asked: Mapping[str, str]) -> dict[str, str]:
    """Return the split of each word that names one: by `data.split_folders`, or as folders are called.

    >>> split_words(["Training", "dev", "p3"], {})
    {'Training': 'train', 'dev': 'validation'}
    """
    words = list(dict.fromkeys(words))
    if asked:
        return {word: asked[word] for word in words if word in asked}
    roles = settle_held_out(split_roles(words))
    return {word: role for word, role in roles.items() if role != "held_out"}


def _with_splits(table: Table, photos: Sequence[Photo], rows: Sequence[str]) -> list[Photo]:
    """Return the photos with our names of their splits, in place of the table's."""
    known = split_words((photo.split for photo in photos if photo.split), table.split_names)
    for photo, where in zip(photos, rows, strict=True):
        if photo.split and photo.split not in known:
            raise DataError(
                f"{table.title}, {where}: the split {shown(photo.split[:60])!r} is none that is known. Expected train, "
                "validation or test, or nothing; or say which is which: --split-folders train=NAME,test=NAME"
            )
    if set(known.values()) <= {"train"}:
        # All to learn from: these are the photos that are still to be divided.
        return [replace(photo, split=None) for photo in photos]
    return [
        photo
        if photo.split is None or photo.split == known[photo.split]
        else replace(photo, split=known[photo.split])
        for photo in photos
    ]


def _weight(table: Table, row: Row) -> float:
    column = table.columns.get("weight")
    value = row.values.get(column) if column else None
    text = _text(value).strip()
    if not text:
        return 1.0
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0):
        raise DataError(
            f"{table.title}, {row.where}: the weight {shown(text[:60])!r} is no number from 0 up. If {column!r} is "
            "something else, name it otherwise"
        )
    return weight


def _text(value: object) -> str:
    """Return what a field says; nothing where it is empty or no number."""
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return value if isinstance(value, str) else str(value)


def _refuse_twice(
    table: Table,
    name: str,
    rows: tuple[str, str],
    values: tuple[Mapping[str, object], Mapping[str, object]],
) -> None:
    same = f"{table.title}: {rows[0]} and {rows[1]} are both about {shown(name)!r}"
    column = table.columns.get("label")
    if column is not None and values[0] != values[1]:
        both = (shown(str(one[column])[:60]) for one in values)
        raise DataError(
            f"{same}, under the labels {' and '.join(map(repr, both))}. Each photo has one row, with all that is known "
            "of it: remove one of the two"
        )
    raise DataError(f"{same}. Each photo has one row: remove one of the two")


def _refuse_bad_groups(table: Table, photos: Sequence[Photo], rows: Sequence[str]) -> None:
    """Raise DataError where a group is in two given splits, or where some rows have a group and others none."""
    column = table.columns.get("group")
    if column is None:
        return
    without = [where for photo, where in zip(photos, rows, strict=True) if photo.group is None]
    if without and len(without) < len(photos):
        raise DataError(
            f"{table.title}: {len(without):,} of {len(photos):,} rows have no group ({column!r}), first {without[0]}. "
            "Give every photo a group; one that stands alone gets a group of its own"
        )
    first: dict[str, tuple[str, str]] = {}
    for photo, where in zip(photos, rows, strict=True):
        if photo.group is None or photo.split is None:
            continue
        split, other = first.setdefault(photo.group, (photo.split, where))
        if split != photo.split:
            raise DataError(
                f"{table.title}: the group {shown(photo.group)!r} is in {split} ({other}) and in {photo.split} "
                f"({where}). What belongs together is in one split: put it in one of them, or leave the split out"
            )


def _named_as_before(photos: list[Photo]) -> list[Photo]:
    """Return the photos under the names that a column of a written manifest keeps for them."""
    names = [photo.metadata.get(NAME, "") for photo in photos]
    if len(set(names)) < len(names) or not all(map(_is_name_of, names, photos)):
        return photos
    kept = ({key: value for key, value in photo.metadata.items() if key != NAME} for photo in photos)
    return [
        replace(photo, name=name, metadata=metadata)
        for photo, name, metadata in zip(photos, names, kept, strict=True)
    ]


def _is_name_of(name: str, photo: Photo) -> bool:
    path, own = PurePosixPath(name), PurePosixPath(photo.name)
    below = name and not path.is_absolute() and ".." not in path.parts and "\\" not in name
    return bool(below) and path.name in (own.name, own.stem)


def _splits(
    words: Iterable[str], asked: Mapping[str, str], photos: Sequence[Photo]
) -> dict[str, tuple[str, ...]]:
    """Return what the table calls each split that it brings."""
    if not any(photo.split for photo in photos):
        return {}
    called: dict[str, tuple[str, ...]] = {}
    for word, split in sorted(split_words(words, asked).items()):
        called[split] = (*called.get(split, ()), word)
    return called
