"""A record of photos that have been decoded before, and of pairs of them that have been compared: checking the same
photos again, and looking for copies among them, then takes no decoding."""

import hashlib
import sqlite3
import threading
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from types import TracebackType
from typing import Any

from budwood.core.cache import cache_dir
from budwood.core.errors import StoreError
from budwood.data.decoder.levels import Samples
from budwood.data.images import ValueRange
from budwood.data.inspection import Inspection
from budwood.data.overlay import VERSION, Overlay

# Of another name than those that knew less.
_TABLE = (
    "CREATE TABLE IF NOT EXISTS inspected (sha256 BLOB PRIMARY KEY, width INTEGER, height INTEGER, pages INTEGER, "
    "samples TEXT, low REAL, high REAL, bright REAL, "
    "hash BLOB, taken TEXT, sharpness REAL) WITHOUT ROWID"
)
_WRITTEN_AT_ONCE = 20_000
_AT_ONCE = 100_000
"""Most photos of a record that is read in one go."""
_COLUMNS = "width, height, pages, samples, low, high, bright, hash, taken, sharpness"
_PIXELS = "CREATE TABLE IF NOT EXISTS pixels (sha256 BLOB PRIMARY KEY, digest TEXT) WITHOUT ROWID"

_OVERLAYS = (
    "CREATE TABLE IF NOT EXISTS overlays (pair BLOB PRIMARY KEY, similarity REAL, mirrored INTEGER, shared REAL) "
    "WITHOUT ROWID"
)
_OBJECTS = "CREATE TABLE IF NOT EXISTS objects (identity BLOB PRIMARY KEY, sha256 BLOB) WITHOUT ROWID"


