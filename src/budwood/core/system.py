"""What this machine offers: cores, versions of packages, whether a notebook shows the output."""

import os
import platform
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from budwood._version import __version__
from budwood.core.cgroups import SELF, memory_limit
from budwood.core.threads import num_cores, usable_cores

__all__ = ["Machine", "in_notebook", "machine", "num_cores", "usable_cores", "versions"]


@dataclass(frozen=True)
class Machine:
    """The hardware and operating system of a process, without names of hosts and users."""

    system: str
    """Operating system, with its version."""
    processor: str
    cores: int
    """How many cores this process can keep busy."""
    memory: int | None
    """In bytes, within a container's limit; None where the system does not say."""


def machine(cpuinfo: Path = Path("/proc/cpuinfo"), process: Path = SELF) -> Machine:
    """Return what this process computes on."""
    return Machine(
        " ".join(filter(None, [platform.system(), platform.release(), platform.machine()])),
        _processor(cpuinfo),
        num_cores(),
        _memory(process),
    )


def _processor(cpuinfo: Path) -> str:
    try:
        lines = cpuinfo.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def _memory(process: Path) -> int | None:
    try:
        here = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
    limit = memory_limit(process)
    return here if limit is None else min(here, limit)


PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "openvino", "numpy", "scikit-learn", "pillow")


def versions() -> dict[str, str]:
    """Return the versions of Python, Budwood and the packages that decide the numbers."""
    found = {"python": platform.python_version(), "budwood": __version__}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def in_notebook() -> bool:
    """Return whether this runs in an IPython kernel, which shows HTML; a terminal's IPython does not."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = get_ipython() if get_ipython is not None else None
    return getattr(shell, "kernel", None) is not None
