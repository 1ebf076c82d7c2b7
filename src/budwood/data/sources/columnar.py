"""Tables in columns: Parquet files, and the Arrow files of Hugging Face data sets, with pictures inside or named.

Needs pyarrow. Pictures inside an Arrow file are read where they lie; those of a Parquet file, which is compressed, are
unpacked into the cache once.
"""

import importlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from budwood.config.recipe import Data
from budwood.core.errors import DataError
from budwood.core.progress.base import SILENT, Progress
from budwood.data.image_ref import ImageRef, ImageSlice
from budwood.data.manifest import Manifest
from budwood.data.sources.columns import Columns, choose_columns
from budwood.data.sources.delimited import finder_of
from budwood.data.sources.find import Finder
from budwood.data.sources.table import Row, Table, read_table, split_names, split_words
from budwood.data.sources.tree import DiskTree
from budwood.data.sources.unpacked import unpacked_file

_SHARD = re.compile(r"(?P<split>[^\d].*?)([-_.]?\d+(-of-\d+)?(-[0-9a-f]+)?)?$")
_SPLIT = "split"


@dataclass(frozen=True)
class Shard:
    """One file of a table in columns."""

    path: str
    split: str | None
    """What its name, or that of its folder, begins with."""


def read_parquet(paths: Sequence[str], title: str, settings: Data, progress: Progress = SILENT) -> Manifest:
    """Return the manifest of one Parquet file, or of several that are parts of one table.

    Of several the split is what their names begin with, such as train-00000-of-00002.parquet.

    Raises DataError where pyarrow is missing, a file is damaged, or its columns are not those of a table of photos.
    """
    parquet = _pyarrow(title, "pyarrow.parquet")
    shards = [Shard(path, _split_of(path) if len(paths) > 1 else None) for path in sorted(paths)]

    def rows_of(shard: Shard, picture: str | None, columns: Sequence[str]) -> Iterator[tuple[dict, Any]]:
        with _readable(shard.path), parquet.ParquetFile(shard.path, buffer_size=1 << 20) as opened:
            batches = opened.iter_batches(batch_size=4096, columns=[one for one in columns if one != picture])
            others = (row for batch in batches for row in batch.to_pylist())
            pictures: Iterator[Any] = iter(())
            if picture is not None:
                pictures = iter(_unpacked(parquet, shard.path, picture, progress))
            lone = len(columns) == (picture is not None)
            for _ in range(opened.metadata.num_rows):
                row: dict[str, Any] = {} if lone else next(others, {})
                yield row, next(pictures, None)

    with _readable(title if len(paths) > 1 else shards[0].path):
        schema = parquet.read_schema(shards[0].path)
    for shard in shards[1:]:
        with _readable(shard.path):
            _refuse_other_schema(schema, parquet.read_schema(shard.path), shards[0].path, shard.path)
    with _readable(title):
        return _manifest(title, "parquet", shards, schema, rows_of, settings, _features(schema))


def read_arrow(
    shards: Sequence[Shard],
    title: str,
    settings: Data,
    features: Mapping[str, Any] | None = None,
    progress: Progress = SILENT,
) -> Manifest:
    """Return the manifest of a Hugging Face data set on disk, by its Arrow files.

    Raises DataError as `read_parquet` does.
    """
    _pyarrow(title, "pyarrow.ipc")
    files = {}
    for shard in shards:
        with _readable(shard.path):
            files[shard.path] = ArrowFile(shard.path)
    first = files[shards[0].path]
    for shard in shards[1:]:
        _refuse_other_schema(first.schema, files[shard.path].schema, shards[0].path, shard.path)

    def rows_of(shard: Shard, picture: str | None, columns: Sequence[str]) -> Iterator[tuple[dict, Any]]:
        others = [one for one in columns if one != picture]
        file = files[shard.path]
        with _readable(shard.path):
            pictures = iter(file.pictures(picture, progress) if picture is not None else ())
            for batch in file.batches:
                for row in batch.select(others).to_pylist() if others else [{}] * batch.num_rows:
                    yield row, next(pictures, None)

    with _readable(title):
        return _manifest(
            title, "hf", shards, first.schema, rows_of, settings, features or _features(first.schema)
        )


