"""Processes that end with the one that started them, and hear Ctrl-C when they are ready for it."""

import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any


def die_with_parent() -> None:
    """End this process with the one that started it, on Linux: what is left behind would still hold files and cores."""
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGTERM)


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Hold back Ctrl-C in the processes that this thread starts meanwhile, which a terminal interrupts too.

    A process that is interrupted while it imports prints a traceback. The one that started them hears of Ctrl-C and
    ends them; a process that has something to put in order calls `hear_interrupts`.
    """
    with _held_back([signal.SIGINT]):
        yield


@contextmanager
def _held_back(numbers: Iterable[int]) -> Iterator[None]:
    """Hold back signals in this thread, where the system can."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def hear_interrupts() -> None:
    """Have Ctrl-C raise KeyboardInterrupt in this process from now on, also one that came before."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Have Ctrl-C and SIGTERM raise what they raise at the end of the context, and not within.

    For compiled code that calls Python and turns every exception into an error of its own. A caller that has another
    way for such an error would take it after Ctrl-C too. In other threads than the main one signals raise nothing.
    """
    heard: list[tuple[int, FrameType | None]] = []
    handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}
    if threading.current_thread() is threading.main_thread():
        for ending in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(ending)
            # What Python does not handle raises nothing in it.
            if callable(handler):
                handlers[ending] = handler
    try:
        for number in handlers:
            signal.signal(number, lambda *given: heard.append(given))
        yield
    finally:
        with _held_back(handlers):
            for number, before in handlers.items():
                signal.signal(number, before)
        for number, frame in heard[:1]:
            handlers[number](number, frame)
