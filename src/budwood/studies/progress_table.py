"""What a study shows while it runs: a table of configurations in a terminal, a line a trial elsewhere."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from budwood.core.progress.bars import Bars
from budwood.core.progress.base import Progress
from budwood.core.text import duration, percent, shown
from budwood.studies.estimate import roughly
from budwood.studies.figure import ACCURACY
from budwood.studies.spec import Figures, TrialResult
from budwood.studies.trials import Trial

if TYPE_CHECKING:
    from rich.table import Table

MARKS = {"waiting": "·", "running": "▸", "complete": "✓", "failed": "✗", "pruned": "-"}
LARGEST = 30
"""Rows that a terminal has room for; of more configurations those at work are shown."""


@dataclass
class _Row:
    marks: dict[str, str] = field(default_factory=dict)
    """State of each trial, by replicate."""
    values: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    started: dict[str, float] = field(default_factory=dict)
    """When each trial that runs began, by replicate."""


class ProgressTable:
    """Told of every trial that starts and ends.

    Args:
        trials: what is to be done.
        progress: where it is shown.
        total: trials in the end, where more may come; by default those that are given.
        jobs: trials at a time, for the time left.

    >>> from budwood.core.progress.base import SILENT
    >>> with ProgressTable([], SILENT) as table:
    ...     pass
    """

    def __init__(self, trials: Sequence[Trial], progress: Progress, total: int | None = None, jobs: int = 1):
        self.progress, self.jobs = progress, jobs
        self.rows: dict[str, _Row] = {}
        self._total, self._done = total or len(trials), 0
        self._shown: Any = None
        self.add(trials)
        self._live: AbstractContextManager[Any] = nullcontext()
        if isinstance(progress, Bars):
            from rich.live import Live

            self._live = Live(self.table(), console=progress.console, refresh_per_second=4)

    def __enter__(self) -> "ProgressTable":
        self._shown = self._live.__enter__()
        return self

    def __exit__(self, *failure: Any) -> None:
        self._live.__exit__(*failure)

    def refresh(self) -> None:
        """Show how things stand; called now and then while trials run."""
        if self._shown is not None:
            self._shown.update(self.table())

    def add(self, trials: Sequence[Trial]) -> None:
        """Take in more that are to be done."""
        for trial in trials:
            self.rows.setdefault(trial.configuration.name, _Row()).marks[trial.replicate] = "waiting"

    def start(self, trial: Trial) -> None:
        row = self._row(trial)
        if trial.replicate not in row.started:
            row.started[trial.replicate] = time.monotonic()
            row.marks[trial.replicate] = "running"

    def end(self, trial: Trial, result: TrialResult) -> None:
        row = self._row(trial)
        row.started.pop(trial.replicate, None)
        self._done += 1
        if result.validation is None:
            row.marks[trial.replicate] = "failed"
            self._say(trial, f"failed: {shown(result.error or '')}")
            return
        row.marks[trial.replicate] = "complete"
        if result.validation.value is not None:
            row.values.append(result.validation.value)
        row.seconds.append(result.seconds or 0.0)
        if self._shown is None:
            left = self.seconds_left()
            self._say(
                trial,
                f"{_in_words(result.validation)}, {duration(row.seconds[-1])}"
                + (f"; about {roughly(left)} left" if left else ""),
            )

    def found(self, trial: Trial) -> None:
        """Take in that it was complete already."""
        self._row(trial).marks[trial.replicate] = "complete"
        self._done += 1

    def prune(self, configuration: str, why: str | None) -> None:
        """Take in that the rest of a configuration is not done; `why` is None where that has been said."""
        marks = self.rows[configuration].marks
        left = [replicate for replicate, state in marks.items() if state == "waiting"]
        self._done += len(left)
        marks |= dict.fromkeys(left, "pruned")
        if why is not None:
            self.progress.say(f"{self._done} of {self._total}: {shown(configuration)}: pruned: {shown(why)}")

    def seconds_left(self) -> float | None:
        """Return about how long the rest will take, as those that are done took; None before the first of them."""
        known = [one for row in self.rows.values() for one in row.seconds]
        if not known or self._done >= self._total:
            return None
        usual = sum(known) / len(known)
        now, listed, left = time.monotonic(), 0, 0.0
        for row in self.rows.values():
            each = sum(row.seconds) / len(row.seconds) if row.seconds else usual
            waiting = sum(state == "waiting" for state in row.marks.values())
            left += each * waiting + sum(max(0.0, each - (now - began)) for began in row.started.values())
            listed += waiting + len(row.started)
        to_come = max(0, self._total - self._done - listed)
        return (left + usual * to_come) / max(1, min(self.jobs, listed + to_come))

    def table(self) -> "Table":
        """Return a row for each configuration, a mark for each trial."""
        from rich.table import Table

        left = self.seconds_left()
        title = f"{self._done} of {self._total} trials" + (f", about {roughly(left)} left" if left else "")
        table = Table(box=None, pad_edge=False, title=title, title_justify="left")
        for column in ("configuration", "trials", "validation", "a trial"):
            table.add_column(column, overflow="fold")
        for name, row in self._shown_rows():
            marks = "".join(MARKS[state] for state in row.marks.values())
            mean = percent(sum(row.values) / len(row.values)) if row.values else "-"
            seconds = duration(sum(row.seconds) / len(row.seconds)) if row.seconds else "-"
            table.add_row(shown(name), marks, mean, seconds)
        return table

    def _shown_rows(self) -> list[tuple[str, _Row]]:
        rows = list(self.rows.items())
        if len(rows) > LARGEST:
            rows.sort(key=lambda pair: "running" not in pair[1].marks.values())
        return rows[:LARGEST]

    def _row(self, trial: Trial) -> _Row:
        return self.rows[trial.configuration.name]

    def _say(self, trial: Trial, words: str) -> None:
        self.progress.say(
            f"{self._done} of {self._total}: {shown(trial.configuration.name)}, {trial.replicate}: {words}"
        )


def _in_words(found: Figures) -> str:
    photos = f"{found.photos:,} validation photos"
    if found.value is None:
        return f"no label can be measured on {photos}"
    value = percent(found.value).replace("\u00a0", " ")
    return f"{value} of {photos}" if found.figure == ACCURACY else f"{found.figure.short} {value} on {photos}"
