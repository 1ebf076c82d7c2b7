"""What a process of a node has from the driver: its settings, its folder, and a number of threads."""

import os
from collections.abc import Mapping
from contextlib import suppress

from budwood.core.cache import SETTING as CACHE
from budwood.core.cache import cache_dir
from budwood.core.threads import SETTING as THREADS

FOLDER = "PWD"


def settings() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if name.startswith("BUDWOOD_")}
    own.pop(THREADS, None)
    return {**own, CACHE: str(cache_dir().absolute()), FOLDER: os.getcwd()}


def enter(settings: Mapping[str, str], threads: int) -> None:
    """Have this process of a node compute as the driver would: with its settings, and so many threads."""
    # Ray's own idea of it, which no process on one machine has.
    os.environ.pop("OMP_NUM_THREADS", None)
    for name in [name for name in os.environ if name.startswith("BUDWOOD_")]:
        del os.environ[name]
    os.environ.update({**settings, THREADS: str(threads)})
    # Paths of the driver may be relative.
    with suppress(OSError):
        os.chdir(settings[FOLDER])
