"""Locks between processes: on files, released by the system when a process dies."""

import errno
import hashlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
from filelock import Timeout

from budwood.core.cache import SETTING, cache_dir
from budwood.core.errors import CacheWarning, RunError

__all__ = ["FileLock", "Timeout", "lock"]

NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
"""What a file system says that has no locks, such as an NFS without its lock service."""
_said = False


class FileLock:
    """A lock of the system on a file.

    On a file system that has none it is taken all the same, and a warning says once what that costs.

    Attributes:
        held: whether this process has it.
        works: whether it keeps others out.
    """

    def __init__(self, path: Path):
        self.path, self.held, self.works = path, False, True
        self._lock = filelock.FileLock(path, thread_local=False)

    def acquire(self, timeout: float = -1.0) -> None:
        """Wait so many seconds for it, below 0 without end. Raise Timeout where another process keeps it longer."""
        try:
            self._lock.acquire(timeout=timeout)
        except Timeout:
            raise
        except (OSError, NotImplementedError) as error:
            if isinstance(error, OSError) and error.errno not in NO_LOCKS:
                raise
            self.works = False
            # Others look for the file all the same.
            self.path.touch()
            _say_once(self.path.parent, error)
        self.held = True

    def release(self) -> None:
        """Give it back."""
        self._lock.release()
        self.held = False

    def __enter__(self) -> "FileLock":
        self.acquire()
        return self

    def __exit__(self, *failure: Any) -> None:
        self.release()


def _say_once(folder: Path, error: Exception) -> None:
    global _said
    if _said:
        return
    _said = True
    why = error.strerror if isinstance(error, OSError) and error.strerror else "none"
    warnings.warn(
        f"the disk of {folder} has no locks on files ({why}): several processes that use it are not kept from one "
        f"another, and the cache drops nothing. Set {SETTING} to a folder on a disk of this machine",
        CacheWarning,
        stacklevel=3,
    )


@contextmanager
def lock(folder: Path, what: str = "training") -> Iterator[None]:
    """Hold a directory for the time of a training, or of something else that writes it.

    The lock lies in the cache, so that a run holds nothing but results.
    """
    locks = cache_dir() / "locks"
    locks.mkdir(exist_ok=True)
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    lock = FileLock(locks / f"{name}.lock")
    try:
        lock.acquire(timeout=0.0)
    except Timeout:
        raise RunError(
            f"{folder} is in use by another {what}. Wait for it, or give another directory"
        ) from None
    try:
        yield
    finally:
        lock.release()
