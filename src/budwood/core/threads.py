"""How many threads this process starts: the one number that decoding, inference and training go by."""

import math
import os
import sys
from dataclasses import dataclass

from budwood.core.cgroups import cpu_quota
from budwood.core.errors import SettingError

SETTING = "BUDWOOD_THREADS"
MOST = 1024
LIBRARIES = ("OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
"""Variables that libraries read when they are loaded, which count the cores themselves and know of no quota."""


@dataclass(frozen=True)
class Cores:
    """The limits on the threads of this process."""

    usable: int
    """Cores that it may run on."""
    quota: float | None
    """CPU quota of its control groups, in cores; None without one."""
    share: int | None
    """Threads that joblib allows this process where it is one of several workers; None elsewhere."""
    asked: int | None
    """Threads by the variable `BUDWOOD_THREADS`; None where it is not set."""

    @property
    def threads(self) -> int:
        """Return the number of threads."""
        quota = [] if self.quota is None else [math.ceil(self.quota)]
        here = self.asked or min([self.usable, *quota])
        return max(1, min([here, *([self.share] if self.share else [])]))


def cores() -> Cores:
    """Return the limits on the threads of this process. Raise SettingError for a bad `BUDWOOD_THREADS`."""
    return Cores(len(usable_cores()), cpu_quota(), worker_share(), asked_threads())


def num_cores() -> int:
    """Return how many threads this process is to start: as many as it can keep busy, or what `BUDWOOD_THREADS` says.

    It can keep busy the cores that it may run on, within the quota of its container and, of the workers of a search of
    scikit-learn, within its share.

    Raises:
        SettingError: `BUDWOOD_THREADS` is no such number.
    """
    return cores().threads


def usable_cores() -> list[int]:
    """Return the numbers of the cores that this process may run on, to pin others to."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def asked_threads() -> int | None:
    """Return what `BUDWOOD_THREADS` says, None where it is not set. Raise SettingError for anything but a number."""
    value = os.environ.get(SETTING, "").strip()
    if not value:
        return None
    if not (value.isascii() and value.isdecimal() and 1 <= int(value) <= MOST):
        raise SettingError(
            f"{SETTING}={value!r} is no number of threads. Give a whole one from 1 to {MOST}, or unset it for as many "
            "as there are cores"
        )
    return int(value)


def worker_share() -> int | None:
    """Return how many threads joblib gives this process, one of `n_jobs` workers; None where it is none."""
    # What has not been imported has started no process.
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is None or not multiprocessing.current_process().name.startswith("LokyProcess"):
        return None
    share = os.environ.get("OMP_NUM_THREADS", "")
    return int(share) if share.isdecimal() and int(share) else None


def limit_libraries() -> None:
    """Have libraries that are loaded from now on start no more threads than this process, where they would.

    What a user has set stays; a setting that is wrong is told of where threads are first started.
    """
    try:
        found = cores()
    except SettingError:
        return
    if found.threads != found.usable:
        for name in LIBRARIES:
            os.environ.setdefault(name, str(found.threads))
