"""Who is using which features: locks that the operating system drops when their process ends, however it ends."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from budwood.core.errors import StoreError
from budwood.core.locks import FileLock, Timeout

LOCK_SECONDS = 60.0


@contextmanager
def store_lock(folder: Path) -> Iterator[None]:
    """Hold what one process at a time holds to open a table or to evict, so that the two never overlap."""
    lock = FileLock(folder / "store.lock")
    try:
        lock.acquire(timeout=LOCK_SECONDS)
    except Timeout as error:
        raise StoreError(
            f"another process has held {folder / 'store.lock'} for {LOCK_SECONDS:.0f} s. "
            "End that process, or set BUDWOOD_CACHE to another folder"
        ) from error
    try:
        yield
    finally:
        lock.release()


class Lease:
    """While it is held, nothing in the folder is evicted. Taken inside the store lock."""

    def __init__(self, folder: Path):
        (folder / "leases").mkdir(parents=True, exist_ok=True)
        self.path = folder / "leases" / f"{uuid.uuid4().hex}.lock"
        self._lock = FileLock(self.path)
        self._lock.acquire(timeout=LOCK_SECONDS)

    def release(self) -> None:
        self._lock.release()
        unlink(self.path)


def in_use(folder: Path) -> bool:
    """Return whether a living process holds a lease on the folder. Asked inside the store lock; clears dead
    leases away."""
    for path in list((folder / "leases").glob("*.lock")):
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0.0)
        except Timeout:
            return True
        lock.release()
        if not lock.works:
            # Nobody can tell; what is in use must not be lost.
            return True
        unlink(path)
    return False


def unlink(path: Path) -> None:
    """Remove a file that another process may have removed already."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
