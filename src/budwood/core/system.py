"""What this machine offers: cores, versions of packages, whether a notebook shows the output."""

import os
import platform
import sys
from importlib import metadata

from budwood._version import __version__


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cores_here() -> list[int]:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "openvino", "numpy", "scikit-learn", "pillow")


def versions() -> dict[str, str]:
    """Versions of Python, Budwood and the packages that decide the numbers."""
    found = {"python": platform.python_version(), "budwood": __version__}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def in_notebook() -> bool:
    """Whether this runs in an IPython kernel, which has somebody to show HTML to; a terminal's IPython has not."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = get_ipython() if get_ipython is not None else None
    return getattr(shell, "kernel", None) is not None
