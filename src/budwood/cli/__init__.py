"""The command line: `budwood.cli.commands` has the commands, this module what the installed command calls."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

INTERRUPTED = b"budwood: error: interrupted; nothing was begun: give the same command again\n"


def main() -> None:
    """Run the `budwood` command. Exit status 0; 1 for what went wrong; 2 for a wrong command; 130 for
    Ctrl-C."""
    with quit_when_interrupted():
        from budwood.cli.commands import app
        from budwood.cli.errors import run_command
    run_command(app)


@contextmanager
def quit_when_interrupted() -> Iterator[None]:
    """End the process at Ctrl-C, with one sentence and status 130, while modules are imported and nothing is computed.

    A KeyboardInterrupt in the middle of an import comes out of it as a trace, or as an error of another kind.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def quit_now(*given: Any) -> None:
        os.write(2, INTERRUPTED)
        os._exit(130)

    before = signal.signal(signal.SIGINT, quit_now)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
