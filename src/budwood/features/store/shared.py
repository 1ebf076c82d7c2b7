"""A store that several machines share, in object storage: the folder of this machine is a cache in front of it.

    <place>/features/<fingerprint>/rows/<checksum>.npy          rows, named by their content
    <place>/features/<fingerprint>/markers/<time>-<start of checksum>.json   written last: what has none is never read
    <place>/features/<fingerprint>/claims/                       who computes what now (see `shared_claims`)

Markers are named by the time at which they were written, by the storage's clock: whoever has seen them all lists only
later ones. Objects are put if they are absent, and never changed or removed.
"""

import contextlib
import hashlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from budwood.core.errors import StorageError
from budwood.core.files import whole_file
from budwood.core.progress.base import Progress
from budwood.features.store.shards import (
    Shard,
    ShardError,
    checksum_of,
    commit_shard,
    marker_of,
    parse_marker,
    refuse_bad_rows,
)
from budwood.features.store.shared_claims import SharedClaims
from budwood.storage.clock import ServerClock
from budwood.storage.objects import Storage, open_storage
from budwood.storage.place import SETTING, Place

FEATURES = "features"
"""The folder of the features below the place."""
AT_A_TIME = 16
"""Requests under way."""
SLACK = 180_000_000
"""Microseconds that pass at most between the naming of a marker and its appearance."""
FIRST_WAIT, LONGEST_WAIT = 30.0, 600.0
"""Seconds after which a storage that failed is tried again, at first and at last."""
Result = TypeVar("Result")
_MARKER = re.compile(r"(\d{16})-[0-9a-f]{16}\.json")


class Attempts:
    """Whether storage is tried: not for a while after it failed, which is told once.

    Args:
        tell: takes the line.
        then: what it says after the fault.
        never: the same where trying again is of no use in this process.
    """

    def __init__(self, tell: Callable[[str], None], then: str, never: str):
        self._tell, self._then, self._never = tell, then, never
        self._wait, self._again_at, self._told = FIRST_WAIT, 0.0, False

    @property
    def are_due(self) -> bool:
        """Return whether to try."""
        return time.monotonic() >= self._again_at

    def succeeded(self) -> None:
        self._wait = FIRST_WAIT

    def failed(self, error: StorageError) -> None:
        never = error.kind in ("permission", "credentials", "setting")
        self._again_at = time.monotonic() + (float("inf") if never else self._wait)
        self._wait = min(2 * self._wait, LONGEST_WAIT)
        if not self._told:
            self._told = True
            self._tell(f"{error}. {self._never if never else self._then}")


