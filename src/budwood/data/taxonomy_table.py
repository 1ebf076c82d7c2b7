"""The table of a taxonomy, `label,parent`: a row for each node, that of the root with an empty parent."""

import csv
import io
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from budwood.config.data import Data
from budwood.core.errors import DataError, did_you_mean
from budwood.core.files import write_csv
from budwood.core.text import count
from budwood.data.manifest import Manifest
from budwood.data.sources.delimited import DELIMITERS, decoded
from budwood.data.taxonomy import Link, Taxonomy, fitted, make_taxonomy

COLUMNS = ("label", "parent")


def read_taxonomy(path: Path | str, *, nameless_root: bool = False) -> Taxonomy:
    """Return the tree that a table names; further columns say nothing.

    Args:
        path: a CSV file, UTF-8, its delimiter one of `,`, `;`, tab and `|`.
        nameless_root: whether several nodes may have no parent, as in what is written of folders of folders.

    Raises:
        DataError: there is no such file, it is no such table, or its rows are no tree (`make_taxonomy`).
    """
    file, title = Path(path), str(path)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(
            f"cannot read the taxonomy {title} ({error.strerror or error}). Expected a table with the columns label "
            "and parent"
        ) from error
    return make_taxonomy(_links(content, title), title, nameless_root=nameless_root)


def find_taxonomy(
    settings: Data, manifest: Manifest, source: str, table: Taxonomy | None = None, *, own: bool = False
) -> Taxonomy | None:
    """Return the tree of labels that a recipe asks for, its leaves the classes of the photos; None where it asks for
    none.

    Args:
        settings: the recipe's [data].
        manifest: the photos as they are listed.
        source: what they are called in messages.
        table: what `data.taxonomy` names, read.
        own: whether the table is that of the run that is gone on with, which lacks the classes of which the check left
            no photos.

    Raises:
        DataError: the table is of other classes than the photos; or folders are asked for a tree and
            the photos come from something else.
    """
    if table is not None:
        classes = [one for one in manifest.classes if not own or one in table.parents]
        return fitted(table, classes, settings.taxonomy)
    if not settings.tree:
        return None
    if manifest.taxonomy is None:
        raise DataError(
            f"data.tree = true reads the tree of labels from folders within folders, and {source} is read as "
            f"{manifest.reading.layout or 'photos'}. Give a table with data.taxonomy"
        )
    return fitted(manifest.taxonomy, manifest.classes, source)


def write_taxonomy(path: Path, taxonomy: Taxonomy) -> None:
    """Write a tree as a table that `read_taxonomy` reads."""
    write_csv(path, COLUMNS, taxonomy.rows)


def _links(content: bytes, title: str) -> Iterator[Link]:
    text = "".join(decoded(io.BytesIO(content), title))
    first = text.partition("\n")[0]
    used = [one for one in DELIMITERS if one in first]
    delimiter = max(used or [","], key=first.count)
    # "label, parent" puts a blank after each comma, which is none of the values.
    skip = f"{delimiter} " in first
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=skip, strict=True
    )
    places: tuple[int, int] | None = None
    number = 0
    while True:
        number += 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise DataError(f"{title}, row {number}: it cannot be read as a row ({error})") from error
        if fields is None:
            break
        if places is None:
            places = _places(fields, title)
        elif any(field.strip() for field in fields):
            if len(fields) <= max(places):
                raise DataError(
                    f"{title}, row {number}: {count(len(fields), 'field')}, and the first row names more. Expected a "
                    "label and its parent; a field that holds the delimiter has to stand in quotes"
                )
            label, parent = (fields[place] if fields[place].strip() else "" for place in places)
            yield Link(
                unicodedata.normalize("NFC", label), unicodedata.normalize("NFC", parent), f"row {number}"
            )
    if places is None:
        raise DataError(f"{title} is empty. Expected a first row that names the columns: label,parent")


def _places(header: list[str], title: str) -> tuple[int, int]:
    names = [name.strip().lower() for name in header]
    for column in COLUMNS:
        if names.count(column) != 1:
            has = "has no column" if column not in names else "has twice the column"
            raise DataError(
                f"{title} {has} {column!r}.{did_you_mean(column, names)} Expected a first row that names label and "
                f"parent; it is {', '.join(header)[:80]!r}"
            )
    return names.index("label"), names.index("parent")
