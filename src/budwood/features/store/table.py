"""A table of the feature store: one feature extractor's features, added by key and read back in any order."""

import errno
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import SupportsIndex

import numpy as np
from jaxtyping import Int, Shaped

from budwood.core.errors import StoreError
from budwood.core.locks import Timeout
from budwood.core.notes import Note
from budwood.core.progress.base import SILENT, Progress, say_once
from budwood.features.store.claims import Claim
from budwood.features.store.eviction import evict
from budwood.features.store.leases import Lease, in_use, store_lock
from budwood.features.store.shards import (
    Shard,
    ShardError,
    merge_shards,
    read_shard,
    remove_shard,
    verify,
    write_shard,
)
from budwood.features.store.shared import SharedTable
from budwood.storage.objects import Storage

FLUSH_BYTES = 32_000_000
FLUSH_SECONDS = 5.0
MAX_SHARDS = 64
"""A table that closes with more shards than this merges the small ones, where nobody else has it open."""
MAX_MAPS = 32
"""Shards mapped at a time: each costs a file descriptor, of which macOS gives 256."""
_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))


class Float16Overflow(StoreError):  # noqa: N818
    """Features that float16 cannot hold."""


class FeatureTable:
    """One feature extractor's features, by opaque keys. Made by `FeatureStore.open`; close it, or use it in `with`.

    `add` and `flush` are for one thread; rows may be read from several.
    """

    def __init__(
        self,
        folder: Path,
        shape: tuple[int, ...],
        dtype: str,
        *,
        lease: Lease,
        limit: int,
        progress: Progress = SILENT,
        shared: Storage | None = None,
        fetch: bool = True,
    ):
        self.folder, self.shape, self.dtype = folder, shape, np.dtype(dtype)
        self.notes: list[Note] = []
        """What was found damaged, one line each."""
        self.closed = False
        self._lease, self._limit, self._progress = lease, limit, progress
        self._shards: dict[str, Shard] = {}
        self._ignored: set[str] = set()
        self._where: dict[str, tuple[str, int]] = {}
        self._maps: OrderedDict[str, np.ndarray] = OrderedDict()
        self._maps_lock = threading.Lock()
        self._buffer: dict[str, np.ndarray] = {}
        self._buffered_since = 0.0
        self._num_written = 0
        self._used: set[str] = set()
        self._fetches, self._has_looked = fetch, False
        self._shared = (
            None
            if shared is None
            else SharedTable(shared, folder, shape, dtype, tell=self._note, progress=progress)
        )

    def __enter__(self) -> "FeatureTable":
        return self

    def __exit__(self, *failure) -> None:
        self.close()

    @property
    def wait_seconds(self) -> float:
        """Return how long to wait between two looks, where others compute all that is missing."""
        return 0.1 if self._shared is None else 1.0

    @property
    def claim_seconds(self) -> float:
        """Return how long the work of one claim should take at least: to claim, and to look before and after it, takes
        some requests to a shared store."""
        return 2.0 if self._shared is None else 10.0

    def missing(self, keys: Sequence[str], *, again: bool = True) -> list[str]:
        """Return the distinct keys, in order, that are neither stored undamaged nor added.

        What a shared store holds is copied to this machine, but for a table opened with `fetch=False`, to which its
        marker is enough. Without `again` it is asked once in the life of the table, and what others put there since is
        taken for missing.
        """
        self._check_open()
        self._look(keys)
        absent = self._absent(keys)
        if self._shared is not None and absent and (again or not self._has_looked):
            self._shared.look()
            self._has_looked = True
        if self._shared is not None and absent:
            if not self._fetches:
                there = set(self._shared.holds(absent))
                return [key for key in absent if key not in there]
            self._fetch(absent)
            absent = self._absent(absent)
        return absent

    def claim(self, missing: Sequence[str], most: int) -> AbstractContextManager[Claim]:
        """Return a claim on at most so many keys that no other living process computes, for a `with`: none of this
        machine, and none of another one on the same shared store.

        Raise StoreError where the folder cannot be written.
        """
        self._check_open()
        return self._claim(missing, most)

    @contextmanager
    def _claim(self, missing: Sequence[str], most: int) -> Iterator[Claim]:
        with ExitStack() as stack:
            if self._shared is not None:
                missing = stack.enter_context(self._shared.claim(missing, most, share=self._fetches))
            claim = Claim(self.folder, missing, most)
            try:
                claim.take()
            except (OSError, Timeout) as error:
                raise StoreError(cannot_write(error, self.folder)) from error
            stack.callback(claim.release)
            try:
                yield claim
            finally:
                # Whoever looks once the claim is over finds all of it.
                self.wait()

    def add(self, key: str, row: np.ndarray) -> None:
        """Keep one photo's features: in memory at once, on disk with the next flush.

        Args:
            key: names the photo and its view.
            row: of the table's shape: uint8 for a table of uint8, else finite floats, converted to its dtype.

        Raises:
            Float16Overflow: the row goes beyond float16.
            StoreError: the row does not fit the table or is not finite, or the disk is full.
        """
        self._check_open()
        accepted = ("uint8",) if self.dtype == np.uint8 else ("float32", "float16")
        if row.shape != self.shape or row.dtype not in accepted:
            raise StoreError(
                f"features of {row.dtype} {row.shape} do not fit a table of {self.dtype} {self.shape}. "
                f"Give {accepted[0]} of that shape"
            )
        if not np.isfinite(row).all():
            raise StoreError(
                f"the features of {key} are not finite. Look for NaN in the weights of the feature extractor"
            )
        if self.dtype == np.float16 and np.abs(row).max(initial=0) > np.finfo(np.float16).max:
            raise Float16Overflow(
                f"the features of {key} reach {np.abs(row).max():.0f}, beyond float16's 65504. Store them as float32"
            )
        if not self._buffer:
            self._buffered_since = time.monotonic()
        self._buffer[key] = row.astype(self.dtype)
        row_bytes = max(1, self._buffer[key].nbytes)
        if (
            len(self._buffer) * row_bytes >= FLUSH_BYTES
            or time.monotonic() - self._buffered_since >= FLUSH_SECONDS
        ):
            self.flush()

    def flush(self) -> None:
        """Write what was added as one shard. Raise StoreError where the disk is full or cannot be
        written."""
        if not self._buffer:
            return
        try:
            shard = write_shard(self.folder, list(self._buffer), np.stack(list(self._buffer.values())))
        except OSError as error:
            # Dropped, so that the close which follows does not fail a second time.
            lost = len(self._buffer)
            self._buffer.clear()
            kept = f"{self._num_written} of the {self._num_written + lost} features computed now were kept. "
            raise StoreError(cannot_write(error, self.folder, kept)) from error
        self._num_written += len(self._buffer)
        self._index(shard)
        self._buffer.clear()
        if self._shared is not None:
            self._shared.put_meanwhile(shard)

    @property
    def shares(self) -> bool:
        """Return whether claims and looks hold for all machines: the shared store answers, or there is none."""
        return self._shared is None or self._shared.answers

    def wait(self) -> None:
        """Wait until the shared store, where there is one, was given all that was written."""
        if self._shared is not None:
            self._shared.wait()

    def gather(self, keys: Sequence[str]) -> Shaped[np.ndarray, "n ..."]:
        """Return the features in memory, `(n, *shape)`, in the order of the keys. Raise StoreError where one
        is missing."""
        rows = self.reader(keys)[:]
        self._touch()
        return rows

    def reader(self, keys: Sequence[str]) -> "Rows":
        """Return the features in the order of the keys, read from disk batch by batch while the table is
        open.

        Raise StoreError where one is missing.
        """
        self._check_open()
        self.flush()
        self._look(keys)
        absent = self._absent(keys)
        if self._shared is not None and absent:
            self._shared.look()
            self._fetch(absent)
            absent = self._absent(absent)
        if absent:
            raise StoreError(
                f"{len(absent)} of {len(keys)} features are not in the store, the first is {absent[0]}. "
                "Compute them with budwood.features.extract.extract first"
            )
        names = {name: number for number, name in enumerate(self._shards)}
        places = [self._where[key] for key in keys]
        return Rows(
            self,
            list(names),
            np.fromiter((names[name] for name, _ in places), np.int64, len(places)),
            np.fromiter((row for _, row in places), np.int64, len(places)),
        )

    def close(self) -> None:
        """Write what was added, end the lease, and evict what the store has too much of."""
        if self.closed:
            return
        try:
            self.flush()
            self._put_all()
            self._touch()
        finally:
            if self._shared is not None:
                self._shared.close()
            self.closed = True
            self._maps.clear()
            self._lease.release()
        try:
            with store_lock(self.folder.parent):
                if len(self._shards) > MAX_SHARDS and not in_use(self.folder):
                    # A disk without room for the merged shard keeps the small ones.
                    with suppress(OSError, ShardError):
                        merge_shards(self.folder, list(self._shards.values()), FLUSH_BYTES)
                evict(self.folder.parent, self._limit)
        except (OSError, StoreError) as error:
            self._note(f"the feature store was not tidied: {error}")

    def _absent(self, keys: Sequence[str]) -> list[str]:
        return [key for key in dict.fromkeys(keys) if key not in self._where and key not in self._buffer]

    def _fetch(self, keys: Sequence[str]) -> None:
        """Copy what a shared store holds of keys into the folder."""
        assert self._shared is not None
        try:
            shards = self._shared.fetch(keys)
        except OSError as error:
            raise StoreError(cannot_write(error, self.folder)) from error
        for shard in shards:
            self._index(shard)
            # Its checksum was compared on the way.
            self._used.add(shard.path.stem)

    def _put_all(self) -> None:
        """Put what is in the folder alone, as of a time when the shared store was out of reach."""
        if self._shared is not None and self._shards:
            self._shared.look()
            self._shared.put(list(self._shards.values()))

    def _check_open(self) -> None:
        if self.closed:
            raise StoreError("this table is closed, others may have evicted its features. Open it again")

    def _look(self, keys: Sequence[str]) -> None:
        """Find new shards, and verify those that hold the keys until only sound ones do."""
        for marker in sorted(self.folder.glob("*.json")):
            if marker.stem not in self._shards and marker.stem not in self._ignored:
                try:
                    shard = read_shard(marker)
                    if shard.dtype != self.dtype:
                        self._ignored.add(marker.stem)
                    elif shard.shape != self.shape:
                        raise ShardError(f"{marker} says shape {shard.shape}, not {self.shape}")
                    else:
                        self._index(shard)
                except ShardError as error:
                    self._discard(marker, error)
        while holders := {self._where[key][0] for key in keys if key in self._where} - self._used:
            for name in holders:
                try:
                    verify(self._shards[name])
                    self._used.add(name)
                except ShardError as error:
                    self._discard(self._shards.pop(name).marker, error)
                    self._where = {}
                    for shard in self._shards.values():
                        self._index(shard)

    def _index(self, shard: Shard) -> None:
        self._shards[shard.path.stem] = shard
        for row, key in enumerate(shard.keys):
            self._where.setdefault(key, (shard.path.stem, row))

    def _discard(self, marker: Path, error: ShardError) -> None:
        if error.is_damage:
            remove_shard(marker)
        self._ignored.add(marker.stem)
        self._note(f"stored features left out, they are computed again: {error}")

    def _note(self, line: str) -> None:
        self.notes.append(Note(line, "store", told=True))
        # Each table that is opened finds it anew.
        say_once(self._progress, line)

    def _touch(self) -> None:
        """Tell eviction what was used: by the marker, whose time of change means nothing else."""
        for name in self._used & self._shards.keys():
            with suppress(OSError):
                os.utime(self._shards[name].marker)

    def _map(self, name: str) -> np.ndarray:
        with self._maps_lock:
            if name not in self._maps:
                self._maps[name] = self._shards[name].open()
                if len(self._maps) > MAX_MAPS:
                    self._maps.popitem(last=False)
            self._maps.move_to_end(name)
            return self._maps[name]


