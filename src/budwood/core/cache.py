"""The cache of what can be computed again: features, inference graphs, the list of decoded photos."""

import os
import shutil
import tempfile
from pathlib import Path

import platformdirs

from budwood.core.errors import StoreError


def cache_dir() -> Path:
    """Return the cache folder: `BUDWOOD_CACHE` where it is set, else the system's usual place; made on demand."""
    chosen = os.environ.get("BUDWOOD_CACHE")
    folder = Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("budwood")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot make the cache folder {folder}: {error.strerror or error}. "
            "Set BUDWOOD_CACHE to a folder that you may write"
        ) from error
    return folder


def refuse_read_only_cache() -> None:
    """Raise StoreError where nothing can be written into the cache folder, before anything slow is begun."""
    folder = cache_dir()
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise StoreError(
            f"the cache folder {folder} cannot be written: {error.strerror or error}. Allow writing there, or set "
            "BUDWOOD_CACHE to another folder"
        ) from error


GRAPHS, DATA = "graphs", "data"
"""The folders beside the feature store: converted inference graphs, and pictures unpacked from what cannot be read in
place: TensorFlow Datasets, compressed archives and tables."""


def part_bytes(part: str) -> int:
    """Return the bytes that a folder of the cache takes on disk."""
    return sum(file.stat().st_size for file in (cache_dir() / part).rglob("*") if file.is_file())


def clear_part(part: str) -> int:
    """Remove a folder of the cache, whoever reads from it; return the bytes freed."""
    freed = part_bytes(part)
    shutil.rmtree(cache_dir() / part, ignore_errors=True)
    return freed
