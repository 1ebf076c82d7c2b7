"""Progress in a terminal: one display with the step of the whole above the stage under way, a line for what is done."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from budwood.core.progress.base import Counted, Stage, Steps
from budwood.core.text import duration

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress


class _BarStage(Counted):
    def __init__(self, name: str, total: int | None, unit: str, bars: "RichProgress"):
        super().__init__(name, total, unit)
        self.bars = bars
        self.task = bars.add_task(name, total=total, counted=self)

    def expect(self, total: int) -> None:
        super().expect(total)
        self.bars.update(self.task, total=total)

    def advance(self, steps: int = 1) -> None:
        self.count(steps, time.monotonic())
        self.bars.advance(self.task, steps)


class Bars:
    """Rich's progress bars, with rate and time left."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(stderr=True)
        self._steps = Steps()
        self._bars: RichProgress | None = None

    def announce(self, steps: Sequence[str], *, begun: bool = False) -> None:
        self._steps.announce(steps, begun=begun)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        with self._steps.under_way(name), self._display() as bars:
            task = bars.add_task(self._steps.words(), total=None, since=self._steps.started)
            try:
                yield
            finally:
                bars.remove_task(task)

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "photos") -> Iterator[Stage]:
        with self._display() as bars:
            stage = _BarStage(self._steps.label(name), total, unit, bars)
            try:
                yield stage
                self.say(stage.ended(time.monotonic()))
            finally:
                bars.remove_task(stage.task)

    def say(self, line: str) -> None:
        # A terminal that is gone is no reason to end a training.
        with suppress(OSError):
            self.console.print(line, markup=False, highlight=False)

    @contextmanager
    def _display(self) -> "Iterator[RichProgress]":
        """Yield the display that is on, else a new one that vanishes with its block, so that no error leaves it on."""
        if self._bars is not None:
            yield self._bars
            return
        with _new_display(self.console) as self._bars:
            try:
                yield self._bars
            finally:
                self._bars = None


def _new_display(console: Any) -> "RichProgress":
    from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as RichProgress
    from rich.text import Text

    class Bar(BarColumn):
        def render(self, task: Any) -> Any:
            return super().render(task) if task.total is not None else Text("")

    class Figures(ProgressColumn):
        def render(self, task: Any) -> Text:
            return Text(_figures(task.fields, time.monotonic()), style="cyan")

    return RichProgress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        Bar(),
        Figures(),
        console=console,
        transient=True,
    )


def _figures(fields: dict[str, Any], now: float) -> str:
    """Return what stands beside a bar: elapsed time of the whole, or a stage's count, rate and time left."""
    if "counted" not in fields:
        return f"{duration(now - fields['since'])} elapsed"
    counted: Counted = fields["counted"]
    return counted.under_way(now).removeprefix(counted.name).removeprefix(": ")
