"""Processes that end with the one that started them, and hear Ctrl-C when they are ready for it."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


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
