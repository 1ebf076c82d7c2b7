"""Progress as plain lines, for logs and pipes."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

from budwood.core.progress.base import Counted, Stage, Steps


class _PlainStage(Counted):
    """Prints a line at most every ten seconds, so that a log file stays readable."""

    interval = 10.0

    def __init__(self, name: str, total: int | None, unit: str, stream: Any):
        super().__init__(name, total, unit)
        self.stream = stream
        self.printed = self.started

    def advance(self, steps: int = 1) -> None:
        now = time.monotonic()
        self.count(steps, now)
        if now - self.printed >= self.interval and self.has_rate(now):
            self.printed = now
            _print(self.under_way(now), self.stream)

    def finish(self) -> None:
        _print(self.ended(time.monotonic()), self.stream)


class Plain:
    """Prints one line when a stage ends and one every ten seconds."""

    def __init__(self, stream: Any = None):
        self.stream = stream or sys.stderr
        self._steps = Steps()

    def announce(self, steps: Sequence[str], *, begun: bool = False) -> None:
        self._steps.announce(steps, begun=begun)

    def step(self, name: str) -> AbstractContextManager[None]:
        return self._steps.under_way(name)

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "photos") -> Iterator[Stage]:
        stage = _PlainStage(self._steps.label(name), total, unit, self.stream)
        yield stage
        stage.finish()

    def say(self, line: str) -> None:
        _print(line, self.stream)


def _print(line: str, stream: Any) -> None:
    # A log whose disk is full, or a terminal that is gone, is no reason to end a training.
    with suppress(OSError):
        print(line, file=stream, flush=True)
