"""Who is computing which features, so that processes on one store share the work and do none of it twice.

<folder>/claims/claims.lock         held for the moment in which a claim is made
<folder>/claims/<uuid>.keys         the keys that a process computes now, one a line
<folder>/claims/<uuid>.lock         held by that process; the system drops it when the process ends, however it ends
"""

import uuid
from collections.abc import Sequence
from pathlib import Path

from budwood.core.files import write_text
from budwood.core.locks import FileLock, Timeout
from budwood.features.store.leases import LOCK_SECONDS, unlink


class Claim:
    """Some of the features that are missing, claimed by this process. Made by `FeatureTable.claim`.

    Args:
        folder: of a table of the store.
        missing: keys, in the order in which they are to be computed.
        most: how many of them to claim.

    Attributes:
        keys: those that are claimed, none where living processes compute all that are missing.
    """

    def __init__(self, folder: Path, missing: Sequence[str], most: int):
        self._folder = folder / "claims"
        self._missing, self._most = missing, most
        self._name = uuid.uuid4().hex
        self._lock = FileLock(self._folder / f"{self._name}.lock")
        self.keys: list[str] = []

    def take(self) -> None:
        """Claim keys. Raise OSError or Timeout where the folder cannot be written or is locked too long."""
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._folder / "claims.lock")
        lock.acquire(timeout=LOCK_SECONDS)
        try:
            taken = self._claimed_by_others()
            self.keys = [key for key in self._missing if key not in taken][: self._most]
            if self.keys:
                self._lock.acquire(timeout=LOCK_SECONDS)
                write_text(self._folder / f"{self._name}.keys", "\n".join(self.keys))
        finally:
            lock.release()

    def release(self) -> None:
        """End the claim, once what was computed is stored."""
        if self._lock.held:
            unlink(self._folder / f"{self._name}.keys")
            self._lock.release()
            unlink(self._lock.path)

    def _claimed_by_others(self) -> set[str]:
        """Return the keys that living processes compute; clears the claims of dead ones away."""
        taken: set[str] = set()
        for path in self._folder.glob("*.keys"):
            lock = FileLock(path.with_suffix(".lock"))
            try:
                lock.acquire(timeout=0.0)
            except Timeout:
                try:
                    taken.update(path.read_text().split("\n"))
                except FileNotFoundError:
                    # It ended a moment ago, and what it computed is stored.
                    continue
            else:
                unlink(path)
                lock.release()
                unlink(lock.path)
        return taken
