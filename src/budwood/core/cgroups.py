"""The control groups of this process: what a container, a service or a batch system lets it use, version 1 or 2."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

SELF = Path("/proc/self")


@cache
def cpu_quota(process: Path = SELF) -> float | None:
    """Return how many cores' time the control groups of this process allow; None where nothing limits it.

    A container that may use two of 64 cores is held to that by a quota, which the affinity does not show.
    """
    quotas = (_quota_of(group) for group in control_groups("cpu", process))
    return min((quota for quota in quotas if quota is not None), default=None)


def memory_limit(process: Path = SELF) -> int | None:
    """Return how many bytes of memory they allow; None where nothing limits it."""
    found = []
    for group in control_groups("memory", process):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):
                # "max" stands for no limit.
                found.append(int((group / name).read_text()))
    return min(found, default=None)


def control_groups(controller: str, process: Path = SELF) -> list[Path]:
    """Return the folders of the control groups of this process and of those that they lie in, whose limits hold too.

    Args:
        controller: "cpu" or "memory".
        process: the folder of a process below /proc.
    """
    try:
        mounts = [mount for line in _lines(process / "mountinfo") for mount in _mounts(line)]
        memberships = [line.split(":", 2) for line in _lines(process / "cgroup")]
    except OSError:
        return []
    groups: list[Path] = []
    for number, controllers, path in (one for one in memberships if len(one) == 3):
        # Version 2 is number 0 and names no controllers.
        unified = number == "0" and not controllers
        if unified or controller in controllers.split(","):
            fitting = [one for one in mounts if one.unified == unified and (unified or one.has(controller))]
            groups += [group for mount in fitting for group in _up_to(mount, path)]
    return groups


@dataclass(frozen=True)
class _Mount:
    """A mounted hierarchy of control groups, as a line of /proc/self/mountinfo describes it."""

    folder: Path
    root: PurePosixPath
    """Which group that folder is."""
    unified: bool
    """Whether it is the single hierarchy of control groups version 2."""
    options: tuple[str, ...]

    def has(self, controller: str) -> bool:
        return controller in self.options


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()


def _mounts(line: str) -> Iterator[_Mount]:
    place, separator, kind = line.partition(" - ")
    fields, kinds = place.split(" "), kind.split(" ")
    if separator and len(fields) > 4 and kinds[0] in ("cgroup", "cgroup2"):
        root, folder = (_unescaped(field) for field in fields[3:5])
        options = tuple(kinds[-1].split(","))
        yield _Mount(Path(folder), PurePosixPath(root), kinds[0] == "cgroup2", options)


def _unescaped(field: str) -> str:
    """Return a field of mountinfo, where spaces stand as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)


def _up_to(mount: _Mount, path: str) -> list[Path]:
    """Return the folder of a group and those above it that a mount shows; the topmost alone where it shows others."""
    inside = PurePosixPath(path)
    below = inside.relative_to(mount.root).parts if inside.is_relative_to(mount.root) else ()
    if ".." in below:
        below = ()
    return [mount.folder.joinpath(*below[:depth]) for depth in range(len(below), -1, -1)]


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
