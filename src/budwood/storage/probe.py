"""Whether a place can be what a shared store needs: listed, written, written only if absent."""

import uuid
from contextlib import suppress
from dataclasses import dataclass

from budwood.core.errors import StorageError
from budwood.storage.clock import ServerClock
from budwood.storage.objects import open_storage, within
from budwood.storage.place import Place

SECONDS = 20.0


@dataclass(frozen=True)
class Probe:
    """What was found of a place that can be listed and written."""

    is_conditional: bool
    """Whether it keeps what is there where something is put if it is absent."""
    skew: float
    """Seconds by which the clock of this machine is ahead of the place's."""


def probe(place: Place) -> Probe:
    """Write a small object at a place and remove it again. Raise StorageError where that cannot be done."""
    storage = open_storage(place)
    key = f"probe/{uuid.uuid4().hex}"

    def look() -> Probe:
        storage.put(key, b"first")
        try:
            kept = not storage.put_if_absent(key, b"second") and storage.get(key) == b"first"
            return Probe(kept, ServerClock(storage).skew())
        finally:
            with suppress(StorageError):
                storage.delete(key)

    return within(SECONDS, look, place)
