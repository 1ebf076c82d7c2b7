"""The protocol by which a long piece of work tells what it is doing.

Every long function takes `progress` and opens a stage in it:

>>> with SILENT.stage("features", total=3) as stage:
...     stage.advance()

A user's own object needs `stage` and `say`, no more. A display that also has `step` is told of the steps that a
training consists of, one after the other, and shows which of how many is under way: `announce`, `step`.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol, runtime_checkable
from weakref import WeakKeyDictionary

from budwood.core.text import count, duration


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


@runtime_checkable
class Overview(Protocol):
    """Shows the steps of a whole training beside the stage under way."""

    def announce(self, steps: Sequence[str], *, begun: bool = False) -> None: ...

    def step(self, name: str) -> AbstractContextManager[None]: ...


def announce(progress: Progress, steps: Sequence[str], *, begun: bool = False) -> None:
    """Tell a display of all the steps; nothing where it shows none.

    With `begun` they are of the training that is under way, whose time goes on being counted.
    """
    if isinstance(progress, Overview):
        progress.announce(steps, begun=begun)


def step(progress: Progress, name: str) -> AbstractContextManager[None]:
    """Open one of the announced steps; nothing happens where the display shows none."""
    return progress.step(name) if isinstance(progress, Overview) else nullcontext()


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


class Named:
    """The same progress, its stages named with what they are of, such as the network of two.

    >>> isinstance(Named(SILENT, "mobilenet_v2"), Progress)
    True
    """

    def __init__(self, progress: Progress, of: str):
        self._progress, self._of = progress, of

    def stage(
        self, name: str, total: int | None = None, unit: str = "photos"
    ) -> AbstractContextManager[Stage]:
        return self._progress.stage(f"{name} ({self._of})", total, unit)

    def say(self, line: str) -> None:
        self._progress.say(line)


_said: WeakKeyDictionary[object, set[str]] = WeakKeyDictionary()


def say_once(progress: Progress, line: str) -> None:
    """Say a line that this progress, under whatever name, has not said by this function before.

    >>> class Lines(Silent):
    ...     def say(self, line):
    ...         print(line)
    >>> lines = Lines()
    >>> say_once(lines, "a"), say_once(Named(lines, "b"), "a")
    a
    (None, None)
    """
    root: object = progress
    while isinstance(root, Named):
        root = root._progress
    said = _said.setdefault(root, set())
    if line not in said:
        said.add(line)
        progress.say(line)


FEWEST_SECONDS = 1.0
"""Of steps after the first, before a rate is worded."""


class Counted:
    """Counts a stage's steps; words its rate and the time left."""

    def __init__(self, name: str, total: int | None, unit: str):
        self.name, self.total, self.unit = name, total, unit
        self.done = self.first = 0
        self.started = time.monotonic()

    def count(self, steps: int, now: float) -> None:
        if not self.done:
            # What went before the first step, such as starting an engine, says nothing of the rate.
            self.started_stepping, self.first = now, steps
        self.done += steps

    def has_rate(self, now: float) -> bool:
        """Return whether enough was counted for a rate: the first steps of several workers come at about one time."""
        return self.done > self.first and now - self.started_stepping >= FEWEST_SECONDS

    def expect(self, total: int) -> None:
        """Correct a total that was an estimate."""
        self.total = total

    def under_way(self, now: float) -> str:
        if not self.done:
            return self.name
        if self.total is None:
            parts = [amount(self.done, self.unit)]
        else:
            parts = [f"{self.done:,} of {amount(self.total, self.unit)}"]
        if self.has_rate(now):
            seconds = (now - self.started_stepping) / (self.done - self.first)
            parts.append(speed(seconds))
            if self.total is not None:
                parts.append(f"{duration((self.total - self.done) * seconds)} left")
        return f"{self.name}: {', '.join(parts)}"

    def ended(self, now: float) -> str:
        text = f"{self.name}: done in {now - self.started:.1f} s"
        return f"{text} ({amount(self.done, self.unit)})" if self.done else text


def expect(stage: object, total: int) -> None:
    """Tell a stage its total where that was an estimate; nothing happens where the display takes none.

    >>> stage = Counted("head", 31, "fits")
    >>> expect(stage, 26)
    >>> stage.total
    26
    """
    if isinstance(stage, Counted):
        stage.expect(total)


class Steps:
    """Knows the announced steps, and which of how many is under way.

    >>> steps = Steps()
    >>> steps.announce(["check", "features", "evaluate"])
    >>> with steps.under_way("evaluate"):
    ...     steps.words(), steps.label("features")
    ('step 3 of 3: evaluate', 'evaluate: features')
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.started = time.monotonic()
        self._open: list[str] = []

    def announce(self, names: Sequence[str], *, begun: bool = False) -> None:
        self.names = list(names)
        if not begun:
            self.started = time.monotonic()

    @contextmanager
    def under_way(self, name: str) -> Iterator[None]:
        self._open.append(name)
        try:
            yield
        finally:
            self._open.pop()

    def words(self) -> str:
        """Return which of how many steps is under way; an empty string between them."""
        if not self._open:
            return ""
        name = self._open[-1]
        return (
            f"step {self.names.index(name) + 1} of {len(self.names)}: {name}" if name in self.names else name
        )

    def label(self, stage: str) -> str:
        """Return a stage's name with the step that it is part of, where that says more."""
        step = self._open[-1] if self._open else ""
        return f"{step}: {stage}" if step and not stage.startswith(step) else stage


def amount(n: int, unit: str) -> str:
    """Return a number with its unit, which is given in the plural.

    >>> amount(1, "photos"), amount(1, "batches"), amount(1200, "fits")
    ('1 photo', '1 batch', '1,200 fits')
    """
    return count(n, unit.removesuffix("es" if unit.endswith("ches") else "s"), unit)


def speed(seconds: float) -> str:
    """Return a rate from the seconds that one step takes.

    >>> speed(0.01), speed(0.4), speed(3.0)
    ('100/s', '2.5/s', '3.0 s each')
    """
    if seconds > 1:
        return f"{duration(seconds)} each"
    return f"{1 / seconds:.1f}/s" if seconds > 0.1 else f"{1 / seconds:,.0f}/s"
