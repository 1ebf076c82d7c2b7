"""Objects below one place: get, put, list, delete, with retries and time limits. Built on obstore (extra `cloud`).

    storage = open_storage(read_place("s3://bucket/prefix"))
    storage.put_if_absent("a/1", b"...")     # False where there is one already
    storage.get("a/1")

One that was opened may be used by any number of threads, not by a process that was forked since.
"""

import importlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

from budwood.core.errors import StorageError
from budwood.storage.credentials import allows_http, endpoint_name, s3_settings
from budwood.storage.faults import Doing, in_words, storage_error
from budwood.storage.place import Place

ANSWER_SECONDS = 8.0
"""After which a place that does not answer at all is called unreachable, when it is opened."""
_CLIENT = {"connect_timeout": "5s", "read_timeout": "30s", "timeout": "300s"}
"""A server that stands still for ten seconds is waited for."""
_RETRIES = {
    "max_retries": 8,
    "retry_timeout": timedelta(seconds=60),
    "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=10), "base": 2},
}
_PAGE = 1000
_ENVIRONMENT = ("AWS_", "GOOGLE_", "AZURE_")

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Listed:
    """An object, as a listing has it."""

    key: str
    """Below the place that was listed."""
    size: int
    etag: str
    """Another one where the content is another; empty where the storage gives none."""
    modified: datetime
    """By the storage's own clock."""


class Storage:
    """The objects below one place. Made by `open_storage`.

    All raise StorageError, which says in its `kind` what went wrong.
    """

    def __init__(self, place: Place):
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return Storage, (self.place,)

    def check(self) -> None:
        """Look whether the place answers and may be listed, within ten seconds."""

        def first() -> None:
            with suppress(StopIteration):
                next(self.list())

        within(ANSWER_SECONDS, first, self.place)

    def get(self, key: str, etag: str = "") -> bytes:
        """Return an object; of kind "changed" is the error where it has another `etag` than the one given."""
        options = {"if_match": etag} if etag else None
        with self._telling("read", key):
            return bytes(_obstore().get(self._client(), self._path(key), options=options).bytes())

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return a stretch of an object, shorter where the object ends."""
        with self._telling("read", key):
            return bytes(_obstore().get_range(self._client(), self._path(key), start=start, length=length))

    def stream(self, key: str) -> Iterator[bytes]:
        """Yield an object piece by piece."""
        with self._telling("read", key):
            for piece in _obstore().get(self._client(), self._path(key)).stream(8 << 20):
                yield bytes(piece)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Write an object; return False, and leave it as it is, where there is one already."""
        exists = importlib.import_module("obstore.exceptions").AlreadyExistsError
        with self._telling("write", key):
            try:
                _obstore().put(self._client(), self._path(key), data, mode="create")
            except exists:
                return False
        return True

    def put(self, key: str, data: bytes) -> None:
        """Write an object, in the place of one that is there."""
        with self._telling("write", key):
            _obstore().put(self._client(), self._path(key), data)

    def head(self, key: str) -> Listed:
        """Return what a listing would say of an object."""
        with self._telling("read", key):
            return _listed(_obstore().head(self._client(), self._path(key)), key)

    def list(self, below: str = "", after: str = "") -> Iterator[Listed]:
        """Yield all objects below a name, in a stream; those alone that sort after the key `after`, where given."""
        folder = self._path(below)
        prefix = f"{self._path('')}/" if self._path("") else ""
        with self._telling("list", below):
            pages = _obstore().list(
                self._client(), folder or None, offset=self._path(after) if after else None, chunk_size=_PAGE
            )
            for page in pages:
                for one in page:
                    yield _listed(one, one["path"].removeprefix(prefix))

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        with self._telling("write", key), suppress(FileNotFoundError):
            _obstore().delete(self._client(), self._path(key))

    def _path(self, key: str) -> str:
        if self.place.scheme == "file":
            return key
        return self.place.below(key).key

    def _client(self) -> Any:
        _refuse_forked()
        environment = tuple(item for item in sorted(os.environ.items()) if item[0].startswith(_ENVIRONMENT))
        return _client_of(self.place.root, environment)

    @contextmanager
    def _telling(self, doing: Doing, key: str) -> Iterator[None]:
        try:
            yield
        except StorageError:
            raise
        except Exception as error:
            if isinstance(error, MemoryError):
                raise
            place = self.place.below(key) if doing == "read" else self.place
            # Its own text may hold what is secret.
            raise storage_error(error, place, doing, _endpoint(self.place)) from None


def open_storage(place: Place, *, check: bool = True) -> Storage:
    """Return the objects below a place.

    Raises:
        StorageError: obstore is not installed; the place cannot be reached within ten seconds, or not be listed.
    """
    _obstore()
    storage = Storage(place)
    if check:
        storage.check()
    return storage


def within(seconds: float, call: Callable[[], Result], place: Place) -> Result:
    """Return what a call gives, or raise StorageError where it takes longer than so many seconds."""
    results: list[Result] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    # A daemon: what never answers is not waited for at the end either.
    thread = threading.Thread(target=work, daemon=True, name="storage")
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if thread.is_alive() or not results:
        raise StorageError(in_words("unreachable", place, "list", _endpoint(place)), "unreachable")
    return results[0]


def _listed(meta: Any, key: str) -> Listed:
    return Listed(key, int(meta["size"]), meta.get("e_tag") or "", meta["last_modified"])


def _endpoint(place: Place) -> str:
    if place.scheme != "s3":
        return ""
    try:
        return endpoint_name(s3_settings())
    except StorageError:
        return ""


def _obstore() -> Any:
    try:
        return importlib.import_module("obstore")
    except ImportError:
        raise StorageError(
            "object storage needs obstore, which is not installed: pip install 'budwood[cloud]'", "setting"
        ) from None


_pids: set[int] = set()


@lru_cache(maxsize=32)
def _client_of(root: Place, environment: tuple[tuple[str, str], ...]) -> Any:
    store = importlib.import_module("obstore.store")
    if root.scheme == "file":
        return store.LocalStore(root.key, mkdir=True)
    if root.scheme == "memory":
        return store.MemoryStore()
    address = f"{root.scheme}://{root.bucket}"
    if root.scheme == "s3":
        settings = s3_settings()
        client = {**_CLIENT, "allow_http": allows_http(settings)}
        return store.from_url(address, config=settings, client_options=client, retry_config=_RETRIES)
    return store.from_url(address, client_options=_CLIENT, retry_config=_RETRIES)


def _refuse_forked() -> None:
    """Raise StorageError in a process that was forked from one that used storage: its threads stayed behind."""
    _pids.add(os.getpid())
    if len(_pids) > 1:
        raise StorageError(
            "storage was used before this process was forked, and cannot be used in it. Start processes by spawn or "
            "forkserver (multiprocessing.set_start_method)",
            "setting",
        )
