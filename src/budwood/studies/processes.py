"""What the processes of a study have in common: they end with their parent, silently, and keep to their cores."""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from budwood.core.errors import Terminated
from budwood.core.processes import interrupts_held_back
from budwood.core.threads import LIBRARIES, SETTING

SECONDS_TO_END = 5.0
"""That a process has which was interrupted."""


def run_to_its_end(command: list[str], **options: Any) -> int:
    """Run a process and return its status. At Ctrl-C, of which it hears too, it has a while to end by itself."""
    with interrupts_held_back():
        process = subprocess.Popen(command, **options)
    try:
        return process.wait()
    except BaseException as error:
        if isinstance(error, Terminated):
            # The terminal sends Ctrl-C to both; who ends a service may send SIGTERM to the first process alone.
            process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS_TO_END)
        raise
    finally:
        process.kill()
        process.wait()


def stay_on(cores: list[int]) -> None:
    """Keep this process, and every thread that it will start, on some of the cores, where the system can."""
    if cores and hasattr(os, "sched_setaffinity"):
        with suppress(OSError):
            os.sched_setaffinity(0, cores)


def environment(base: Mapping[str, str], threads: int | None = None) -> dict[str, str]:
    """Return the variables for a process of a trial: none of TensorFlow's chatter, and no more threads than its share.

    Its cores tell it that, but for a quota or a number of threads that all trials have together.
    """
    own = {**base, "TF_CPP_MIN_LOG_LEVEL": base.get("TF_CPP_MIN_LOG_LEVEL", "3")}
    if threads is not None:
        own |= {name: str(threads) for name in (SETTING, *LIBRARIES) if name == SETTING or name in base}
    return own