@dataclass(frozen=True)
class RowsPlace:
    """Place of rows in the feature store, which can be sent to another machine that reads the same store."""

    fingerprint: str
    shape: tuple[int, ...]
    """Shape of one row."""
    dtype: str
    keys: tuple[str, ...]


class Rows:
    """Some of a table's features in a given order; indexing reads them from disk.

    `rows[indices]` takes what a NumPy array takes along its first axis and returns an array in memory.
    """

    def __init__(
        self, table: FeatureTable, names: list[str], shards: Int[np.ndarray, "n"], rows: Int[np.ndarray, "n"]
    ):
        self.shape, self.dtype = (len(rows), *table.shape), table.dtype
        self._table, self._names = table, names
        self._shards, self._rows = shards, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(
        self, indices: SupportsIndex | slice | Sequence | np.ndarray
    ) -> Shaped[np.ndarray, "..."]:
        if isinstance(indices, SupportsIndex) and not isinstance(indices, np.ndarray):
            return self[[indices]][0]
        self._table._check_open()
        shards, rows = self._shards[indices], self._rows[indices]
        batch = np.empty((len(rows), *self._table.shape), self.dtype)
        order = np.argsort(shards, kind="stable")
        for places in np.split(order, np.flatnonzero(np.diff(shards[order])) + 1):
            if len(places):
                batch[places] = self._table._map(self._names[shards[places[0]]])[rows[places]]
        return batch

    def places(self, part: slice) -> list[RowsPlace]:
        """Return where some of the rows lie; of rows that are joined, one place for each table, in their order."""
        table = self._table
        held = [table._shards[name].keys for name in self._names]
        keys = [held[shard][row] for shard, row in zip(self._shards[part], self._rows[part], strict=True)]
        return [RowsPlace(table.folder.name, table.shape, str(table.dtype), tuple(keys))]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)


def cannot_write(error: OSError, folder: Path, kept: str = "") -> str:
    fix = "Free space" if error.errno in _FULL else "Allow writing there"
    return (
        f"the feature store in {folder} cannot be written: {error.strerror or error}. {kept}"
        f"{fix}, or set BUDWOOD_CACHE to a folder on another disk"
    )
