import io
import json
import sys

import pytest

from budwood.cli.answers import Answers, written_in_words
from budwood.core.progress.bars import Bars
from budwood.core.progress.base import SILENT
from budwood.core.progress.plain import Plain
from budwood.inference.prediction import Prediction
from budwood.inference.prediction_files import Written

FOUND = [
    Prediction("a.jpg", "x", 0.75, {"x": 0.75, "y": 0.25}),
    Prediction("b.jpg", None, None, {}, "truncated"),
    Prediction("c.jpg", "x", 0.5, {"x": 0.5, "y": 0.5}, out_of_distribution=True),
]


@pytest.mark.parametrize("found", [FOUND, FOUND[:1], []])
def test_told__json_is_a_list_as_it_would_be_printed_at_once(capsys, found):
    answers = Answers(2, as_json=True, lines=True)
    assert list(answers.told(iter(found))) == found
    expected = [one.to_json(2) for one in found]
    assert capsys.readouterr().out == json.dumps(expected, indent=2) + "\n"
    assert json.loads(json.dumps(expected)) == expected


def test_told__each_as_it_comes(capsys):
    answers = Answers(1, as_json=False, lines=True)
    told = answers.told(FOUND)
    next(told)
    assert capsys.readouterr() == ("a.jpg\tx 75.0%\n", "")
    assert [one.name for one in told] == ["b.jpg", "c.jpg"]
    assert capsys.readouterr() == ("c.jpg\tnone of these (x 50.0%)\n", "budwood: b.jpg: truncated\n")
    assert (answers.rows, answers.errors, answers.out_of_distribution) == (3, 1, 1)


def test_told__a_table_takes_the_place_of_lines(capsys):
    list(Answers(1, as_json=False, lines=False).told(FOUND))
    assert capsys.readouterr() == ("", "budwood: b.jpg: truncated\n")


def test_told__a_display_of_progress_takes_no_line_away(monkeypatch):
    """It puts another stream in the place of standard output, which goes to the terminal."""
    before = io.StringIO()
    monkeypatch.setattr(sys, "stdout", before)
    answers = Answers(1, as_json=False, lines=True)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    list(answers.told(FOUND))
    assert before.getvalue().count("\n") == 2 and not sys.stdout.getvalue()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress__leaves_room_for_lines_in_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    for out, lines, kind in (
        (Terminal(), True, Plain),
        (Terminal(), False, Bars),
        (io.StringIO(), True, Bars),
    ):
        monkeypatch.setattr(sys, "stdout", out)
        assert isinstance(Answers(1, as_json=False, lines=lines).progress(False), kind)
        assert Answers(1, as_json=False, lines=lines).progress(True) is SILENT


def test_written_in_words__parts_and_errors():
    assert written_in_words("p", Written(1, 0)) == "table   p (1 photo)"
    assert written_in_words("p", Written(9000, 2), 2) == (
        "table   p (2 parts, 9,000 photos, 2 of which could not be read)"
    )