class SharedTable:
    """One feature extractor's features at a place that several machines share.

    A storage that fails after it was opened stops nothing: that is told once, and it is tried again later.

    Args:
        storage: of the fingerprint.
        folder: of the table on this machine.
        shape: of one row.
        dtype: of the rows.
        tell: takes a line that a user should see.
        progress: told of stage "fetch".
    """

    def __init__(
        self,
        storage: Storage,
        folder: Path,
        shape: tuple[int, ...],
        dtype: str,
        *,
        tell: Callable[[str], None],
        progress: Progress,
    ):
        self._storage, self._folder, self._tell, self._progress = storage, folder, tell, progress
        self._shape, self._dtype = shape, dtype
        self._kept = folder / "shared" / hashlib.sha256(str(storage.place).encode()).hexdigest()[:16]
        self._clock = ServerClock(storage)
        self._claims = SharedClaims(storage, self._clock)
        self._markers: dict[str, Shard] = {}
        self._seen: set[str] = set()
        self._where: dict[str, str] = {}
        """The marker of each key."""
        self._newest = 0
        self._putter = ThreadPoolExecutor(1, thread_name_prefix="storage")
        self._puts: list[Future[None]] = []
        here = folder.parent
        again = f"What it holds is computed again, into {here}"
        self._reading = Attempts(tell, again, again)
        stays = f"What is computed stays in {here}"
        self._writing = Attempts(
            tell,
            f"{stays}, and is put there once a run finds that it can be",
            f"{stays}; what others put there is used",
        )

    @property
    def place(self) -> Place:
        """Return where it lies."""
        return self._storage.place

    @property
    def answers(self) -> bool:
        """Return whether it could be read and written when it was last asked."""
        return self._reading.are_due and self._writing.are_due

    def look(self) -> None:
        """Read the markers that are new."""
        self.wait()
        if not self._reading.are_due:
            return
        after = f"markers/{self._newest - SLACK:016d}" if self._newest > SLACK else ""
        try:
            names = [one.key.removeprefix("markers/") for one in self._storage.list("markers", after)]
            new = [name for name in names if name not in self._seen]
            for name, content in zip(new, _at_once(self._marker, new), strict=True):
                self._seen.add(name)
                self._read(name, content)
        except StorageError as error:
            self._reading.failed(error)
        else:
            self._reading.succeeded()

    def holds(self, keys: Sequence[str]) -> list[str]:
        """Return those of the keys whose rows are there, as far as was looked, and as large as their marker says."""
        there = [key for key in keys if key in self._where]
        if not there or not self._reading.are_due:
            return []
        try:
            sizes = {one.key: one.size for one in self._storage.list("rows")}
        except StorageError as error:
            self._reading.failed(error)
            return []
        absent = [
            name
            for name in dict.fromkeys(self._where[key] for key in there)
            if sizes.get(f"rows/{self._markers[name].checksum}.npy", 0) < self._markers[name].bytes
        ]
        for name in absent:
            self._tell(f"{self.place}: the rows of {name} are not there, or cut; they are computed again")
            self._leave_out(name)
        return [key for key in there if key in self._where]

    def fetch(self, keys: Sequence[str]) -> list[Shard]:
        """Copy the shards that hold keys into the folder of this machine, whole, and return them.

        What is damaged is told of and left out; it stays where it is. Raise OSError where the folder cannot be written.
        """
        self.wait()
        fetched: list[Shard] = []
        absent = list(keys)
        # Of a shard that is damaged another may hold the same keys.
        while wanted := list(dict.fromkeys(self._where[key] for key in absent if key in self._where)):
            total = sum(len(self._markers[name].keys) for name in wanted)
            with self._progress.stage("fetch", total=total, unit="features") as stage:
                copied: list[Shard | None] = []
                for shard in _at_once(self._copy, wanted):
                    stage.advance(len(self._markers[wanted[len(copied)]].keys))
                    copied.append(shard)
            fetched += filter(None, copied)
            for name in (name for name, shard in zip(wanted, copied, strict=True) if shard is None):
                self._leave_out(name)
            got = {key for shard in fetched for key in shard.keys}
            absent = [key for key in absent if key not in got]
        return fetched

    def put(self, shards: Sequence[Shard]) -> None:
        """Put the shards that hold what is not there yet: rows first, then the marker."""
        for shard in shards:
            if all(key in self._where for key in shard.keys):
                continue
            if not self._writing.are_due:
                return
            try:
                self._put(shard)
            except StorageError as error:
                self._writing.failed(error)
            else:
                self._writing.succeeded()

    def put_meanwhile(self, shard: Shard) -> None:
        """Put a shard while the work goes on, one after another."""
        self._puts.append(self._putter.submit(self.put, [shard]))

    def wait(self) -> None:
        """Wait until all is put that was to be put meanwhile."""
        while self._puts:
            self._puts.pop(0).result()

    def close(self) -> None:
        """End the thread that puts, once it has done what it was given."""
        self._putter.shutdown()

    @contextlib.contextmanager
    def claim(self, missing: Sequence[str], most: int, *, share: bool) -> Iterator[Sequence[str]]:
        """Yield at most so many keys that no other machine computes, for a `with`; all where the storage fails.

        With `share` some are left to others that are at work.
        """
        with contextlib.ExitStack() as stack:
            keys: Sequence[str] = missing
            if self._writing.are_due:
                try:
                    keys = stack.enter_context(self._claims.hold(missing, most, share=share))
                except StorageError as error:
                    self._writing.failed(error)
            yield keys

    def _marker(self, name: str) -> bytes | None:
        """Return a marker, from the folder of this machine where it was read before; None for what is none."""
        if not _MARKER.fullmatch(name):
            return None
        kept = self._kept / name
        try:
            return kept.read_bytes()
        except OSError:
            content = self._storage.get(f"markers/{name}")
        with contextlib.suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(kept) as aside:
                aside.write_bytes(content)
        return content

    def _read(self, name: str, content: bytes | None) -> None:
        found = _MARKER.fullmatch(name)
        if found is None or content is None:
            self._tell(f"{self.place} holds {name!r}, which is no marker of a shard; it is ignored")
            return
        self._newest = max(self._newest, int(found[1]))
        try:
            shard = parse_marker(content, self._folder / f"{name.removesuffix('.json')}.npy")
            if not re.fullmatch(r"[0-9a-f]{64}", shard.checksum):
                raise ShardError("it names no checksum")
            if shard.dtype == self._dtype and shard.shape != self._shape:
                raise ShardError(f"it says shape {shard.shape}, not {self._shape}")
        except ShardError as error:
            self._tell(
                f"{self.place}: the marker {name} is of another form, its features are left out: {error}"
            )
            return
        if shard.dtype == self._dtype:
            self._index(name, shard)

    def _index(self, name: str, shard: Shard) -> None:
        self._markers[name] = shard
        for key in shard.keys:
            self._where.setdefault(key, name)

    def _copy(self, name: str) -> Shard | None:
        """Return a shard once it lies in the folder of this machine; None where it is damaged or out of reach."""
        marker = self._markers[name]
        if not self._reading.are_due:
            return None
        shard = Shard(
            self._folder / f"{marker.checksum[:32]}.npy",
            marker.keys,
            marker.shape,
            marker.dtype,
            marker.checksum,
        )
        try:
            rows = self._storage.get(f"rows/{marker.checksum}.npy")
        except StorageError as error:
            if error.kind == "gone":
                self._tell(f"{error}, although it has a marker; its features are computed again")
            else:
                self._reading.failed(error)
            return None
        if checksum_of(rows, marker.keys) != marker.checksum:
            self._tell(
                f"{self.place}: the rows of {name} do not match their checksum; they are left out and computed again"
            )
            return None
        try:
            refuse_bad_rows(rows, shard)
        except ShardError as error:
            self._tell(
                f"{self.place}: the rows of {name} are no features: {error}; they are left out and computed again"
            )
            return None
        commit_shard(shard, rows)
        return shard

    def _leave_out(self, name: str) -> None:
        del self._markers[name]
        self._where = {}
        for other, shard in self._markers.items():
            self._index(other, shard)

    def _put(self, shard: Shard) -> None:
        try:
            rows = shard.path.read_bytes()
        except OSError:
            # Evicted meanwhile.
            return
        if checksum_of(rows, shard.keys) != shard.checksum:
            return
        self._storage.put_if_absent(f"rows/{shard.checksum}.npy", rows)
        name = f"{int(self._clock.now() * 1e6):016d}-{shard.checksum[:16]}.json"
        self._storage.put_if_absent(f"markers/{name}", marker_of(shard))
        self._seen.add(name)
        self._index(name, shard)


