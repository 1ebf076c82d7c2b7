"""Keeping the feature store within its limit: the shards unused for longest go first, those in use never."""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from budwood.core.errors import StoreError
from budwood.features.store.leases import in_use
from budwood.features.store.shards import remove_orphans, remove_shard

DEFAULT_LIMIT = "20GB"
_UNITS = {"": 1, "B": 1} | {
    prefix + unit: base**power
    for power, prefix in enumerate("KMGT", start=1)
    for unit, base in (("", 1000), ("B", 1000), ("IB", 1024))
}


def parse_bytes(text: str) -> int:
    """Return a number of bytes from words. Raise StoreError where it is none.

    >>> parse_bytes("20GB"), parse_bytes("1.5 MiB"), parse_bytes("512")
    (20000000000, 1572864, 512)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    if not found or found[2].upper() not in _UNITS:
        raise StoreError(f"{text!r} is not a size. Give a number and a unit, such as 20GB or 500MB")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def default_limit() -> int:
    """Return the store's limit in bytes: `BUDWOOD_CACHE_LIMIT` where it is set, else 20 GB."""
    return parse_bytes(os.environ.get("BUDWOOD_CACHE_LIMIT") or DEFAULT_LIMIT)


@dataclass(frozen=True)
class Usage:
    """One shard on disk."""

    path: Path
    bytes: int
    last_used: float


def list_usage(folder: Path) -> list[Usage]:
    """Return the committed shards of one fingerprint's folder."""
    usage = []
    for marker in folder.glob("*.json"):
        path = marker.with_suffix(".npy")
        with suppress(FileNotFoundError):
            state = marker.stat()
            rows = path.stat().st_size if path.exists() else 0
            usage.append(Usage(path, state.st_size + rows, state.st_mtime))
    return usage


def fingerprint_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def evict(folder: Path, limit: int) -> int:
    """Bring the store within `limit` bytes as far as it is not in use; return the bytes freed. Hold the store lock."""
    usage = {path: list_usage(path) for path in fingerprint_folders(folder)}
    excess = sum(shard.bytes for shards in usage.values() for shard in shards) - limit
    idle = list(_idle(usage))
    freed = 0
    for shard in sorted((shard for path in idle for shard in usage[path]), key=lambda shard: shard.last_used):
        if freed >= excess:
            break
        freed += remove_shard(shard.path)
    for path in idle:
        remove_orphans(path)
        if not any(file.is_file() for file in path.iterdir()):
            shutil.rmtree(path, ignore_errors=True)
    return freed


def clear(folder: Path) -> int:
    """Remove all that is not in use; return the bytes freed. Hold the store lock."""
    freed = 0
    for path in _idle(fingerprint_folders(folder)):
        freed += _bytes(path)
        shutil.rmtree(path, ignore_errors=True)
        freed -= _bytes(path)
    return freed


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*") if file.is_file())


def _idle(folders: Iterable[Path]) -> Iterator[Path]:
    return (path for path in folders if not in_use(path))