class Decoded:
    """What decoding showed of photos, by the SHA-256 of their bytes, kept in `cache_dir()/decoded.sqlite`.

    Only a saving of time: a record that is damaged is begun anew, one that cannot be read or written is done
    without. Safe for several threads and processes. New entries are written when there are many, and when
    the context is left.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._new: dict[str, Inspection] = {}
        self._new_pixels: dict[str, str] = {}
        self._new_objects: dict[bytes, bytes] = {}
        self._new_overlays: dict[bytes, Overlay] = {}
        self._connection: sqlite3.Connection | None = None
        self._known: dict[bytes, Inspection] | None = None
        try:
            file = cache_dir() / "decoded.sqlite"
            try:
                self._connection = _open(file)
            except sqlite3.OperationalError:
                pass  # locked or not writable: someone else's good record, perhaps
            except sqlite3.DatabaseError:
                file.unlink()
                self._connection = _open(file)
            if self._connection is not None:
                self._known = _read_all(self._connection)
        except (OSError, StoreError, sqlite3.Error):
            pass

    def __enter__(self) -> "Decoded":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is None:
            return
        with self._lock:
            self._write()
            self._connection.close()

    def _write(self) -> None:
        """Write what is new, and forget it; called with the lock held."""
        if self._connection is None:
            return
        places = ", ".join("?" * (1 + len(_COLUMNS.split(","))))
        rows = ((bytes.fromhex(sha256), *_row(found)) for sha256, found in self._new.items())
        pixels = ((bytes.fromhex(sha256), found) for sha256, found in self._new_pixels.items())
        with suppress(sqlite3.Error), self._connection:
            self._connection.executemany(f"INSERT OR REPLACE INTO inspected VALUES ({places})", rows)
            self._connection.executemany("INSERT OR REPLACE INTO pixels VALUES (?, ?)", pixels)
            objects = self._new_objects.items()
            self._connection.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?)", objects)
            overlays = ((pair, *astuple(seen)) for pair, seen in self._new_overlays.items())
            self._connection.executemany("INSERT OR REPLACE INTO overlays VALUES (?, ?, ?, ?)", overlays)
        self._new, self._new_pixels, self._new_objects, self._new_overlays = {}, {}, {}, {}

    def _one(self, query: str, key: bytes) -> tuple[Any, ...] | None:
        """Return the row of a key; None where there is none, or the record cannot be read."""
        with self._lock:
            if self._connection is None:
                return None
            try:
                return self._connection.execute(query, (key,)).fetchone()
            except sqlite3.Error:
                return None

    def get(self, sha256: str) -> Inspection | None:
        """Return what is known of a photo that was decoded before, else None."""
        if self._known is not None:
            return self._known.get(bytes.fromhex(sha256))
        row = self._one(f"SELECT {_COLUMNS} FROM inspected WHERE sha256 = ?", bytes.fromhex(sha256))
        return None if row is None else _inspection(*row)

    def add(self, sha256: str, found: Inspection) -> None:
        """Note what decoding a photo showed."""
        with self._lock:
            self._new[sha256] = found
            if len(self._new) >= _WRITTEN_AT_ONCE:
                self._write()

    def get_object(self, identity: bytes) -> str | None:
        """Return the SHA-256 of an object in storage that was read before, as hexadecimal digits."""
        row = self._one("SELECT sha256 FROM objects WHERE identity = ?", identity)
        return None if row is None else row[0].hex()

    def add_object(self, identity: bytes, sha256: str) -> None:
        """Note the SHA-256 of an object in storage."""
        with self._lock:
            self._new_objects[identity] = bytes.fromhex(sha256)

    def get_overlay(self, pair: bytes) -> Overlay | None:
        """Return how alike two photos were found to be, by their `pair_key`."""
        row = self._one("SELECT similarity, mirrored, shared FROM overlays WHERE pair = ?", pair)
        return None if row is None else Overlay(row[0], bool(row[1]), row[2])

    def add_overlay(self, pair: bytes, seen: Overlay) -> None:
        """Note how alike two photos are."""
        with self._lock:
            self._new_overlays[pair] = seen

    def get_pixels(self, sha256: str) -> str | None:
        """Return the digest of the decoded pixels of a photo, where it was noted before."""
        row = self._one("SELECT digest FROM pixels WHERE sha256 = ?", bytes.fromhex(sha256))
        return None if row is None else row[0]

    def add_pixels(self, sha256: str, digest: str) -> None:
        """Note the digest of the decoded pixels of a photo."""
        with self._lock:
            self._new_pixels[sha256] = digest


def pair_key(one: str, other: str, levels: ValueRange | None) -> bytes:
    """Return by what the comparison of two photos is found again: their SHA-256, as hexadecimal digits, in this order,
    black and white, and how they are compared."""
    return hashlib.sha256(f"{one} {other} {levels!r} {VERSION}".encode()).digest()


def _row(found: Inspection) -> tuple[int | float | str | bytes | None, ...]:
    samples = found.samples
    deep = (samples.kind, samples.low, samples.high, samples.bright) if samples else (None,) * 4
    return found.width, found.height, found.pages, *deep, found.hash, found.taken, found.sharpness


def _inspection(
    width: int,
    height: int,
    pages: int,
    kind: str | None,
    low: float | None,
    high: float | None,
    bright: float | None,
    hash: bytes,
    taken: str,
    sharpness: float | None,
) -> Inspection:
    if kind is None or low is None or high is None or bright is None:
        return Inspection(width, height, None, pages, hash, taken, sharpness)
    return Inspection(width, height, Samples(kind, low, high, bright), pages, hash, taken, sharpness)


def _read_all(connection: sqlite3.Connection) -> dict[bytes, Inspection] | None:
    """Return a record that is small, so that nobody has to wait for the database; None for a large one."""
    if connection.execute("SELECT count(*) FROM inspected").fetchone()[0] > _AT_ONCE:
        return None
    rows = connection.execute(f"SELECT sha256, {_COLUMNS} FROM inspected")
    return {row[0]: _inspection(*row[1:]) for row in rows}


def _open(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=5.0, check_same_thread=False)
    try:
        connection.execute(_TABLE)
        connection.execute(_PIXELS)
        connection.execute(_OBJECTS)
        connection.execute(_OVERLAYS)
        connection.execute(f"SELECT {_COLUMNS} FROM inspected LIMIT 1").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection
