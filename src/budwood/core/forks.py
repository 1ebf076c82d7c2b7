"""What a forked process may go on with: locks that no thread of its own holds, and no TensorFlow that had begun."""

import os
import sys
import threading
import weakref
from typing import Any

from budwood.core.errors import SettingError


class Lock:
    """A lock that is free in a forked process, whatever a thread of the first one did at that moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        _locks.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *failure: Any) -> None:
        self._lock.release()

    def free(self) -> None:
        """Forget who holds it."""
        self._lock = threading.Lock()


_locks: "weakref.WeakSet[Lock]" = weakref.WeakSet()
_tensorflow_was_running = False


def refuse_lost_tensorflow() -> None:
    """Raise SettingError in a process that was forked after TensorFlow began to compute: it would wait forever for
    threads that stayed behind."""
    if _tensorflow_was_running:
        raise SettingError(
            "TensorFlow does not outlive a fork, and it had begun to compute when this process was forked. Start "
            'processes by "spawn" or "forkserver" (multiprocessing.set_start_method), servers without --preload, or '
            "load the run in each process"
        )


def tensorflow_runs() -> bool:
    """Return whether TensorFlow has begun to compute in this process; one that was only imported has not."""
    context = getattr(sys.modules.get("tensorflow.python.eager.context"), "_context", None)
    return bool(getattr(context, "_initialized", False))


def _in_child() -> None:
    global _tensorflow_was_running
    _tensorflow_was_running = _tensorflow_was_running or tensorflow_runs()
    for lock in list(_locks):
        lock.free()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
