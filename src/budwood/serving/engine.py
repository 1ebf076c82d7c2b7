"""Threads that answer, one picture each, and how many pictures may wait for them."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from budwood.core.system import num_cores
from budwood.serving.errors import RequestError
from budwood.serving.limits import Limits

T = TypeVar("T")


class Engine:
    """Runs the work of requests. Used from one event loop.

    A thread decodes a picture and waits for its inference, of which OpenVINO computes as many at a time as there are
    cores; both leave Python's lock alone.

    Args:
        limits: how many pictures may be under way.
    """

    def __init__(self, limits: Limits):
        self._limits = limits
        self._pool = ThreadPoolExecutor(num_cores() + 1, thread_name_prefix="answer")
        self.under_way = 0
        """How many pictures are computed or wait."""
        self.held = 0
        """How many bytes of bodies are held."""

    def refuse_when_full(self, more: int = 1) -> None:
        """Raise RequestError where so many pictures more would wait too long. One request is taken by an idle server,
        however many pictures it has."""
        if self.under_way and self.under_way + more > self._limits.waiting:
            raise RequestError(
                "busy", "the server has as many pictures as it can answer. Try again in a second"
            )

    async def run_all(self, work: Callable[..., T], pictures: Sequence[Any], *given: Any) -> list[T]:
        """Return what a function gives for each picture, in order, as many at a time as there are threads."""
        if len(pictures) == 1:
            return [await self.run(work, pictures[0], *given)]
        return list(await asyncio.gather(*(self.run(work, picture, *given) for picture in pictures)))

    async def run(self, work: Callable[..., T], *given: Any) -> T:
        """Return what a function gives in one of the threads; it counts as one picture until it is done."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            # The loop is woken once for each picture; nobody waits for one that was given up.
            try:
                found = None if waiting.done() else work(*given)
            except BaseException as error:
                loop.call_soon_threadsafe(self._finished, waiting, None, error)
            else:
                loop.call_soon_threadsafe(self._finished, waiting, found, None)

        try:
            self._pool.submit(job)
        except RuntimeError:
            raise RequestError("stopping", "the server is stopping. Try again in a second") from None
        self.under_way += 1
        return await waiting

    def _finished(self, waiting: asyncio.Future, found: Any, error: BaseException | None) -> None:
        # A request that gave up does not end its work: it counts until it is done.
        self.under_way -= 1
        if waiting.done():
            return
        if error is None:
            waiting.set_result(found)
        else:
            waiting.set_exception(error)

    def hold(self, size: int) -> None:
        """Count bytes of a body that are held. Raise RequestError where all bodies would be too many."""
        if self.held and self.held + size > self._limits.memory:
            raise RequestError("busy", "the server holds as many bytes as it can. Try again in a second")
        self.held += size

    def release(self, size: int) -> None:
        """Take bytes from the count that `hold` began."""
        self.held -= size

    def close(self) -> None:
        """Wait for the pictures that are under way, and end the threads."""
        self._pool.shutdown()
