"""What cannot be read in place is unpacked into the cache once, and found there as long as its file is the same."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from budwood.core.cache import DATA, cache_dir
from budwood.core.errors import DataError
from budwood.core.files import whole_file
from budwood.core.locks import FileLock


def unpacked_file(source: str, ending: str, unpack: Callable[[Path], None], what: str = "") -> Path:
    """Return the file in the cache that holds what a source unpacks to, made where it is not there yet.

    Args:
        source: the file that is unpacked; another time or size of it is another source.
        ending: of the file in the cache.
        unpack: writes it.
        what: which of several things that a source unpacks to.

    Raise DataError where there is no room for it.
    """
    status = os.stat(source)
    stamp = f"{os.path.abspath(source)} {status.st_size} {status.st_mtime_ns} {what}"
    identity = hashlib.sha256(stamp.encode("utf-8", "surrogateescape")).hexdigest()[:24]
    place = cache_dir().absolute() / DATA / f"{identity}{ending}"
    if place.is_file():
        return place
    try:
        place.parent.mkdir(exist_ok=True)
        with FileLock(place.with_name(f"{place.name}.lock")):
            if not place.is_file():
                with whole_file(place) as aside:
                    unpack(aside)
    except OSError as error:
        if error.errno is None:  # gzip reports damaged data so
            raise
        raise DataError(
            f"cannot unpack {source} into the cache {place.parent} ({error.strerror}). Make room, or set "
            "BUDWOOD_CACHE to another folder"
        ) from error
    return place
