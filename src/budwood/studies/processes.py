"""What the processes of a study have in common: they end with their parent, and keep to their cores."""

import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress


def die_with_parent() -> None:
    """End this process with the one that started it: trainings left behind would still hold their directories."""
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def stay_on(cores: list[int]) -> None:
    """Keep this process, and every thread that it will start, on some of the cores, where the system can."""
    if cores and hasattr(os, "sched_setaffinity"):
        with suppress(OSError):
            os.sched_setaffinity(0, cores)


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for a process of a trial: none of TensorFlow's chatter."""
    return {**base, "TF_CPP_MIN_LOG_LEVEL": base.get("TF_CPP_MIN_LOG_LEVEL", "3")}
