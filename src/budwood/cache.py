"""Where Budwood keeps what it can compute again: features, inference graphs, the list of decoded photos."""

import os
from pathlib import Path

import platformdirs

from budwood.errors import StoreError


def cache_dir() -> Path:
    """The cache folder: `BUDWOOD_CACHE` where it is set, else the system's usual place; made on demand."""
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
