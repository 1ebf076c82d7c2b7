"""Claims on a store that several machines share: who computes which features now.

    claims/000000000007.json    the keys that one process computes now; `{}` once it is done

A log without a server: a claim is put under the next number, and only if there is none of that number. So whoever puts
one has seen all that were put before, and two processes never claim the same key. A claim lasts as long as its process
writes it anew; how old it is says the storage's own clock, never that of a machine.
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
from budwood.storage.objects import Storage

EXPIRY, RENEWAL = 60.0, 15.0
"""Seconds after which a claim that was not written anew is of a process that ended; and between two writings."""
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
        name, keys, content = self._take(missing, most, share=share)
        if not keys:
            yield []
            return
        ended = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(name, content, ended), daemon=True)
        renewing.start()
        try:
            yield keys
        finally:
            ended.set()
            renewing.join()
            # Where that fails it expires.
            with contextlib.suppress(StorageError):
                self._storage.put(name, _DONE)

    def _take(self, missing: Sequence[str], most: int, *, share: bool) -> tuple[str, list[str], bytes]:
        taken: set[str] = set()
        last, others, over = 0, [], []
        for one in self._storage.list(_FOLDER):
            stem = one.key.rpartition("/")[2].removesuffix(".json")
            if not stem.isdecimal():
                continue
            last = max(last, int(stem))
            if one.size == len(_DONE) or self._clock.now() - one.modified.timestamp() > EXPIRY:
                over.append((int(stem), one.key))
            else:
                others.append(one)
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
            last += 1
            name = f"{_FOLDER}/{last:012d}.json"
            content = json.dumps({"holder": uuid.uuid4().hex, "keys": keys}).encode()
            # Where the answer to a put was lost and it was tried again, what is there already is one's own.
            if self._storage.put_if_absent(name, content) or self._got(name) == content:
                self._tidy([key for number, key in over if number < last])
                return name, keys, content
            taken |= self._keys(name, "")
            time.sleep(random.uniform(0.0, 0.02))
        return "", [], b""

    def _tidy(self, names: Sequence[str]) -> None:
        """Remove claims that are over. The one of the highest number stays, so that numbers never come back."""
        with contextlib.suppress(StorageError):
            for name in names:
                self._storage.delete(name)

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

    def _renew(self, name: str, content: bytes, ended: threading.Event) -> None:
        while not ended.wait(RENEWAL):
            with contextlib.suppress(StorageError):
                self._storage.put(name, content)
