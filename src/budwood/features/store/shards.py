"""Shards: immutable files of feature rows, each committed by a small JSON marker that is written last.

`<uuid>.npy` holds the rows, `<uuid>.json` their keys, shape, dtype and checksum. What has no marker was never
finished and is never read; what does not match its marker is damaged and is removed, never trusted.
"""

import hashlib
import json
import os
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from budwood.core.errors import StoreError

DTYPES = ("float32", "float16", "uint8")
ORPHAN_AGE = 3600.0
"""Seconds after which files without a marker are taken for the leavings of a killed process."""


class ShardError(StoreError):
    """A shard that is damaged, gone, or out of reach for now."""

    @property
    def is_damage(self) -> bool:
        """Whether trying again is useless."""
        return not isinstance(self.__cause__, OSError) or isinstance(self.__cause__, FileNotFoundError)


@dataclass(frozen=True)
class Shard:
    """A committed shard, as its marker describes it."""

    path: Path
    keys: tuple[str, ...]
    shape: tuple[int, ...]
    """The shape of one row."""
    dtype: str
    checksum: str
    """SHA-256 of the .npy file followed by the keys."""

    @property
    def marker(self) -> Path:
        return self.path.with_suffix(".json")

    @property
    def bytes(self) -> int:
        return len(self.keys) * int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize

    def open(self) -> np.ndarray:
        """Return the rows, `(n, *shape)`, memory-mapped. Raise ShardError where the file is not what the
        marker says."""
        try:
            rows = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ShardError(f"{self.path} cannot be read: {error}") from error
        if rows.shape != (len(self.keys), *self.shape) or rows.dtype != self.dtype:
            raise ShardError(f"{self.path} holds {rows.dtype} {rows.shape}, its marker says otherwise")
        return rows


# Path, size and time of change of every file whose checksum this process has seen to be right.
_verified: set[tuple[str, int, int]] = set()


def verify(shard: Shard) -> None:
    """Compare the shard with its checksum, once in a process. Raise ShardError where it is damaged or
    gone."""
    try:
        state = shard.path.stat()
        seen = (str(shard.path), state.st_size, state.st_mtime_ns)
        if seen in _verified:
            return
        with shard.path.open("rb") as file:
            checksum = hashlib.file_digest(file, "sha256")
    except OSError as error:
        raise ShardError(f"{shard.path} cannot be read: {error}") from error
    checksum.update(_joined(shard.keys))
    if checksum.hexdigest() != shard.checksum:
        raise ShardError(f"{shard.path} does not match its checksum")
    shard.open()
    _verified.add(seen)


def write_shard(folder: Path, keys: Sequence[str], rows: Shaped[np.ndarray, "n *shape"]) -> Shard:
    """Write and commit a new shard. Raise OSError where that fails; nothing of it is left then."""
    rows = np.ascontiguousarray(rows)
    header = BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(rows))
    data = rows.reshape(-1).view(np.uint8).data
    checksum = hashlib.sha256(header.getvalue())
    checksum.update(data)
    checksum.update(_joined(keys))
    path = folder / f"{uuid.uuid4().hex}.npy"
    shard = Shard(path, tuple(keys), rows.shape[1:], str(rows.dtype), checksum.hexdigest())
    commit_shard(shard, header.getvalue(), data)
    return shard


def commit_shard(shard: Shard, *rows: bytes | memoryview) -> None:
    """Write the rows of a shard, then its marker. Raise OSError where that fails; nothing of it is left then."""
    try:
        _write_whole(shard.path, *rows)
        _write_whole(shard.marker, marker_of(shard))
    except BaseException:
        remove_shard(shard.path)
        raise


def marker_of(shard: Shard) -> bytes:
    """Return the content of a shard's marker."""
    fields = {"keys": shard.keys, "shape": shard.shape, "dtype": shard.dtype, "sha256": shard.checksum}
    return json.dumps(fields).encode()


def refuse_bad_rows(content: bytes, shard: Shard) -> None:
    """Raise ShardError where the content of a .npy file is not the finite rows that a marker says."""
    try:
        rows = np.load(BytesIO(content), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        # NumPy's own words advise to load what is not trusted.
        raise ShardError("they are no .npy file of numbers") from error
    if (
        not isinstance(rows, np.ndarray)
        or rows.shape != (len(shard.keys), *shard.shape)
        or rows.dtype != shard.dtype
    ):
        raise ShardError("they are not of the shape and type that it says")
    if not np.isfinite(rows).all():
        raise ShardError("some are not finite")


def checksum_of(rows: bytes, keys: Sequence[str]) -> str:
    """Return the checksum of a shard whose .npy file holds these bytes."""
    checksum = hashlib.sha256(rows)
    checksum.update(_joined(keys))
    return checksum.hexdigest()


def read_shard(marker: Path) -> Shard:
    """Return the shard that a marker describes. Raise ShardError where the marker is damaged or gone."""
    try:
        content = marker.read_bytes()
    except OSError as error:
        raise ShardError(f"{marker} cannot be read: {error}") from error
    return parse_marker(content, marker.with_suffix(".npy"))


def parse_marker(content: bytes, rows: Path) -> Shard:
    """Return the shard that the content of a marker describes, its rows in that file. Raise ShardError where it is
    damaged."""
    marker = rows.with_suffix(".json")
    try:
        fields = json.loads(content)
        keys, shape, dtype, checksum = (fields[name] for name in ("keys", "shape", "dtype", "sha256"))
        sound = (
            all(isinstance(key, str) for key in keys)
            and all(isinstance(side, int) for side in shape)
            and dtype in DTYPES
            and isinstance(checksum, str)
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ShardError(f"{marker} cannot be read: {error}") from error
    if not sound:
        raise ShardError(f"{marker} has fields of the wrong kind")
    return Shard(rows, tuple(keys), tuple(shape), dtype, checksum)


def remove_shard(path: Path) -> int:
    """Remove a shard, marker first, and return the bytes freed; files that the system holds on to stay."""
    freed = 0
    for file in (path.with_suffix(".json"), path.with_suffix(".npy")):
        with suppress(OSError):
            size = file.stat().st_size
            file.unlink()
            freed += size
    return freed


def merge_shards(folder: Path, shards: Sequence[Shard], limit: int) -> None:
    """Join small shards of one shape and dtype into one of at most `limit` bytes. Nobody else may be using
    them."""
    chosen: list[Shard] = []
    for shard in sorted(shards, key=lambda shard: shard.bytes):
        with suppress(ShardError):
            verify(shard)
            limit -= shard.bytes
            if limit < 0:
                break
            chosen.append(shard)
    if len(chosen) < 2:
        return
    rows = {key: row for shard in chosen for key, row in zip(shard.keys, np.array(shard.open()), strict=True)}
    write_shard(folder, list(rows), np.stack(list(rows.values())))
    for shard in chosen:
        remove_shard(shard.path)


def remove_orphans(folder: Path) -> None:
    """Remove what killed processes left half-written in a folder, once it is old."""
    committed = {marker.stem for marker in folder.glob("*.json")}
    for file in [*folder.glob("*.part"), *folder.glob("*.npy")]:
        with suppress(OSError):
            if file.stem not in committed and time.time() - file.stat().st_mtime > ORPHAN_AGE:
                file.unlink()


def _joined(keys: Sequence[str]) -> bytes:
    return json.dumps(list(keys)).encode()


def _write_whole(path: Path, *pieces: bytes | memoryview) -> None:
    # Of a name of its own: another process may fetch the same shard.
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with aside.open("wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        raise
