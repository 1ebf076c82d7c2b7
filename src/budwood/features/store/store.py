"""The feature store: what feature extractors yielded for photos, kept on disk so that it is computed once.

    <folder>/<fingerprint>/<uuid>.npy + <uuid>.json   shards (see `shards`)
    <folder>/<fingerprint>/leases/<uuid>.lock         held while a process has the table open
    <folder>/store.lock                                held for the moment of opening, evicting, clearing

With `BUDWOOD_STORE` the folder is a cache in front of a place that several machines share (see `shared`).

A table holds one feature extractor's features. Any number of processes may have it open: each writes shards of its own
and sees the others' once they are committed. The store is bounded: a table that closes evicts what was unused for
longest.
"""

import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

from budwood.core.cache import cache_dir
from budwood.core.errors import StoreError
from budwood.core.progress.base import SILENT, Progress
from budwood.features.store import eviction
from budwood.features.store.leases import Lease, in_use, store_lock
from budwood.features.store.shards import DTYPES, Shard, ShardError, read_shard, remove_orphans
from budwood.features.store.shared import open_shared
from budwood.features.store.table import FeatureTable, Rows, cannot_write
from budwood.storage.place import Place, store_place

__all__ = ["FeatureStore", "FeatureTable", "Rows"]


class StoredInfo(TypedDict):
    """The features of one feature extractor."""

    fingerprint: str
    bytes: int
    rows: int
    shards: int
    last_used: str
    """ISO 8601, UTC."""
    in_use: bool


class StoreInfo(TypedDict):
    """What the store holds."""

    folder: str
    limit: int
    """In bytes."""
    total: int
    """In bytes."""
    fingerprints: list[StoredInfo]
    """Last used first."""


class FeatureStore:
    """Content-addressed features in a folder, bounded in size, safe for several processes.

    Args:
        folder: where it lies; `cache_dir()/features` by default.
        limit: bytes above which closing a table evicts; `BUDWOOD_CACHE_LIMIT`, such as "20GB", by default.
        progress: told about damaged shards.
        shared: a place that other machines use too; that of `BUDWOOD_STORE`, where it is set, by default.
    """

    def __init__(
        self,
        folder: Path | None = None,
        limit: int | None = None,
        progress: Progress = SILENT,
        shared: Place | None = None,
    ):
        self.folder = cache_dir() / "features" if folder is None else folder
        self.limit = eviction.default_limit() if limit is None else limit
        self.progress = progress
        self.shared = store_place() if shared is None else shared

    def open(
        self, fingerprint: str, shape: tuple[int, ...], dtype: str = "float32", *, fetch: bool = True
    ) -> FeatureTable:
        """Return the table of one feature extractor, a context manager; nothing on it is evicted until it is
        closed.

        Args:
            fingerprint: names the feature extractor; letters, digits, `-` and `_`.
            shape: of one photo's features.
            dtype: "float32", "float16" or "uint8"; a folder may hold features of several, each sees its own.
            fetch: False where features are computed for others: what the shared store holds stays there then.

        Raises:
            StoreError: the folder cannot be written.
            StorageError: the shared store cannot be reached within ten seconds, or not be listed.
        """
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", fingerprint):
            raise StoreError(f"fingerprint {fingerprint!r} is not made of letters, digits, `-` and `_`")
        if dtype not in DTYPES:
            raise StoreError(f"features of dtype {dtype!r} are not stored. Give one of: {', '.join(DTYPES)}")
        folder = self.folder / fingerprint
        shared = None if self.shared is None else open_shared(self.shared, fingerprint, self.folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with store_lock(self.folder):
                lease = Lease(folder)
                remove_orphans(folder)
        except OSError as error:
            raise StoreError(cannot_write(error, self.folder)) from error
        return FeatureTable(
            folder,
            tuple(shape),
            dtype,
            lease=lease,
            limit=self.limit,
            progress=self.progress,
            shared=shared,
            fetch=fetch,
        )

    def info(self) -> StoreInfo:
        """Return what the store holds."""
        fingerprints: list[StoredInfo] = []
        if self.folder.is_dir():
            with store_lock(self.folder):
                for folder in eviction.fingerprint_folders(self.folder):
                    usage = eviction.list_usage(folder)
                    last_used = max((shard.last_used for shard in usage), default=folder.stat().st_mtime)
                    fingerprints.append(
                        {
                            "fingerprint": folder.name,
                            "bytes": sum(shard.bytes for shard in usage),
                            "rows": sum(len(shard.keys) for shard in _readable(folder)),
                            "shards": len(usage),
                            "last_used": datetime.fromtimestamp(last_used, UTC).isoformat(timespec="seconds"),
                            "in_use": in_use(folder),
                        }
                    )
        fingerprints.sort(key=lambda entry: entry["last_used"], reverse=True)
        return {
            "folder": str(self.folder),
            "limit": self.limit,
            "total": sum(entry["bytes"] for entry in fingerprints),
            "fingerprints": fingerprints,
        }

    def clear(self) -> int:
        """Remove everything that no process is using; return the bytes freed."""
        if not self.folder.is_dir():
            return 0
        with store_lock(self.folder):
            return eviction.clear(self.folder)


def _readable(folder: Path) -> list[Shard]:
    shards = []
    for marker in folder.glob("*.json"):
        with suppress(ShardError):
            shards.append(read_shard(marker))
    return shards
