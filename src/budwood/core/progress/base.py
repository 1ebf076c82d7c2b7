"""How a long piece of work tells what it is doing: bars in a terminal, plain lines elsewhere, or nothing.

In a notebook it is one live display: `live.py`.

Every long function takes `progress` and opens a stage in it:

>>> with SILENT.stage("features", total=3) as stage:
...     stage.advance()
"""

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Stage(Protocol):
    """One long piece of work under way."""

    def advance(self, steps: int = 1) -> None: ...


@runtime_checkable
class Progress(Protocol):
    """Opens stages and prints lines."""

    def stage(
        self, name: str, total: int | None = None, unit: str = "photos"
    ) -> AbstractContextManager[Stage]: ...

    def say(self, line: str) -> None: ...


class _NoStage:
    def advance(self, steps: int = 1) -> None:
        pass


class Silent:
    """Says nothing."""

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "photos") -> Iterator[Stage]:
        yield _NoStage()

    def say(self, line: str) -> None:
        pass


SILENT = Silent()


class Counted:
    """A stage's steps so far, and what they say of its rate and the time left."""

    def __init__(self, name: str, total: int | None, unit: str):
        self.name, self.total, self.unit = name, total, unit
        self.done = self.first = 0
        self.started = time.monotonic()

    def count(self, steps: int, now: float) -> None:
        if not self.done:
            # What went before the first step, such as starting an engine, says nothing of the rate.
            self.started_stepping, self.first = now, steps
        self.done += steps

    def under_way(self, now: float) -> str:
        if not self.done:
            return self.name
        rate = (self.done - self.first) / max(now - self.started_stepping, 1e-9)
        text = f"{self.name}: {self.done}"
        if self.total is not None:
            text += f" of {self.total} {self.unit}, {rate:.0f}/s"
            text += f", {(self.total - self.done) / max(rate, 1e-9):.0f} s left"
        else:
            text += f" {self.unit}, {rate:.0f}/s"
        return text

    def ended(self, now: float) -> str:
        text = f"{self.name}: done in {now - self.started:.1f} s"
        return text + f" ({self.done} {self.unit})" if self.done else text


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
        if now - self.printed >= self.interval and self.done > self.first:
            self.printed = now
            print(self.under_way(now), file=self.stream, flush=True)

    def finish(self) -> None:
        print(self.ended(time.monotonic()), file=self.stream, flush=True)


class Plain:
    """One line when a stage ends and one every ten seconds: for logs and pipes."""

    def __init__(self, stream: Any = None):
        self.stream = stream or sys.stderr

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "photos") -> Iterator[Stage]:
        stage = _PlainStage(name, total, unit, self.stream)
        yield stage
        stage.finish()

    def say(self, line: str) -> None:
        print(line, file=self.stream, flush=True)


class _RichStage:
    def __init__(self, bars, task):
        self.bars, self.task = bars, task

    def advance(self, steps: int = 1) -> None:
        self.bars.advance(self.task, steps)


class Bars:
    """Rich's progress bars, with rate and time left."""

    def __init__(self):
        from rich.console import Console

        self.console = Console(stderr=True)

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "photos") -> Iterator[Stage]:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            ProgressColumn,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as RichProgress
        from rich.text import Text

        class Rate(ProgressColumn):
            def render(self, task) -> Text:
                return Text("" if task.speed is None else f"{task.speed:,.0f} {unit}/s", style="cyan")

        columns: list[ProgressColumn] = [SpinnerColumn(), TextColumn("{task.description:<12}")]
        if total is not None:
            columns += [BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn()]
        with RichProgress(*columns, TimeElapsedColumn(), console=self.console) as bars:
            yield _RichStage(bars, bars.add_task(name, total=total))

    def say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False)


def choose_progress(quiet: bool = False) -> Progress:
    """Silent when asked, a live display in a notebook, bars in a terminal, plain lines elsewhere."""
    if quiet:
        return SILENT
    # Here, for it needs what stands above.
    from budwood.core.progress.live import Live
    from budwood.core.system import in_notebook

    if in_notebook():
        return Live()
    return Bars() if sys.stderr.isatty() else Plain()