class ArrowFile:
    """An Arrow file, mapped into memory and looked over."""

    def __init__(self, path: str):
        import pyarrow as pa

        self.path = path
        self._content = pa.memory_map(path).read_buffer()
        in_file_form = self._content.slice(0, 6).to_pybytes() == b"ARROW1"
        opened = pa.ipc.open_file(self._content) if in_file_form else pa.ipc.open_stream(self._content)
        self.schema = opened.schema
        numbers = range(opened.num_record_batches) if in_file_form else ()
        self.batches = [opened.get_batch(one) for one in numbers] if in_file_form else list(opened)
        for batch in self.batches:
            batch.validate(full=True)

    def pictures(self, column: str, progress: Progress) -> Iterator[ImageRef | str | None]:
        """Yield the pictures of a column: stretches of the file, or the paths that stand in their place."""
        for batch in self.batches:
            pictures = batch.column(column)
            if not len(pictures):
                continue
            paths: Sequence[str | None] = [None] * len(pictures)
            there = pictures.is_valid().to_numpy(zero_copy_only=False)
            if _is_struct(pictures.type):
                names = [pictures.type.field(index).name for index in range(pictures.type.num_fields)]
                paths = pictures.field("path").to_pylist() if "path" in names else paths
                pictures = pictures.field("bytes")
                there &= pictures.is_valid().to_numpy(zero_copy_only=False)
            places = self._places(pictures)
            if places is None:
                # Compressed, as Hugging Face does not have it: in memory it is not in the file.
                raise DataError(f"{self.path} is compressed. Save it without compression, or as Parquet")
            for path, is_there, offset, end in zip(paths, there, places[:-1], places[1:], strict=True):
                yield (
                    ImageSlice(self.path, int(offset), int(end - offset))
                    if is_there and end > offset
                    else path
                )

    def _places(self, pictures: Any) -> np.ndarray | None:
        """Return where each picture begins in the file, and where the last one ends; None where they are not in it."""
        import pyarrow as pa

        wide = pa.types.is_large_binary(pictures.type)
        if not (wide or pa.types.is_binary(pictures.type)):
            return None
        _, offsets, data = pictures.buffers()
        if data is None:
            return np.zeros(len(pictures) + 1, np.int64)
        start = data.address - self._content.address
        if not 0 <= start <= start + data.size <= self._content.size:
            return None
        count = pictures.offset + len(pictures) + 1
        numbers = np.frombuffer(offsets, np.int64 if wide else np.int32, count)
        return numbers[pictures.offset :].astype(np.int64) + start


def _manifest(
    title: str,
    kind: str,
    shards: Sequence[Shard],
    schema: Any,
    rows_of: Callable[[Shard, str | None, Sequence[str]], Iterator[tuple[dict, Any]]],
    settings: Data,
    features: Mapping[str, Any],
) -> Manifest:
    header = list(schema.names)
    if len(set(header)) < len(header):
        raise DataError(f"{title} has two columns of one name. Give each column a name of its own")
    inside = [name for name in header if _holds_pictures(schema.field(name).type)]
    asked: dict[Any, str] = dict(settings.columns)
    if "path" not in asked and len(inside) == 1:
        asked["path"] = inside[0]
    _refuse_wrong_types(schema, asked, inside, title)
    columns = choose_columns(header, asked, title)
    picture = columns.chosen["path"] if columns.chosen["path"] in inside else None
    taken = [
        name for name in header if name in columns.chosen.values() or _can_be_kept(schema.field(name).type)
    ]
    known = split_words((shard.split for shard in shards if shard.split), split_names(settings.split_folders))
    splits = bool(known) and "split" not in columns.chosen
    if splits:
        chosen = {**columns.chosen, "split": _SPLIT}
        columns = Columns(chosen, columns.others)
    base = DiskTree(os.path.dirname(os.path.abspath(shards[0].path)))
    finder = finder_of(base, "", title, settings)

    top = os.path.commonpath([os.path.dirname(os.path.abspath(shard.path)) for shard in shards])

    def rows() -> Iterator[Row]:
        for shard in shards:
            part = os.path.relpath(shard.path, top).replace(os.sep, "/")
            where = f"{part}, row" if len(shards) > 1 else "row"
            for number, (values, content) in enumerate(rows_of(shard, picture, taken), 1):
                if splits:
                    values = {**values, _SPLIT: shard.split}
                name = f"{os.path.splitext(part)[0]}/{number:06d}"
                yield _row(f"{where} {number}", values, content, picture, name, finder, title)

    label = columns.chosen["label"]
    return read_table(
        Table(
            title,
            kind,
            Columns(columns.chosen, tuple(name for name in columns.others if name in taken)),
            rows(),
            finder,
            class_names=_class_names(features.get(label), schema.field(label).type),
            split_names=split_names(settings.split_folders),
        )
    )


