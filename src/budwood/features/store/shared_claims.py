"""Claims on a store that several machines share: who computes which features now.

    claims/000000000007.json    the keys that one process computes now; `{}` once it is done
    claims/000000000007.alive   empty; written anew as long as the process lives

A log without a server: a claim is put under the next number, and only if there is none of that number. So whoever puts
one has seen all that were put before, and two processes never claim the same key. How old the newer of its two objects
is says the storage's own clock, never that of a machine.
"""

import contextlib
import json
import random
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from budwood.core.errors import StorageError
from budwood.storage.clock import ServerClock
from budwood.storage.objects import Listed, Storage

EXPIRY, RENEWAL = 60.0, 15.0
"""Seconds after which a claim is of a process that ended, where nothing of it was written; and between two writings."""
TIDIED, LISTED = 600.0, 300.0
"""Seconds after which what is over is removed, so that a process which stood still finds its claim again; and for which
a listing holds at most, so that none puts a number that was removed."""
FEWEST = 16
"""Keys that are claimed at a time at least."""
AT_A_TIME = 16
"""Claims of others that are read at a time."""
_FOLDER = "claims"
_DONE = b"{}"
_TRIES = 100


class SharedClaims:
    """The claims on one fingerprint's features."""

    def __init__(self, storage: Storage, clock: ServerClock):
        self._storage, self._clock = storage, clock
        self._read: dict[tuple[str, str], frozenset[str]] = {}
        """Keys of claims that were read, by name and etag."""

    @contextlib.contextmanager
    def hold(self, missing: Sequence[str], most: int, *, share: bool = True) -> Iterator[list[str]]:
        """Claim at most so many of the keys that nobody computes now, for the time of a `with`; yields them.

        Args:
            missing: the keys.
            most: how many.
            share: leave some to others that are at work, so that all end at about the same time; False where they are
                given to one process alone.

        Raise StorageError where the storage cannot be read or written.
        """
        number, keys = self._take(missing, most, share=share)
        if not keys:
            yield []
            return
        ended = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(number, ended), daemon=True)
        renewing.start()
        try:
            yield keys
        finally:
            ended.set()
            renewing.join()
            # Where that fails it expires.
            with contextlib.suppress(StorageError):
                self._storage.put(_name(number), _DONE)

    def _take(self, missing: Sequence[str], most: int, *, share: bool) -> tuple[int, list[str]]:
        taken: set[str] = set()
        listed = time.monotonic()
        claims: dict[int, Listed] = {}
        alive: dict[int, float] = {}
        for one in self._storage.list(_FOLDER):
            stem, _, kind = one.key.rpartition("/")[2].partition(".")
            if not stem.isdecimal() or kind not in ("json", "alive"):
                continue
            if kind == "json":
                claims[int(stem)] = one
            alive[int(stem)] = max(alive.get(int(stem), 0.0), one.modified.timestamp())
        last = max(claims, default=0)
        over = {
            number
            for number, written in alive.items()
            if number not in claims
            or claims[number].size == len(_DONE)
            or self._clock.now() - written > EXPIRY
        }
        others = [one for number, one in claims.items() if number not in over]
        current = {(one.key, one.etag) for one in others}
        self._read = {known: keys for known, keys in self._read.items() if known in current}
        if others:
            with ThreadPoolExecutor(min(AT_A_TIME, len(others))) as readers:
                taken.update(*readers.map(lambda one: self._keys(one.key, one.etag), others))
        if others and share:
            # Less for each the less is left.
            left = sum(key not in taken for key in missing)
            most = min(most, max(FEWEST, left // (2 * (len(others) + 1))))
        for _ in range(_TRIES):
            keys = [key for key in missing if key not in taken][:most]
            if not keys:
                break
            if time.monotonic() - listed > LISTED:
                # What was listed may be gone.
                return self._take(missing, most, share=share)
            last += 1
            name = _name(last)
            content = json.dumps({"holder": uuid.uuid4().hex, "keys": keys}).encode()
            # Where the answer to a put was lost and it was tried again, what is there already is one's own.
            if self._storage.put_if_absent(name, content) or self._got(name) == content:
                now = self._clock.now()
                self._tidy([number for number in over if number < last and now - alive[number] >= TIDIED])
                return last, keys
            taken |= self._keys(name, "")
            time.sleep(random.uniform(0.0, 0.02))
        return 0, []

    def _tidy(self, numbers: Sequence[int]) -> None:
        """Remove claims that are over. The one of the highest number stays, so that numbers never come back."""
        with contextlib.suppress(StorageError):
            for number in numbers:
                self._storage.delete(_name(number, "alive"))
                self._storage.delete(_name(number))

    def _got(self, name: str) -> bytes:
        try:
            return self._storage.get(name)
        except StorageError as error:
            if error.kind != "gone":
                raise
            return _DONE

    def _keys(self, name: str, etag: str) -> frozenset[str]:
        if etag and (name, etag) in self._read:
            return self._read[name, etag]
        try:
            fields = json.loads(self._got(name))
            keys = frozenset(key for key in fields.get("keys", ()) if isinstance(key, str))
        except (ValueError, AttributeError, TypeError, RecursionError):
            # What is no claim claims nothing.
            keys = frozenset()
        if etag:
            self._read[name, etag] = keys
        return keys

    def _renew(self, number: int, ended: threading.Event) -> None:
        while not ended.wait(RENEWAL):
            with contextlib.suppress(StorageError):
                self._storage.put(_name(number, "alive"), b"")


def _name(number: int, kind: str = "json") -> str:
    return f"{_FOLDER}/{number:012d}.{kind}"
