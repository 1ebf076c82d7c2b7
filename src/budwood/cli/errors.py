"""How a command meets the terminal: one line for an error, an exit status, and nothing of other libraries' chatter."""

import io
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

from budwood.cli.start import ENDINGS
from budwood.core.errors import BudwoodError, CacheWarning, DataError, Terminated
from budwood.core.text import shown


def run_command(app: typer.Typer) -> None:
    """Run the command that `sys.argv` gives and exit with its status; `--debug` anywhere shows tracebacks."""
    given = sys.argv[1:]
    arguments = [argument for argument in given if argument != "--debug"]
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A class name that the terminal cannot show is no reason to stop.
        sys.stdout.reconfigure(errors="backslashreplace")
    warnings.showwarning = _showing_ours(warnings.showwarning)
    command = typer.main.get_command(app)
    with _endings() as heard:
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
            ended = heard[0] if heard else error
            # Compiled code makes errors of its own of it.
            for note in getattr(error, "__notes__", []) if ended is not error else []:
                ended.add_note(note)
            status = _complain(ended, resumes=_can_resume(command, arguments))
    sys.exit(status)


@contextmanager
def _endings() -> Iterator[list[KeyboardInterrupt]]:
    """Raise KeyboardInterrupt at Ctrl-C and `Terminated` at SIGTERM. Yield a list that holds it once it was raised,
    whatever became of it."""
    heard: list[KeyboardInterrupt] = []

    def hear(number: int, frame: object) -> None:
        heard.append(Terminated() if number == signal.SIGTERM else KeyboardInterrupt())
        raise heard[-1]

    if threading.current_thread() is not threading.main_thread():
        yield heard
        return
    unraisable = sys.unraisablehook

    def lost(what: "sys.UnraisableHookArgs") -> None:
        """Raise once more, in a moment, what was raised where Python cannot hand it on, such as in a `__del__`."""
        if heard and what.exc_value is heard[-1]:
            number = signal.SIGTERM if isinstance(heard[-1], Terminated) else signal.SIGINT
            again = threading.Timer(0.05, _raise_in_main_thread, (number,))
            again.daemon = True
            again.start()
        else:
            unraisable(what)

    before = {number: signal.signal(number, hear) for number in ENDINGS}
    sys.unraisablehook = lost
    try:
        yield heard
    finally:
        sys.unraisablehook = unraisable
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _raise_in_main_thread(number: int) -> None:
    """Raise a signal so that it ends what the main thread waits for, where the system can."""
    main = threading.main_thread().ident
    if main is not None and hasattr(signal, "pthread_kill"):
        signal.pthread_kill(main, number)
    else:
        signal.raise_signal(number)


def _showing_ours(others: Callable[..., None]) -> Callable[..., None]:
    """Return what shows a warning of a lost cache as one line, and `others` as they are shown."""

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, CacheWarning):
            print(shown(f"budwood: {message}"), file=sys.stderr)
        else:
            others(message, category, *where, **more)

    return show


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
    """Return whether the command that was given leaves something to go on from: whether it has an option --resume, and
    was not asked to show alone what it would do. A training within minutes says itself how it is gone on with."""
    if any(word.partition("=")[0] in ("--dry-run", "--minutes") for word in arguments):
        return False
    given = getattr(command, "commands", {}).get(next((word for word in arguments if word[:1] != "-"), ""))
    return any("--resume" in option.opts for option in getattr(given, "params", ()))


def _complain(error: BaseException, resumes: bool = False) -> int:
    """Print one line; return the exit status."""
    status = 1
    if isinstance(error, KeyboardInterrupt):
        ending = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
        line, status = ENDINGS[ending], 128 + ending
        if notes := getattr(error, "__notes__", []):
            line += f"; {notes[0]}"
        elif resumes:
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
