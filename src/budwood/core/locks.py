"""Locks on directories, held in the cache and released by the system when a process dies."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from budwood.core.cache import cache_dir
from budwood.core.errors import RunError


@contextmanager
def lock(folder: Path, what: str = "training") -> Iterator[None]:
    # The lock lies in the cache, so that a run holds nothing but results.
    locks = cache_dir() / "locks"
    locks.mkdir(exist_ok=True)
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    lock = filelock.FileLock(locks / f"{name}.lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise RunError(
            f"{folder} is in use by another {what}. Wait for it, or give another directory"
        ) from None
    try:
        yield
    finally:
        lock.release()
