"""A record of photos that have been decoded before, so that checking the same photos again takes no decoding."""

import sqlite3
import threading
from pathlib import Path
from types import TracebackType

from budwood.core.cache import cache_dir
from budwood.core.errors import StoreError
from budwood.data.decoder.levels import Samples
from budwood.data.images import Inspection

# Of another name than the one that knew sizes only.
_TABLE = (
    "CREATE TABLE IF NOT EXISTS inspected (sha256 BLOB PRIMARY KEY, width INTEGER, height INTEGER, pages INTEGER, "
    "samples TEXT, low REAL, high REAL, bright REAL) WITHOUT ROWID"
)
_COLUMNS = "width, height, pages, samples, low, high, bright"


class Decoded:
    """What decoding showed of photos, by the SHA-256 of their bytes, kept in `cache_dir()/decoded.sqlite`.

    Only a saving of time: a record that is damaged is begun anew, one that cannot be read or written is done
    without. Safe for several threads and processes. New entries are written when the context is left.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._new: dict[str, Inspection] = {}
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
        rows = [(bytes.fromhex(sha256), *_row(found)) for sha256, found in self._new.items()]
        try:
            with self._connection:
                self._connection.executemany(
                    "INSERT OR REPLACE INTO inspected VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows
                )
        except sqlite3.Error:
            pass
        finally:
            self._connection.close()

    def get(self, sha256: str) -> Inspection | None:
        """Return what is known of a photo that was decoded before, else None."""
        with self._lock:
            if self._connection is None:
                return None
            try:
                query = f"SELECT {_COLUMNS} FROM inspected WHERE sha256 = ?"
                row = self._connection.execute(query, (bytes.fromhex(sha256),)).fetchone()
            except sqlite3.Error:
                return None
        return None if row is None else _inspection(*row)

    def add(self, sha256: str, found: Inspection) -> None:
        """Note what decoding a photo showed."""
        with self._lock:
            self._new[sha256] = found


def _row(found: Inspection) -> tuple[int | float | str | None, ...]:
    samples = found.samples
    deep = (samples.kind, samples.low, samples.high, samples.bright) if samples else (None,) * 4
    return found.width, found.height, found.pages, *deep


def _inspection(
    width: int,
    height: int,
    pages: int,
    kind: str | None,
    low: float | None,
    high: float | None,
    bright: float | None,
) -> Inspection:
    if kind is None or low is None or high is None or bright is None:
        return Inspection(width, height, None, pages)
    return Inspection(width, height, Samples(kind, low, high, bright), pages)


def _open(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=5.0, check_same_thread=False)
    try:
        connection.execute(_TABLE)
        connection.execute(f"SELECT {_COLUMNS} FROM inspected LIMIT 1").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection
