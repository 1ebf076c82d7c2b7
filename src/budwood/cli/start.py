"""What a command does before anything else is imported: its standard streams, and what ends it meanwhile."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_begun = [time.monotonic()]
ENDINGS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
"""Signals at which a command puts things in order and ends with status 128 and their number."""


def begin() -> None:
    """Remember that a command is given now. One process may be given several, one after another."""
    _begun[0] = time.monotonic()


def begun() -> float:
    """Return when the command was given, as `time.monotonic` counts."""
    return _begun[0]


def open_missing_streams() -> None:
    """Put the null device where this process was started without a standard stream, as services may be.

    Python prints to standard output what is meant for a standard error that is not there, and the next file that is
    opened takes its number: what compiled code complains of would be written into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free.
            os.open(os.devnull, os.O_RDWR)
        if number and sys.platform != "win32" and not _can_be_written(number):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115


def _can_be_written(number: int) -> bool:
    import fcntl

    return fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY


@contextmanager
def quit_when_ended() -> Iterator[None]:
    """End the process at Ctrl-C or SIGTERM, with one sentence, while modules are imported and nothing is computed.

    A KeyboardInterrupt in the middle of an import comes out of it as a trace, or as an error of another kind.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def quit_now(number: int, *given: Any) -> None:
        word = ENDINGS[signal.Signals(number)]
        os.write(2, f"budwood: error: {word}; nothing was begun: give the same command again\n".encode())
        os._exit(128 + number)

    before = {number: signal.signal(number, quit_now) for number in ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
