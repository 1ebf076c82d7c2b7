"""A record of photos that have been decoded before, so that checking the same photos again takes no decoding."""

import sqlite3
import threading
from pathlib import Path
from types import TracebackType

from budwood.core.cache import cache_dir
from budwood.core.errors import StoreError

_TABLE = "CREATE TABLE IF NOT EXISTS decoded (sha256 BLOB PRIMARY KEY, width INTEGER, height INTEGER) WITHOUT ROWID"


class Decoded:
    """Width and height of photos by the SHA-256 of their bytes, kept in `cache_dir()/decoded.sqlite`.

    Only a saving of time: a record that is damaged is begun anew, one that cannot be read or written is done
    without. Safe for several threads and processes. New entries are written when the context is left.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._new: dict[str, tuple[int, int]] = {}
        self._connection: sqlite3.Connection | None = None
        try:
            file = cache_dir() / "decoded.sqlite"
            try:
                self._connection = _open(file)
            except sqlite3.OperationalError:
                pass  # locked or not writable: someone else's good record, perhaps
            except sqlite3.DatabaseError:
                file.unlink()
                self._connection = _open(file)
        except (OSError, StoreError, sqlite3.Error):
            pass

    def __enter__(self) -> "Decoded":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is None:
            return
        rows = [(bytes.fromhex(sha256), *size) for sha256, size in self._new.items()]
        try:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO decoded VALUES (?, ?, ?)", rows)
        except sqlite3.Error:
            pass
        finally:
            self._connection.close()

    def get(self, sha256: str) -> tuple[int, int] | None:
        """Width and height in pixels of a photo that was decoded before, else None."""
        with self._lock:
            if self._connection is None:
                return None
            try:
                query = "SELECT width, height FROM decoded WHERE sha256 = ?"
                return self._connection.execute(query, (bytes.fromhex(sha256),)).fetchone()
            except sqlite3.Error:
                return None

    def add(self, sha256: str, size: tuple[int, int]) -> None:
        """Notes that a photo was decoded and is `size` = (width, height) pixels large."""
        with self._lock:
            self._new[sha256] = size


def _open(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=5.0, check_same_thread=False)
    try:
        connection.execute(_TABLE)
        connection.execute("SELECT width, height FROM decoded LIMIT 1").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection
