"""Pairs of photos compared pixel by pixel, many of them in several processes: threads would wait for one another.

python -m budwood.features.overlays    for a pickled `_Share` on standard input; writes what it found to standard output
"""

import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

from threadpoolctl import threadpool_limits

from budwood.core.errors import ImageError
from budwood.core.processes import die_with_parent, interrupts_held_back
from budwood.core.threads import SETTING, num_cores
from budwood.data.image_ref import ImageFile, ImageSlice
from budwood.data.images import ImageLike, ValueRange
from budwood.data.overlay import Grey, Overlay, grey, overlay

A_PROCESS = 150
"""Pairs for which it pays to start a process."""
_AHEAD = 50
"""Pairs that this process compares while another one starts."""
_MOST = 8
"""Processes at most, each of which takes some 100 MB."""
_PATIENCE = 120.0
"""Seconds that another process may take longer than this one."""
_KEPT = 2_048
"""Decoded photos that a process keeps, of 64 kB each."""

Pairs = Sequence[tuple[ImageLike, ImageLike]]
Found = list[Overlay | None]


@dataclass(frozen=True)
class _Share:
    """Pairs that one process compares."""

    pairs: Pairs
    levels: ValueRange | None
    asked_by: int
    """The number of the process that waits for the answer."""


def overlays(pairs: Pairs, levels: ValueRange | None = None) -> Found:
    """Return how alike the two photos of each pair are; None where one of them cannot be decoded.

    Files are compared in as many processes as there are cores and pairs for, at most 8. The share of a process that
    fails is compared in this one.

    Args:
        pairs: pictures, as `decode` reads them.
        levels: black and white in pictures of more than 8 bits.
    """
    # A program that is packed or embeds Python has no interpreter to start; pictures in memory would have to be sent.
    apart = bool(sys.executable and not getattr(sys, "frozen", False)) and all(
        isinstance(image, Path | ImageFile | ImageSlice) for pair in pairs for image in pair
    )
    shares = _divided(pairs, min(num_cores(), _MOST, len(pairs) // A_PROCESS) if apart else 1)
    with ExitStack() as stack:
        others = [(share, _begun(share, levels, stack)) for share in shares[1:]]
        found = _compared(shares[0], levels)
        for share, process in others:
            theirs = process.found() if process else None
            found += _compared(share, levels) if theirs is None else theirs
    return found


def _divided(pairs: Pairs, processes: int) -> list[Pairs]:
    """Return the share of each process; the first one, this process's own, is the longest."""
    if processes < 2:
        return [pairs]
    others = (len(pairs) - _AHEAD) // processes
    own = len(pairs) - others * (processes - 1)
    return [pairs[:own], *(pairs[start : start + others] for start in range(own, len(pairs), others))]


def _compared(pairs: Pairs, levels: ValueRange | None) -> Found:
    """Return how alike the photos of each pair are, compared in this process."""
    images: dict[int, ImageLike] = {id(image): image for pair in pairs for image in pair}

    @lru_cache(maxsize=_KEPT)
    def pixels(key: int) -> Grey:
        return grey(images[key], levels)

    def compared(one: ImageLike, other: ImageLike) -> Overlay | None:
        try:
            return overlay(pixels(id(one)), pixels(id(other)))
        except ImageError:  # gone since its features were stored
            return None

    # Threads within the small products of a pair would wait for one another.
    with threadpool_limits(1):
        return [compared(one, other) for one, other in pairs]


def _begun(pairs: Pairs, levels: ValueRange | None, stack: ExitStack) -> "_Process | None":
    """Return a process that compares pairs, which ends with the stack; None where the machine can start none."""
    try:
        return stack.enter_context(_Process(_Share(pairs, levels, os.getpid())))
    except OSError:
        return None


class _Process:
    """A process that compares a share of the pairs, and is ended when the context is left."""

    def __init__(self, share: _Share):
        command = [sys.executable, "-P", "-m", "budwood.features.overlays"]
        environment = {**os.environ, SETTING: "1", "OPENBLAS_NUM_THREADS": "1"}
        # Files, which take any amount: neither process waits for the other to read.
        self._answer: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._process: subprocess.Popen[bytes] | None = None
        try:
            with tempfile.TemporaryFile() as asked:
                pickle.dump(share, asked)
                asked.seek(0)
                with interrupts_held_back():
                    self._process = subprocess.Popen(
                        command, stdin=asked, stdout=self._answer, stderr=subprocess.DEVNULL, env=environment
                    )
        except BaseException:
            self._end()
            raise

    def found(self) -> Found | None:
        """Wait for the process and return what it found; None where it failed, or takes far too long."""
        assert self._process is not None, "it was started"
        try:
            if self._process.wait(_PATIENCE) != 0:
                return None
            self._answer.seek(0)
            return pickle.load(self._answer)
        except Exception:
            # Something else was written in place of an answer, by a start-up file of Python, say.
            return None

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._answer.close()

    def __enter__(self) -> "_Process":
        return self

    def __exit__(self, *error: object) -> None:
        self._end()


def main() -> None:
    """Compare one share of the pairs."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    share = pickle.load(sys.stdin.buffer)
    if sys.platform == "linux" and os.getppid() != share.asked_by:
        sys.exit(1)  # it ended while this one was starting
    pickle.dump(_compared(share.pairs, share.levels), sys.stdout.buffer)


if __name__ == "__main__":
    main()
