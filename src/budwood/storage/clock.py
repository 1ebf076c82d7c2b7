"""The clock of the storage, by which everybody goes: those of machines may be minutes apart."""

import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime

from budwood.core.errors import StorageError
from budwood.storage.objects import Storage


class ServerClock:
    """Tells the time of a storage, by an object that it writes once."""

    def __init__(self, storage: Storage):
        self._storage = storage
        self._ahead: float | None = None
        """Of this process's monotonic clock, in seconds."""

    def now(self) -> float:
        """Return seconds since 1970. Asks the storage once; raise StorageError where it cannot be written."""
        if self._ahead is None:
            key = f"clock/{uuid.uuid4().hex}"
            before = time.monotonic()
            self._storage.put(key, b"")
            self._ahead = self._storage.head(key).modified.timestamp() - before
            with suppress(StorageError):
                self._storage.delete(key)
        return time.monotonic() + self._ahead

    def skew(self) -> float:
        """Return by how many seconds this machine's clock is ahead of the storage's, to about a second."""
        return datetime.now(UTC).timestamp() - self.now()