def open_shared(place: Place, fingerprint: str, folder: Path) -> Storage:
    """Return the storage of one fingerprint, once it was found to answer.

    Raise StorageError where it does not within ten seconds, may not be listed, or is the cache `folder` itself.
    """
    if place.scheme == "file" and Path(place.key).resolve() in (folder.resolve(), folder.parent.resolve()):
        raise StorageError(
            f"{SETTING} and BUDWOOD_CACHE are the same folder, {place}. Give the shared store a folder of its own",
            "setting",
        )
    return open_storage(place.below(f"{FEATURES}/{fingerprint}"))


@dataclass
class SharedUsage:
    """What a shared store holds of one feature extractor."""

    bytes: int = 0
    shards: int = 0


def shared_usage(place: Place) -> dict[str, SharedUsage]:
    """Return what lies at a shared store, by fingerprint. Raise StorageError where it cannot be listed."""
    found: dict[str, SharedUsage] = {}
    for one in open_storage(place.below(FEATURES)).list():
        fingerprint, _, rest = one.key.partition("/")
        usage = found.setdefault(fingerprint, SharedUsage())
        usage.bytes += one.size
        usage.shards += rest.startswith("markers/")
    return found


def _at_once(function: Callable[[str], Result], names: Sequence[str]) -> Iterator[Result]:
    """Yield what a function gives for each name, several called at a time."""
    pool = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="storage")
    try:
        yield from pool.map(function, names)
    finally:
        pool.shutdown(cancel_futures=True)
