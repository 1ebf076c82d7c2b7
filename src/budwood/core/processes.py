"""Processes that end with the one that started them, and hear Ctrl-C when they are ready for it."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType


def die_with_parent() -> None:
    """End this process with the one that started it, on Linux: what is left behind would still hold files and cores."""
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGTERM)


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Hold back Ctrl-C in the processes that this thread starts meanwhile, which a terminal interrupts too.

    Who is interrupted while it imports shows a trace. Who started them hears of it, and ends them; one that has
    something to put in order calls `hear_interrupts`.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
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

    For compiled code that calls Python and makes errors of its own of every exception: whoever tries something else
    where it fails would go on after Ctrl-C. Elsewhere than in the main thread no signal raises anything.
    """
    heard: list[tuple[int, FrameType | None]] = []
    handlers = {ending: signal.getsignal(ending) for ending in (signal.SIGINT, signal.SIGTERM)}
    if threading.current_thread() is not threading.main_thread():
        handlers = {}
    # What Python does not handle raises nothing in it.
    handlers = {ending: handler for ending, handler in handlers.items() if callable(handler)}
    for ending in handlers:
        signal.signal(ending, lambda *given: heard.append(given))
    try:
        yield
    finally:
        for ending, handler in handlers.items():
            signal.signal(ending, handler)
        for number, frame in heard[:1]:
            raises = handlers[signal.Signals(number)]
            assert callable(raises)
            raises(number, frame)
