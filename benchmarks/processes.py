"""Whole commands, each in a process of its own: wall-clock seconds and peak memory."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Cost:
    """What one process cost."""

    seconds: float
    peak_bytes: int


def run(command: Sequence[str], environment: dict[str, str] | None = None) -> Cost:
    """Runs a command to its end. Raises SystemExit with its output when it fails.

    Modules are kept compiled, whatever the environment says: to compile those of TensorFlow anew takes each process
    five seconds.
    """
    variables = {**os.environ, **(environment or {})}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    started = time.perf_counter()
    with subprocess.Popen(
        command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None, "a pipe was asked for"
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{output.decode(errors='replace')}")
    # Linux counts in KiB, macOS in bytes.
    return Cost(seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def python(module: str, *arguments: object, environment: dict[str, str] | None = None) -> Cost:
    """Runs `python -m module arguments`."""
    _compile_once()
    return run([sys.executable, "-m", module, *map(str, arguments)], environment)


@cache
def _compile_once() -> None:
    """Have the modules of both sides compiled before anything is timed."""
    run([sys.executable, "-c", "import budwood.pipeline.train"])
