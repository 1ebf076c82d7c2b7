import io

import pytest

from budwood.config.recipe import Recipe
from budwood.core.progress.bars import Bars
from budwood.core.progress.plain import Plain
from budwood.studies.plan import Trial
from budwood.studies.progress_table import LARGEST, Board

TRIALS = [
    Trial(f"{name}-{number}", name, f"split {number}", Recipe())
    for number in range(3)
    for name in ("quick", "auto")
]


def play(board):
    board.start(TRIALS[0])
    board.complete(TRIALS[0], 367, 0.935, 58.0)
    board.start(TRIALS[2])
    board.fail(TRIALS[2], "no space left")


def test_board__lines_where_there_is_no_terminal():
    stream = io.StringIO()
    with Board(TRIALS, Plain(stream)) as board:
        play(board)
    assert stream.getvalue().splitlines() == [
        "1 of 6: quick, split 0: 93.5 % of 367 validation photos, 58 s",
        "2 of 6: quick, split 1: failed: no space left",
    ]


@pytest.fixture
def bars():
    from rich.console import Console

    bars = Bars()
    bars.console = Console(file=io.StringIO(), force_terminal=True, width=100)
    return bars


def test_board__a_table_in_a_terminal(bars):
    with Board(TRIALS, bars) as board:
        play(board)
        bars.console.print(board.table())
    text = bars.console.file.getvalue()
    assert "2 of 6 trials" in text
    assert "✓✗·" in text and "···" in text and "93.5" in text
    assert "no space left" in text


def test_board__of_many_configurations_those_at_work_are_shown(bars):
    many = [Trial(str(number), f"number {number}", "split 0", Recipe()) for number in range(LARGEST + 5)]
    with Board(many, bars) as board:
        board.start(many[-1])
        table = board.table()
    assert table.row_count == LARGEST
    bars.console.print(table)
    assert f"number {LARGEST + 4}" in bars.console.file.getvalue()


def test_board__of_a_search():
    stream = io.StringIO()
    with Board([], Plain(stream), total=6) as board:
        board.add([trial for trial in TRIALS if trial.configuration == "quick"])
        board.found(TRIALS[0])
        board.start(TRIALS[2])
        board.complete(TRIALS[2], 367, 0.5, 58.0)
        board.stop("quick", "it lags behind")
        board.add([trial for trial in TRIALS if trial.configuration == "auto"])
        board.start(TRIALS[1])
    assert stream.getvalue().splitlines() == [
        "2 of 6: quick, split 1: 50.0 % of 367 validation photos, 58 s",
        "3 of 6: quick: pruned: it lags behind",
    ]
    assert "✓✓-" in "".join(board.table().columns[1].cells)
