"""Progress in a notebook: one display that is written anew as the work goes on, and in the end says what took how long.

Nothing but what every Jupyter front end has: a display with an id, as HTML and as plain text. IPython is never loaded
here; where a kernel runs, it is there already.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from uuid import uuid4

from budwood.core.progress.base import Counted, Stage, Steps
from budwood.core.text import duration

MOST_LINES = 16
"""Lines that are shown at once; those before them can be unfolded, the last `KEPT` of them."""
KEPT = 200

_STYLE = "font-size:.9em;line-height:1.5;font-variant-numeric:tabular-nums;overflow-wrap:anywhere"
_BAR = "width:12em;max-width:100%;vertical-align:middle;margin-right:.7em"


class _LiveStage(Counted):
    def __init__(self, name: str, total: int | None, unit: str, live: "Live"):
        super().__init__(name, total, unit)
        self.live = live

    def advance(self, steps: int = 1) -> None:
        now = time.monotonic()
        self.count(steps, now)
        self.live.show(now)


class Live:
    """One display for all stages of a piece of work; it appears with the first of them, below the cell."""

    interval = 0.25
    """Seconds between two updates at least, so that a notebook is not flooded."""

    def __init__(self) -> None:
        self._id = f"budwood-{uuid4().hex}"
        self._lines: list[str] = []
        self._said = 0
        self._under_way: list[_LiveStage] = []
        self._shown: float | None = None
        self._steps = Steps()

    def announce(self, steps: Sequence[str], *, begun: bool = False) -> None:
        self._steps.announce(steps, begun=begun)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        try:
            with self._steps.under_way(name):
                self.show()
                yield
        finally:
            self.show()

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "photos") -> Iterator[Stage]:
        stage = _LiveStage(self._steps.label(name), total, unit, self)
        self._under_way.append(stage)
        self.show(stage.started)
        ended = False
        try:
            yield stage
            ended = True
        finally:
            now = time.monotonic()
            self._under_way.remove(stage)
            self.say(
                stage.ended(now) if ended else f"{stage.name}: stopped after {now - stage.started:.1f} s"
            )

    def say(self, line: str) -> None:
        self._said += 1
        # A lone surrogate, from a file name that is not UTF-8, cannot be sent.
        self._lines = [*self._lines, line.encode("utf-8", "backslashreplace").decode("utf-8")][-KEPT:]
        self.show()

    def show(self, now: float | None = None) -> None:
        """Write the display; with a time, only where the last writing is long enough ago."""
        if now is not None and self._shown is not None and now - self._shown < self.interval:
            return
        from IPython.display import display

        # `update_display` would do for all but the first, and takes no bare bundle in older versions.
        display(self.bundle(), raw=True, display_id=self._id, update=self._shown is not None)
        self._shown = time.monotonic()

    def bundle(self) -> dict[str, str]:
        """Return what is shown, for every kind of front end: `text/plain` and `text/html`."""
        now = time.monotonic()
        working = [(stage, stage.under_way(now)) for stage in self._under_way]
        step = self._steps.words()
        overall = [f"{step}, {duration(now - self._steps.started)} elapsed"] if step else []
        earlier, latest = self._lines[:-MOST_LINES], self._lines[-MOST_LINES:]
        rows = [f"<div>{escape(line)}</div>" for line in latest]
        if earlier:
            title = f"lines before: {self._said - len(latest):,}"
            rows.insert(
                0, f"<details><summary>{title}</summary>{'<br>'.join(map(escape, earlier))}</details>"
            )
        rows += [f"<div>{escape(text)}</div>" for text in overall]
        rows += [f"<div>{_bar(stage)}{escape(text)}</div>" for stage, text in working]
        return {
            "text/plain": "\n".join([*self._lines, *overall, *(text for _, text in working)]),
            "text/html": f'<div style="{_STYLE}">{"".join(rows)}</div>',
        }


def _bar(stage: Counted) -> str:
    """Return a bar that moves to and fro where there is nothing to count yet."""
    where = f' value="{stage.done}" max="{stage.total}"' if stage.total and stage.done else ""
    return f'<progress style="{_BAR}"{where} aria-label="{escape(stage.name)}"></progress>'
