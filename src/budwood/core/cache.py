"""The cache of what can be computed again: features, inference graphs, the list of decoded photos."""

import atexit
import os
import shutil
import tempfile
import warnings
from pathlib import Path

import platformdirs

from budwood.core.errors import CacheWarning, StoreError

SETTING = "BUDWOOD_CACHE"
HELP = f"Set {SETTING} to a folder that you may write"


def cache_place() -> Path:
    """Return where the cache folder is to be: `BUDWOOD_CACHE` where it is set, else the system's usual place.

    Raises:
        RuntimeError: `BUDWOOD_CACHE` begins with `~`, and there is no such home.
    """
    chosen = os.environ.get(SETTING)
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("budwood")


def cache_dir() -> Path:
    """Return the cache folder, see `cache_place`; made on demand.

    Where that place cannot be written, as without a home, it is a folder of this process and of those that it starts,
    removed when it ends.

    Raises:
        StoreError: the folder that `BUDWOOD_CACHE` names cannot be made, or there is no room for temporary files.
    """
    chosen = os.environ.get(SETTING)
    try:
        folder = cache_place()
        folder.mkdir(parents=True, exist_ok=True)
        if not chosen and not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(f"{folder} cannot be written")
    except (OSError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if chosen:
            raise StoreError(f"cannot make the cache folder {chosen}: {why}. {HELP}") from error
        return _until_exit(why)
    return folder


def _until_exit(why: str) -> Path:
    try:
        folder = tempfile.mkdtemp(prefix="budwood-")
    except OSError as error:
        raise StoreError(
            f"there is no place for a cache: {why}; {error.strerror or error}. {HELP}"
        ) from error
    # For the processes that this one starts, too.
    os.environ[SETTING] = folder
    owner = os.getpid()

    def remove() -> None:
        # A forked process must not take it away from the others.
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    warnings.warn(
        f"there is no place for a cache that lasts ({why}): what is computed is kept in {folder} until this process "
        f"ends. {HELP}",
        CacheWarning,
        stacklevel=2,
    )
    return Path(folder)


def refuse_read_only_cache() -> None:
    """Raise StoreError where nothing can be written into the cache folder, before anything slow is begun."""
    folder = cache_dir()
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise StoreError(
            f"the cache folder {folder} cannot be written: {error.strerror or error}. Allow writing there, or set "
            f"{SETTING} to another folder"
        ) from error


GRAPHS, DATA, WEB, FONTS = "graphs", "data", "web", "fonts"
"""The folders beside the feature store: converted inference graphs; pictures unpacked from what cannot be read in
place: TensorFlow Datasets, compressed archives and tables; what pages for the browser bring along; and Matplotlib's
list of the machine's fonts."""


def part_bytes(part: str) -> int:
    """Return the bytes that a folder of the cache takes on disk."""
    return sum(file.stat().st_size for file in (cache_dir() / part).rglob("*") if file.is_file())


def clear_part(part: str) -> int:
    """Remove a folder of the cache, whoever reads from it; return the bytes freed."""
    freed = part_bytes(part)
    shutil.rmtree(cache_dir() / part, ignore_errors=True)
    return freed