def _row(
    where: str, values: dict, content: Any, picture: str | None, name: str, finder: Finder, title: str
) -> Row:
    if picture is None:
        return Row(where, values)
    if isinstance(content, str):
        found = finder.find(content, where)
        return Row(where, values, found.image, found.name)
    if content is None:
        raise DataError(f"{title}, {where}: it has no picture ({picture!r} is empty). Remove the row")
    return Row(where, values, content, name)


def _unpacked(parquet: Any, path: str, column: str, progress: Progress) -> list[ImageRef | str | None]:
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
        if hasattr(kind, "fields") or _is_struct(kind):
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


def _features(schema: Any) -> dict[str, Any]:
    """Return what Hugging Face writes of each column beside the table."""
    try:
        said = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = said["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return features if isinstance(features, dict) else {}


def _class_names(feature: Any, kind: Any) -> list[str] | None:
    names = feature.get("names") if isinstance(feature, dict) else None
    import pyarrow as pa

    if not pa.types.is_integer(kind) or not isinstance(names, list):
        return None
    return names if all(isinstance(name, str) for name in names) else None


def _refuse_other_schema(schema: Any, other: Any, one: str, path: str) -> None:
    if schema.names != other.names or schema.types != other.types:
        raise DataError(
            f"{os.path.basename(path)} has other columns than {os.path.basename(one)}: {', '.join(other.names)[:200]}. "
            "Parts of one table have the same columns"
        )


def _refuse_wrong_types(schema: Any, asked: Mapping[Any, str], inside: Sequence[str], title: str) -> None:
    import pyarrow as pa

    chosen = choose_columns(schema.names, asked, title).chosen
    path, label = schema.field(chosen["path"]).type, schema.field(chosen["label"]).type
    if chosen["path"] not in inside and not _is_text(path):
        raise DataError(
            f"{title}: the column {chosen['path']!r} is of type {path}. Expected paths as text, or pictures as bytes"
        )
    if not (_is_text(label) or pa.types.is_integer(label)):
        raise DataError(
            f"{title}: the column {chosen['label']!r} is of type {label}. Expected class names, or their numbers"
        )


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_struct(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_struct(kind))


def _holds_pictures(kind: Any) -> bool:
    import pyarrow as pa

    if _is_struct(kind):
        names = [kind.field(index).name for index in range(kind.num_fields)]
        return "bytes" in names and _holds_pictures(kind.field("bytes").type)
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary_view(kind)
    )


def _can_be_kept(kind: Any) -> bool:
    """Return whether a column goes into the metadata: a single value that can be written."""
    import pyarrow as pa

    return not (pa.types.is_nested(kind) or _holds_pictures(kind))


def _split_of(path: str) -> str | None:
    """Return what a part's name says of its split.

    >>> _split_of("data/train-00000-of-00002.parquet"), _split_of("0001.parquet")
    ('train', None)
    """
    stem = os.path.splitext(os.path.basename(path))[0]
    match = _SHARD.fullmatch(stem)
    return match["split"] if match else None


def _pyarrow(title: str, module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DataError(
            f"{title} needs pyarrow, which is not installed: pip install 'budwood[parquet]'"
        ) from error


@contextmanager
def _readable(path: str) -> Iterator[None]:
    """Turn what pyarrow raises of a damaged file into a DataError that names it."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, OverflowError, ValueError, MemoryError) as error:
        words = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DataError(
            f"{path} is damaged, or not what its ending says ({words}). Make it, or copy it, again"
        ) from error
