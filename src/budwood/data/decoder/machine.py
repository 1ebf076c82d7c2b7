"""Faults of the machine, which are tried again and then raised: they say nothing about the picture in hand."""

import errno
import functools
import os
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from budwood.core.errors import MachineError

WAITS = (0.05, 0.5)
"""Seconds before the second and the third try."""
_FAULTS = {
    getattr(errno, name)
    for name in (
        *("EIO", "ESTALE", "EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "EAGAIN", "EINTR", "EBUSY", "ETIMEDOUT"),
        *(
            "ENODEV",
            "ENXIO",
            "EREMOTEIO",
            "EHOSTDOWN",
            "EHOSTUNREACH",
            "ENETDOWN",
            "ENETUNREACH",
            "ENETRESET",
        ),
        *("ECONNRESET", "ECONNABORTED", "ECONNREFUSED", "ENOTCONN", "ENOLINK", "ESHUTDOWN"),
    )
    if hasattr(errno, name)
}
_OPEN_FILES = {errno.EMFILE, errno.ENFILE}

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def is_machine_fault(error: BaseException) -> bool:
    """Return whether an exception tells of the machine, such as lack of memory or a failing disk.

    >>> is_machine_fault(OSError(errno.EIO, "")), is_machine_fault(OSError("cut short"))
    (True, False)
    """
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _FAULTS)


def tried_again(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Call a function again where the machine failed it, and raise MachineError where it fails for good."""

    @functools.wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        for wait in (*WAITS, None):
            try:
                return function(*args, **kwargs)
            except (MemoryError, OSError) as error:
                if not is_machine_fault(error):
                    raise
                if wait is None:
                    raise MachineError(_in_words(error, args[0] if args else None)) from error
                time.sleep(wait)
        raise AssertionError

    return call


def _in_words(error: MemoryError | OSError, image: object) -> str:
    what = os.fspath(image) if isinstance(image, str | os.PathLike) else getattr(image, "name", "")
    what = what or "a picture"
    again = f"It was tried {len(WAITS) + 1} times, and says nothing about the picture"
    if isinstance(error, MemoryError) or error.errno == errno.ENOMEM:
        return (
            f"there is not enough memory to decode {what}. {again}. Close other programs, or lower the environment "
            "variable BUDWOOD_MAX_PIXELS, which leaves out larger pictures"
        )
    if error.errno in _OPEN_FILES:
        return (
            f"{what} cannot be opened: {error.strerror}. {again}. Close other programs, or raise `ulimit -n`"
        )
    return (
        f"{what} cannot be read: {error.strerror}. {again}. Look at the disk or the network from which it comes, "
        "then start again"
    )
