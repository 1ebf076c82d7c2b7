"""Which column of a table says what: by the names in use, or as `data.columns` says."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from budwood.core.errors import DataError, did_you_mean
from budwood.core.text import listing

ROLES: dict[str, tuple[str, ...]] = {
    "path": (
        *("path", "paths", "file", "files", "filename", "filenames", "file_name", "filepath", "filepaths"),
        *(
            "file_path",
            "image",
            "images",
            "image_path",
            "image_file",
            "image_name",
            "imagepath",
            "img",
            "img_path",
        ),
        *("picture", "photo"),
    ),
    "label": (
        *("label", "labels", "class", "classes", "class_name", "label_name", "classname", "category"),
        *("category_name", "target", "choice"),
    ),
    "split": ("split", "subset", "partition", "set", "data_set"),
    "group": ("group", "group_id"),
    "weight": ("weight", "sample_weight"),
}
"""What a column can be for, and the names in use for it; case does not count, and blanks and hyphens are as "_"."""
NEEDED = ("path", "label")
WRITTEN = (["path", "label"], ["file_name", "label"])
"""How a manifest that Budwood wrote begins; nothing in it is unclear."""
NAME = "name"
"""The column in which a manifest that Budwood wrote keeps the names of photos that are not their paths."""


@dataclass(frozen=True)
class Columns:
    """Which column of a table gives what."""

    chosen: Mapping[str, str]
    """Column by role."""
    others: tuple[str, ...]
    """Those that are kept as metadata."""
    labels: tuple[str, ...] = ()
    """Without a column of labels: those that say 1 or 0 of a label each, or may do so where none was named."""

    def get(self, role: str) -> str | None:
        """Return the column of a role, None where there is none."""
        return self.chosen.get(role)


def choose_columns(
    header: Sequence[str],
    asked: Mapping[Any, str],
    title: str,
    needed: Sequence[str] = NEEDED,
    label_columns: Sequence[str] = (),
) -> Columns:
    """Return which column is which.

    Args:
        header: the names of the columns.
        asked: columns by role, as `data.columns` has them.
        title: what messages call the table.
        needed: the roles without which it cannot be read.
        label_columns: those that say 1 or 0 of a label each. Where there is neither these nor a label, every column
            without a role may be one: their values decide.

    Raise DataError where a needed column is missing, or where two could be meant.

    >>> choose_columns(["File Name", "species", "age"], {"label": "species"}, "photos.csv").chosen
    {'path': 'File Name', 'label': 'species'}
    """
    if label_columns and "label" in asked:
        raise DataError(
            f"{title}: data.columns names {asked['label']!r} as the label, and data.label_columns "
            f"{listing([repr(name) for name in label_columns[:4]])}. Give one of the two"
        )
    for role, column in (*asked.items(), *(("label columns", name) for name in label_columns)):
        if column not in header:
            raise DataError(
                f"{title} has no column {column!r}, which was named for the {role}.{did_you_mean(column, header)} "
                f"{_there_are(header)}"
            )
    free = [name for name in header if name not in asked.values() and name not in label_columns]
    chosen = dict(asked)
    written = list(header[:2]) in WRITTEN
    for role, names in ROLES.items():
        fitting = [name for name in free if _plain(name) in names]
        if written and len(fitting) > 1:
            fitting = [name for name in fitting if name in (role, header[0])][:1]
        if role in asked or not fitting or (role == "label" and label_columns):
            continue
        if len(fitting) > 1:
            raise DataError(
                f"{title}: the columns {listing([repr(name) for name in fitting])} could each be the {role}. Say "
                f"which one is: --columns {role}={fitting[0]}. {_there_are(header)}"
            )
        chosen[role] = fitting[0]
    ordered = {role: chosen[role] for role in ROLES if role in chosen}
    others = tuple(name for name in header if name not in ordered.values() and name not in label_columns)
    missing = [role for role in needed if role not in chosen]
    if missing == ["label"] and (label_columns or len(others) > 1):
        return Columns(ordered, others, tuple(label_columns) or others)
    if missing:
        raise DataError(_missing(header, missing, title))
    return Columns(ordered, others)


def no_label(header: Sequence[str], title: str) -> DataError:
    """Return the error of a table whose columns say no label."""
    return DataError(_missing(header, ["label"], title))


def fits(header: Sequence[str], asked: Mapping[Any, str]) -> bool:
    """Return whether a header names what a table needs.

    >>> fits(["path", "label"], {}), fits(["path;label"], {})
    (True, False)
    """
    try:
        choose_columns(header, asked, "")
    except DataError:
        # Two that could be meant are columns too.
        return all(any(_plain(name) in ROLES[role] for name in header) or role in asked for role in NEEDED)
    return True


def _missing(header: Sequence[str], missing: Sequence[str], title: str) -> str:
    words = {"path": "the path of the picture", "label": "the label"}
    wanted = ",".join(f"{role}=COLUMN" for role in missing)
    if any(re.search(r"\.(jpe?g|png|tiff?|webp|bmp|gif)$", name, re.IGNORECASE) for name in header):
        return (
            f"{title} begins with {', '.join(header)[:80]!r}, which are values and no names of columns. Expected a "
            "first row that names the columns, such as path,label"
        )
    return (
        f"{title} has no column for {listing([words[role] for role in missing])}. {_there_are(header)} Say which one "
        f"is: --columns {wanted}, or name them path and label"
        + ("; several labels a photo have a column each, of 1, 0 and nothing" if "label" in missing else "")
    )


def _there_are(header: Sequence[str], most: int = 12) -> str:
    more = f" and {len(header) - most} more" if len(header) > most else ""
    return (
        f"Its columns: {', '.join(name[:40] for name in header[:most])}{more}." if header else "It has none."
    )


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())
