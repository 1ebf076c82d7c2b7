"""What a study shows while it runs: a table of configurations in a terminal, a line a trial elsewhere."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from budwood.core.progress.bars import Bars
from budwood.core.progress.base import Progress
from budwood.core.text import duration, percent, shown
from budwood.studies.plan import Trial

if TYPE_CHECKING:
    from rich.table import Table

MARKS = {"waiting": "·", "running": "▸", "complete": "✓", "failed": "✗", "stopped": "-"}
LARGEST = 30
"""Rows that a terminal has room for; of more configurations those at work are shown."""


@dataclass
class _Row:
    marks: dict[str, str] = field(default_factory=dict)
    """State of each trial, by replicate."""
    accuracies: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


class Board:
    """Told of every trial that starts and ends.

    >>> from budwood.core.progress.base import SILENT
    >>> with Board([], SILENT) as board:
    ...     pass
    """

    def __init__(self, trials: Sequence[Trial], progress: Progress, total: int | None = None):
        self.progress = progress
        self.rows: dict[str, _Row] = {}
        self._total, self._done = total or len(trials), 0
        self._shown: Any = None
        self.add(trials)
        self._live: AbstractContextManager[Any] = nullcontext()
        if isinstance(progress, Bars):
            from rich.live import Live

            self._live = Live(self.table(), console=progress.console, refresh_per_second=4)

    def __enter__(self) -> "Board":
        self._shown = self._live.__enter__()
        return self

    def __exit__(self, *failure: Any) -> None:
        self._live.__exit__(*failure)

    def add(self, trials: Sequence[Trial]) -> None:
        """More that are to be done."""
        for trial in trials:
            self.rows.setdefault(trial.configuration, _Row()).marks[trial.replicate] = "waiting"

    def start(self, trial: Trial) -> None:
        self._mark(trial, "running")

    def complete(self, trial: Trial, photos: int, accuracy: float, seconds: float) -> None:
        """Photos and accuracy are of validation."""
        row = self.rows[trial.configuration]
        row.accuracies.append(accuracy)
        row.seconds.append(seconds)
        self._end(trial, "complete")
        if self._shown is None:
            figure = percent(accuracy).replace("\u00a0", " ")
            self._say(trial, f"{figure} of {photos:,} validation photos, {duration(seconds)}")

    def fail(self, trial: Trial, why: str) -> None:
        self._end(trial, "failed")
        self._say(trial, f"failed: {shown(why)}")

    def found(self, trial: Trial) -> None:
        """It was complete already."""
        self._end(trial, "complete")

    def stop(self, configuration: str, why: str | None) -> None:
        """What is left of a configuration is not done; `why` is None where that has been said."""
        marks = self.rows[configuration].marks
        left = [replicate for replicate, state in marks.items() if state == "waiting"]
        self._done += len(left)
        marks |= dict.fromkeys(left, "stopped")
        if why is not None:
            self.progress.say(f"{self._done} of {self._total}: {shown(configuration)}: pruned: {shown(why)}")
        if self._shown is not None:
            self._shown.update(self.table())

    def table(self) -> "Table":
        """A row for each configuration, a mark for each trial."""
        from rich.table import Table

        table = Table(
            box=None, pad_edge=False, title=f"{self._done} of {self._total} trials", title_justify="left"
        )
        for column in ("configuration", "trials", "validation", "a trial"):
            table.add_column(column, overflow="fold")
        for name, row in self._shown_rows():
            marks = "".join(MARKS[state] for state in row.marks.values())
            mean = percent(sum(row.accuracies) / len(row.accuracies)) if row.accuracies else "-"
            time = duration(sum(row.seconds) / len(row.seconds)) if row.seconds else "-"
            table.add_row(shown(name), marks, mean, time)
        return table

    def _shown_rows(self) -> list[tuple[str, _Row]]:
        rows = list(self.rows.items())
        if len(rows) > LARGEST:
            rows.sort(key=lambda pair: "running" not in pair[1].marks.values())
        return rows[:LARGEST]

    def _mark(self, trial: Trial, state: str) -> None:
        self.rows[trial.configuration].marks[trial.replicate] = state
        if self._shown is not None:
            self._shown.update(self.table())

    def _end(self, trial: Trial, state: str) -> None:
        self._done += 1
        self._mark(trial, state)

    def _say(self, trial: Trial, words: str) -> None:
        self.progress.say(
            f"{self._done} of {self._total}: {shown(trial.configuration)}, {trial.replicate}: {words}"
        )
