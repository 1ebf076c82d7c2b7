"""Parquet files, with pictures inside or named. Needs pyarrow.

What is inside is compressed, so that a single picture cannot be read by itself: they are unpacked into the cache once.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from budwood.config.data import Data
from budwood.core.progress.base import SILENT, Progress
from budwood.data.image_ref import ImageRef, ImageSlice
from budwood.data.manifest import Manifest
from budwood.data.sources.columnar import (
    Shard,
    features_of,
    is_struct,
    manifest_of,
    need_pyarrow,
    readable,
    refuse_other_schema,
)
from budwood.data.sources.tree import Tree
from budwood.data.sources.unpacked import unpacked_file

_SHARD = re.compile(r"(?P<split>[^\d].*?)([-_.]?\d+(-of-\d+)?(-[0-9a-f]+)?)?$")


def read_parquet(
    paths: Sequence[str],
    title: str,
    settings: Data,
    progress: Progress = SILENT,
    beside: tuple[Tree, str] | None = None,
) -> Manifest:
    """Return the manifest of one Parquet file, or of several that are parts of one table.

    The paths in it count from the folder of the first file, or from the folder of a tree that `beside` gives.

    Of several the split is what their names begin with, such as train-00000-of-00002.parquet.

    Raise DataError where pyarrow is missing, a file is damaged, or its columns are not those of a table of photos.
    """
    parquet = need_pyarrow(title, "pyarrow.parquet")
    shards = [Shard(path, _split_of(path) if len(paths) > 1 else None) for path in sorted(paths)]

    def rows_of(shard: Shard, picture: str | None, columns: Sequence[str]) -> Iterator[tuple[dict, Any]]:
        with readable(shard.path), parquet.ParquetFile(shard.path, buffer_size=1 << 20) as opened:
            batches = opened.iter_batches(batch_size=4096, columns=[one for one in columns if one != picture])
            others = (row for batch in batches for row in batch.to_pylist())
            pictures: Iterator[Any] = iter(())
            if picture is not None:
                pictures = iter(unpack_pictures(parquet, shard.path, picture, progress))
            lone = len(columns) == (picture is not None)
            for _ in range(opened.metadata.num_rows):
                row: dict[str, Any] = {} if lone else next(others, {})
                yield row, next(pictures, None)

    with readable(title if len(paths) > 1 else shards[0].path):
        schema = parquet.read_schema(shards[0].path)
    for shard in shards[1:]:
        with readable(shard.path):
            refuse_other_schema(schema, parquet.read_schema(shard.path), shards[0].path, shard.path)
    with readable(title):
        return manifest_of(title, "parquet", shards, schema, rows_of, settings, features_of(schema), beside)


def unpack_pictures(parquet: Any, path: str, column: str, progress: Progress) -> list[ImageRef | str | None]:
    """Return the pictures of a column: stretches of one file in the cache, or the paths that stand in their place."""
    paths: list[str | None] = []

    def contents() -> Iterator[bytes]:
        with parquet.ParquetFile(path, buffer_size=1 << 20) as opened:
            for batch in opened.iter_batches(batch_size=64, columns=[column]):
                for value in batch.column(0).to_pylist():
                    yield _bytes_of(value) or b""

    def write(place: Path) -> None:
        sizes = []
        with (
            place.open("wb") as file,
            progress.stage(f"unpack {os.path.basename(path)}", unit="pictures") as stage,
        ):
            for content in contents():
                sizes.append(len(content))
                file.write(content)
                stage.advance()
            np.asarray([*sizes, len(sizes)], "<i8").tofile(file)

    place = unpacked_file(path, ".pictures", write, column)
    total = place.stat().st_size
    with place.open("rb") as file:
        file.seek(total - 8)
        number = int(np.fromfile(file, "<i8", 1)[0])
        file.seek(total - 8 * (number + 1))
        sizes = np.fromfile(file, "<i8", number)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    if not sizes.all():
        with parquet.ParquetFile(path) as opened:
            kind = opened.schema_arrow.field(column).type
        if hasattr(kind, "fields") or is_struct(kind):
            paths = _struct_paths(parquet, path, column)
    return [
        ImageSlice(str(place), int(offset), int(size))
        if size
        else (paths[index] if index < len(paths) else None)
        for index, (offset, size) in enumerate(zip(offsets[:-1], sizes, strict=True))
    ]


def _struct_paths(parquet: Any, path: str, column: str) -> list[str | None]:
    with parquet.ParquetFile(path, buffer_size=1 << 20) as opened:
        return [
            (value or {}).get("path")
            for batch in opened.iter_batches(batch_size=256, columns=[column])
            for value in batch.column(0).to_pylist()
        ]


def _bytes_of(value: Any) -> bytes | None:
    if isinstance(value, dict):
        value = value.get("bytes")
    return value if isinstance(value, bytes) and value else None


def _split_of(path: str) -> str | None:
    """Return what a part's name says of its split.

    >>> _split_of("data/train-00000-of-00002.parquet"), _split_of("0001.parquet")
    ('train', None)
    """
    stem = os.path.splitext(os.path.basename(path))[0]
    match = _SHARD.fullmatch(stem)
    return match["split"] if match else None
