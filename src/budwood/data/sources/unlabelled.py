"""The pictures of a table without their labels: what is to be predicted. A table is read as for a training, but needs
no column but that of paths."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.core.progress.base import SILENT, Progress
from budwood.data.images import ImageLike
from budwood.data.sources.columnar import holds_pictures, is_text, need_pyarrow, readable
from budwood.data.sources.columns import choose_columns
from budwood.data.sources.delimited import TEXT_ENDINGS, finder_of, open_text_table
from budwood.data.sources.find import Finder
from budwood.data.sources.parquet import unpack_pictures
from budwood.data.sources.tree import DiskTree

TABLE_ENDINGS = (*TEXT_ENDINGS, ".parquet")


def is_table(path: str) -> bool:
    """Return whether a file is a table by its ending.

    >>> is_table("photos.CSV"), is_table("photos.jpg")
    (True, False)
    """
    return path.lower().endswith(TABLE_ENDINGS)


def read_table_of_pictures(
    path: str, settings: Data | None = None, progress: Progress = SILENT
) -> Iterator[tuple[str, ImageLike]]:
    """Yield name and picture of each row: the name is the path as the table has it.

    A picture that is gone is given by the path at which it was looked for, so that it is told of in its place; where
    the first is, the table is taken to be of another place.

    Args:
        path: a CSV, TSV, JSON Lines or Parquet file.
        settings: what the columns are called, and below which folder the pictures lie.
        progress: told where pictures inside of a Parquet file are unpacked.

    Raises:
        DataError: the table cannot be read, has no column of paths, or its first picture is not there.
    """
    settings = settings or Data()
    folder, name = os.path.split(path)
    tree = DiskTree(folder or ".")
    finder = finder_of(tree, "", path, settings)
    kind = TEXT_ENDINGS.get(os.path.splitext(path)[1].lower())
    if kind is None:
        yield from _of_parquet(path, settings, finder, progress)
        return
    with open_text_table(tree, name, settings, kind) as (header, rows):
        column = _column(header, settings, path)
        for number, row in enumerate(rows):
            yield _found(row.values.get(column), row.where, finder, first=number == 0)


def _of_parquet(
    path: str, settings: Data, finder: Finder, progress: Progress
) -> Iterator[tuple[str, ImageLike]]:
    parquet = need_pyarrow(path, "pyarrow.parquet")
    with readable(path):
        schema = parquet.read_schema(path)
    inside = [name for name in schema.names if holds_pictures(schema.field(name).type)]
    alone = len(inside) == 1 and "path" not in settings.columns
    column = inside[0] if alone else _column(schema.names, settings, path)
    if column in inside:
        with readable(path):
            pictures = unpack_pictures(parquet, path, column, progress)
        stem = os.path.splitext(os.path.basename(path))[0]
        for number, picture in enumerate(pictures, 1):
            if picture is None or isinstance(picture, str):
                yield _found(picture, f"row {number}", finder, first=number == 1)
            else:
                yield f"{stem}/{number:06d}", picture
        return
    if not is_text(schema.field(column).type):
        raise DataError(
            f"{path}: the column {column!r} is of type {schema.field(column).type}. Expected paths as text, or "
            "pictures as bytes"
        )
    with readable(path), parquet.ParquetFile(path) as opened:
        number = 0
        for batch in opened.iter_batches(batch_size=4096, columns=[column]):
            for value in batch.column(0).to_pylist():
                number += 1
                yield _found(value, f"row {number}", finder, first=number == 1)


def _column(header: Sequence[str], settings: Data, title: str) -> str:
    columns = choose_columns(
        header, settings.columns, title, needed=("path",), label_columns=settings.label_columns
    )
    return columns.chosen["path"]


def _found(value: object, where: str, finder: Finder, *, first: bool) -> tuple[str, ImageLike]:
    try:
        found = finder.find(value, where)
    except DataError:
        if first or not isinstance(value, str) or not value:
            raise
        root = finder.tree.root if isinstance(finder.tree, DiskTree) else ""
        return value, Path(os.path.join(root, value))
    return str(value), found.image
