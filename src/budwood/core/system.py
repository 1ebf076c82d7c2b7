"""What this machine offers: cores, versions of packages, whether a notebook shows the output."""

import math
import multiprocessing
import os
import platform
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from budwood._version import __version__


def usable_cores() -> list[int]:
    """Return the numbers of the cores that this process may run on, to pin others to."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def num_cores() -> int:
    """Return how many cores this process can keep busy: those it may run on, within a container's quota and, of
    the workers of a search of scikit-learn, within its share."""
    quota, share = cpu_quota(), worker_share()
    limits = [len(usable_cores()), *([math.ceil(quota)] if quota is not None else []), *filter(None, [share])]
    return max(1, min(limits))


def worker_share() -> int | None:
    """Return how many threads joblib gives this process, one of `n_jobs` workers; None where it is none."""
    if not multiprocessing.current_process().name.startswith("LokyProcess"):
        return None
    share = os.environ.get("OMP_NUM_THREADS", "")
    return int(share) if share.isdecimal() and int(share) else None


@cache
def cpu_quota(
    root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")
) -> float | None:
    """Return how many cores' time the control groups of this process allow; None where nothing limits it.

    A container that may use two of 64 cores is held to that by a quota, which the affinity does not show.
    """
    groups = _control_groups("cpu", root, membership)
    return min((quota for one in groups if (quota := _quota_of(one)) is not None), default=None)


def _control_groups(controller: str, root: Path, membership: Path) -> list[Path]:
    """Return the folders of the control groups of this process and of those that they lie in."""
    try:
        lines = [line.split(":", 2) for line in membership.read_text().splitlines()]
    except (OSError, UnicodeDecodeError):
        return []
    groups: list[Path] = []
    for _, controllers, path in (line for line in lines if len(line) == 3):
        if controllers and controller not in controllers.split(","):
            continue
        top = root / controllers if controllers else root
        folder = top / path.lstrip("/")
        # A group is held to the limits of those it lies in too; in a container the topmost is its own.
        groups += [folder, *(one for one in folder.parents if one == top or top in one.parents)]
    return groups


def _quota_of(group: Path) -> float | None:
    try:
        if (group / "cpu.max").is_file():
            allowed, period = (group / "cpu.max").read_text().split()
        else:
            allowed = (group / "cpu.cfs_quota_us").read_text()
            period = (group / "cpu.cfs_period_us").read_text()
        return float(allowed) / float(period) if float(allowed) > 0 else None
    # "max" stands for no limit.
    except (OSError, ValueError, ZeroDivisionError):
        return None


@dataclass(frozen=True)
class Machine:
    """The hardware and operating system of a process, without names of hosts and users."""

    system: str
    """Operating system, with its version."""
    processor: str
    cores: int
    """That this process can keep busy."""
    memory: int | None
    """In bytes, within a container's limit; None where the system does not say."""


def machine(
    cpuinfo: Path = Path("/proc/cpuinfo"),
    root: Path = Path("/sys/fs/cgroup"),
    membership: Path = Path("/proc/self/cgroup"),
) -> Machine:
    """Return what this process computes on."""
    return Machine(
        " ".join(filter(None, [platform.system(), platform.release(), platform.machine()])),
        _processor(cpuinfo),
        num_cores(),
        _memory(root, membership),
    )


def _processor(cpuinfo: Path) -> str:
    try:
        lines = cpuinfo.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def _memory(root: Path, membership: Path) -> int | None:
    try:
        found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (AttributeError, OSError, ValueError):
        return None
    for group in _control_groups("memory", root, membership):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):
                # "max" stands for no limit.
                found.append(int((group / name).read_text()))
    return min(found)


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
