import io

import pytest

from budwood.config.recipe import Recipe
from budwood.core.progress.bars import Bars
from budwood.core.progress.plain import Plain
from budwood.studies import progress_table
from budwood.studies.figure import MEAN_AVERAGE_PRECISION
from budwood.studies.progress_table import LARGEST, ProgressTable
from budwood.studies.records import Configuration
from budwood.studies.spec import Figures, TrialResult
from budwood.studies.trials import Trial

TRIALS = [
    Trial(f"{name}-{number}", Configuration(recipe=name), f"split {number}", Recipe())
    for number in range(3)
    for name in ("quick", "auto")
]


def complete(trial, accuracy, seconds=58.0):
    return TrialResult(trial.name, seconds, validation=Figures(367, accuracy, 0.2))


def play(table):
    table.start(TRIALS[0])
    table.end(TRIALS[0], complete(TRIALS[0], 0.935))
    table.start(TRIALS[2])
    table.end(TRIALS[2], TrialResult(TRIALS[2].name, error="no space left"))


def test_progress_table__lines_where_there_is_no_terminal():
    stream = io.StringIO()
    with ProgressTable(TRIALS, Plain(stream)) as table:
        play(table)
    assert stream.getvalue().splitlines() == [
        "1 of 6: quick, split 0: 93.5 % of 367 validation photos, 58 s; about 5 min left",
        "2 of 6: quick, split 1: failed: no space left",
    ]


def test_progress_table__several_labels():
    stream = io.StringIO()
    with ProgressTable(TRIALS[:2], Plain(stream)) as table:
        for trial, value in zip(TRIALS, (0.935, None), strict=False):
            table.start(trial)
            found = Figures(367, value, 0.2, MEAN_AVERAGE_PRECISION)
            table.end(trial, TrialResult(trial.name, 58.0, validation=found))
    assert stream.getvalue().splitlines() == [
        "1 of 2: quick, split 0: mAP 93.5 % on 367 validation photos, 58 s; about 60 s left",
        "2 of 2: auto, split 0: no label can be measured on 367 validation photos, 58 s",
    ]


@pytest.fixture
def bars():
    from rich.console import Console

    bars = Bars()
    bars.console = Console(file=io.StringIO(), force_terminal=True, width=100)
    return bars


def test_progress_table__in_a_terminal(bars):
    with ProgressTable(TRIALS, bars) as table:
        play(table)
        table.refresh()
        bars.console.print(table.table())
    text = bars.console.file.getvalue()
    assert "2 of 6 trials, about 4 min left" in text
    assert "✓✗·" in text and "···" in text and "93.5" in text
    assert "no space left" in text


def test_progress_table__of_many_configurations_those_at_work_are_shown(bars):
    many = [
        Trial(str(number), Configuration(recipe=f"number {number}"), "split 0", Recipe())
        for number in range(LARGEST + 5)
    ]
    with ProgressTable(many, bars) as table:
        table.start(many[-1])
        shown = table.table()
    assert shown.row_count == LARGEST
    bars.console.print(shown)
    assert f"number {LARGEST + 4}" in bars.console.file.getvalue()


def test_progress_table__of_a_search():
    stream = io.StringIO()
    with ProgressTable([], Plain(stream), total=6) as table:
        table.add([trial for trial in TRIALS if trial.configuration.name == "quick"])
        table.found(TRIALS[0])
        table.start(TRIALS[2])
        table.end(TRIALS[2], complete(TRIALS[2], 0.5))
        table.prune("quick", "it lags behind")
        table.add([trial for trial in TRIALS if trial.configuration.name == "auto"])
        table.start(TRIALS[1])
    assert stream.getvalue().splitlines() == [
        "2 of 6: quick, split 1: 50.0 % of 367 validation photos, 58 s; about 4 min left",
        "3 of 6: quick: pruned: it lags behind",
    ]
    assert "✓✓-" in "".join(table.table().columns[1].cells)


def test_seconds_left__as_each_configuration_took_and_by_jobs(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(progress_table.time, "monotonic", lambda: clock[0])
    table = ProgressTable(TRIALS, Plain(io.StringIO()), jobs=2)
    assert table.seconds_left() is None
    table.end(TRIALS[0], complete(TRIALS[0], 0.9, seconds=10.0))
    table.end(TRIALS[1], complete(TRIALS[1], 0.9, seconds=100.0))
    assert table.seconds_left() == pytest.approx((2 * 10 + 2 * 100) / 2)
    table.start(TRIALS[3])
    clock[0] = 40.0
    assert table.seconds_left() == pytest.approx((2 * 10 + 60 + 100) / 2)
    for trial in TRIALS[2:]:
        table.end(trial, complete(trial, 0.9))
    assert table.seconds_left() is None
