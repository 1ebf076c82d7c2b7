import io

from budwood.core.progress.base import SILENT, Bars, Plain, choose_progress


def test_plain__says_when_a_stage_ends():
    stream = io.StringIO()
    progress = Plain(stream)
    with progress.stage("features", total=3) as stage:
        stage.advance(3)
    progress.say("a line")
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("features: done in") and "3 photos" in lines[0]
    assert lines[1] == "a line"


def test_plain__long_stage_shows_rate_and_time_left(monkeypatch):
    stream = io.StringIO()
    with Plain(stream).stage("features", total=30) as stage:
        stage.advance(1)
        stage.started_stepping -= 20
        stage.printed -= 20
        stage.advance(9)
    first = stream.getvalue().splitlines()[0]
    assert first.startswith("features: 10 of 30 photos, ") and first.endswith(" s left")


def test_bars__draw_in_a_terminal(monkeypatch):
    progress = Bars()
    progress.console.file = io.StringIO()
    progress.console._force_terminal = True
    with progress.stage("features", total=2) as stage:
        stage.advance(2)
    progress.say("[not markup]")
    text = progress.console.file.getvalue()
    assert "features" in text and "2/2" in text and "[not markup]" in text


def test_choose_progress__quiet_and_no_terminal():
    assert choose_progress(quiet=True) is SILENT
    assert isinstance(choose_progress(), Plain)
