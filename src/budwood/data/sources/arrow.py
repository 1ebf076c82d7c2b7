"""The Arrow files of data sets that Hugging Face saved; their pictures are read where they lie. Needs pyarrow."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from budwood.config.data import Data
from budwood.core.errors import DataError
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


def read_arrow(
    shards: Sequence[Shard],
    title: str,
    settings: Data,
    features: Mapping[str, Any] | None = None,
    progress: Progress = SILENT,
) -> Manifest:
    """Return the manifest of a Hugging Face data set on disk, by its Arrow files.

    Raise DataError as `read_parquet` does.
    """
    need_pyarrow(title, "pyarrow.ipc")
    files = {}
    for shard in shards:
        with readable(shard.path):
            files[shard.path] = ArrowFile(shard.path)
    first = files[shards[0].path]
    for shard in shards[1:]:
        refuse_other_schema(first.schema, files[shard.path].schema, shards[0].path, shard.path)

    def rows_of(shard: Shard, picture: str | None, columns: Sequence[str]) -> Iterator[tuple[dict, Any]]:
        others = [one for one in columns if one != picture]
        file = files[shard.path]
        with readable(shard.path):
            pictures = iter(file.pictures(picture, progress) if picture is not None else ())
            for batch in file.batches:
                for row in batch.select(others).to_pylist() if others else [{}] * batch.num_rows:
                    yield row, next(pictures, None)

    with readable(title):
        return manifest_of(
            title, "hf", shards, first.schema, rows_of, settings, features or features_of(first.schema)
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
            if is_struct(pictures.type):
                names = [pictures.type.field(index).name for index in range(pictures.type.num_fields)]
                if "path" in names:
                    # Below an empty value any path may stand.
                    under = pictures.field("path").to_pylist()
                    paths = [path if one else None for path, one in zip(under, there, strict=True)]
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
