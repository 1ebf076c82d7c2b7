"""How a command meets the terminal: one line for an error, an exit status, and nothing of other libraries' chatter."""

import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from budwood.core.errors import BudwoodError, DataError
from budwood.core.text import shown


def run_command(app: typer.Typer) -> None:
    """Run the command that `sys.argv` gives and exit with its status; `--debug` anywhere shows tracebacks."""
    given = sys.argv[1:]
    arguments = [argument for argument in given if argument != "--debug"]
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A class name that the terminal cannot show is no reason to stop.
        sys.stdout.reconfigure(errors="backslashreplace")
    command = typer.main.get_command(app)
    with _interrupts() as heard:
        try:
            status = _run(command, arguments or ["--help"])
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read the output has seen enough; Python would complain when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            status = 141
        except (KeyboardInterrupt, Exception) as error:
            if len(arguments) < len(given):
                traceback.print_exception(error)
            # Compiled code makes errors of its own of it.
            cause = KeyboardInterrupt() if heard else error
            status = _complain(cause, resumes=_can_resume(command, arguments))
    sys.exit(status)


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Yield a list that holds something once Ctrl-C was heard, whatever became of its KeyboardInterrupt."""
    heard: list[int] = []

    def hear(number: int, frame: object) -> None:
        heard.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield heard
        return
    before = signal.signal(signal.SIGINT, hear)
    try:
        yield heard
    finally:
        signal.signal(signal.SIGINT, before)


def _run(command: Any, arguments: list[str]) -> int:
    # Not `app(...)`, which swallows Ctrl-C and prints usage errors in several lines.
    try:
        with command.make_context("budwood", arguments) as context:
            command.invoke(context)
    except typer.Exit as exit_:
        return exit_.exit_code
    except typer.Abort:
        raise KeyboardInterrupt from None
    return 0


def _can_resume(command: Any, arguments: list[str]) -> bool:
    """Return whether the command that was given has an option --resume."""
    given = getattr(command, "commands", {}).get(next((word for word in arguments if word[:1] != "-"), ""))
    return any("--resume" in option.opts for option in getattr(given, "params", ()))


def _complain(error: BaseException, resumes: bool = False) -> int:
    """Print one line; return the exit status."""
    status = 1
    if isinstance(error, KeyboardInterrupt):
        line, status = "interrupted", 130
        if resumes:
            line += "; what was computed so far is kept: the same command with --resume goes on from there"
        else:
            line += "; there is nothing to resume: give the same command again"
    elif isinstance(error, BudwoodError):
        line = str(error)
    elif hasattr(error, "format_message"):  # Typer's, which has changed its classes of error
        context = getattr(error, "ctx", None)
        line = " ".join(error.format_message().split())
        line += f" (see {context.command_path if context else 'budwood'} --help)"
        status = getattr(error, "exit_code", 2)
    elif isinstance(error, OSError) and error.strerror:
        line = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    else:
        first = (str(error).strip().splitlines() or [""])[0]
        line = f"unexpected {type(error).__name__}: {first}; run with --debug to see where"
    # Several ways to read a folder stand in lines of their own.
    lines = line.splitlines() if isinstance(error, DataError) else [line]
    print("\n".join(shown(one) for one in [f"budwood: error: {lines[0]}", *lines[1:]]), file=sys.stderr)
    return status
