"""A run that takes the place of a complete one: written beside it, and exchanged with it when it is complete itself.

Who reads the directory meanwhile finds one whole run or the other, and a training that is killed leaves the old one.
"""

import ctypes
import os
import shutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from budwood.core.errors import RunError

INNER, PREVIOUS = ".next", ".previous"
"""In a directory beside which nothing can be made: where the new run is written, and where the complete one waits for
the moment in which it is replaced."""


def place_beside(folder: Path) -> Path:
    """Return where a run is written that is to replace the one in a folder.

    It is a hidden folder beside it; or one within it, where the folder is a mount point, such as a volume of a
    container, lies in one that cannot be written, or is the one in which this process works.
    """
    real = folder.resolve()
    stays = os.path.ismount(real) or Path.cwd().is_relative_to(real)
    if stays or not os.access(real.parent, os.W_OK | os.X_OK):
        return real / INNER
    return real.with_name(f".{real.name}{INNER}")


def put_in_place(new: Path, folder: Path, names: Iterable[str]) -> None:
    """Put a complete run in the place of the one in a folder, and remove that.

    Hidden files that are none of ours stay in the folder.

    Args:
        new: as `place_beside` gave it.
        folder: of the complete run.
        names: the files and folders that may be part of a run.

    Raises:
        RunError: the system does not let it; both runs are where they were.
    """
    real = folder.resolve()
    try:
        if new.parent == real:
            _move_into(new, real, list(names))
            return
        old = exchange(new, real)
    except OSError as error:
        raise RunError(
            f"the new run is complete, but cannot take the place of the one in {folder}: {error.strerror or error}. "
            f"It is in {new}: close what uses {folder} and move it there"
        ) from error
    for path in old.iterdir():
        if path.name.startswith(".") and path.name not in (INNER, PREVIOUS):
            with suppress(OSError):
                path.rename(real / path.name)
    shutil.rmtree(old, ignore_errors=True)


def bring_back(folder: Path, names: Iterable[str]) -> None:
    """Bring back a complete run that was moved out of the way when a training was killed at that moment."""
    real = folder.resolve()
    old = _moved_away(real)
    if old.is_dir() and not real.exists():
        old.rename(real)
    previous = real / PREVIOUS
    if previous.is_dir():
        remove(real, names)
        _move(previous, real, names)
        shutil.rmtree(previous, ignore_errors=True)


def remove(folder: Path, names: Iterable[str], keep: Iterable[str] = ()) -> None:
    """Remove what may be part of a run from a folder, but for what is to be kept."""
    for name in set(names) - set(keep):
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _move_into(new: Path, folder: Path, names: list[str]) -> None:
    previous = folder / PREVIOUS
    previous.mkdir(exist_ok=True)
    try:
        _move(folder, previous, names)
        _move(new, folder, names)
    except BaseException:
        _move(folder, new, [name for name in names if not (new / name).exists()])
        _move(previous, folder, names)
        previous.rmdir()
        raise
    shutil.rmtree(previous, ignore_errors=True)
    shutil.rmtree(new, ignore_errors=True)


def _move(source: Path, target: Path, names: Iterable[str]) -> None:
    # run.json goes first and comes last: what has none is no run to anybody who looks meanwhile.
    there = [name for name in names if (source / name).exists()]
    for name in sorted(there, key=lambda name: (name == "run.json") == source.name.startswith(".")):
        (source / name).rename(target / name)


def exchange(new: Path, folder: Path) -> Path:
    """Give two folders each other's names; return where the one that was in the place lies now.

    Raise OSError where the system does not let it; both are where they were.
    """
    if _exchange_at_once(new, folder):
        return new
    old = _moved_away(folder)
    shutil.rmtree(old, ignore_errors=True)
    folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    return old


def _moved_away(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}{PREVIOUS}")


def _exchange_at_once(new: Path, folder: Path) -> bool:
    """Exchange two folders in one step, so that there is no moment without; return whether the system can."""
    if sys.platform != "linux":
        return False
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    here, exchanged = -100, 2
    return renameat2(here, os.fsencode(new), here, os.fsencode(folder), exchanged) == 0
