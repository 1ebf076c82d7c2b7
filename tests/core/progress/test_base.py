from contextlib import contextmanager

import pytest

from budwood.core.progress import choose_progress
from budwood.core.progress.bars import Bars
from budwood.core.progress.base import SILENT, Counted, Named, Overview, Progress, Steps, announce, step
from budwood.core.progress.live import Live
from budwood.core.progress.plain import Plain


class Users:
    """A user's own progress: `stage` and `say`, no more."""

    def __init__(self):
        self.lines = []

    @contextmanager
    def stage(self, name, total=None, unit="photos"):
        yield self
        self.lines.append((name, total, unit))

    def advance(self, steps=1):
        pass

    def say(self, line):
        self.lines.append(line)


def test_choose_progress__quiet_and_no_terminal():
    assert choose_progress(quiet=True) is SILENT
    assert isinstance(choose_progress(), Plain)


def test_choose_progress__without_standard_error(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    assert choose_progress() is SILENT


def test_choose_progress__bars_in_a_terminal(monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert isinstance(choose_progress(), Bars)


@pytest.mark.parametrize("made", [Plain, Bars, Live])
def test_displays__show_the_steps_of_the_whole(made):
    assert isinstance(made(), Progress) and isinstance(made(), Overview)


def test_step__a_users_own_progress_needs_stage_and_say_alone():
    progress = Users()
    announce(progress, ["check", "features"])
    with step(progress, "check"), Named(progress, "vgg16").stage("features", 3, "views") as stage:
        stage.advance()
    Named(progress, "vgg16").say("a line")
    assert progress.lines == [("features (vgg16)", 3, "views"), "a line"]


@pytest.mark.parametrize(
    ("total", "unit", "done", "seconds", "words"),
    [
        (30, "photos", [1, 9], 1.0, "x: 10 of 30 photos, 9.0/s, 2.2 s left"),
        (30, "photos", [10], 1.0, "x: 10 of 30 photos"),
        (None, "fits", [10], 1.0, "x: 10 fits"),
        (None, "fits", [1, 2], 30.0, "x: 3 fits, 15 s each"),
        (None, "batches", [1], 1.0, "x: 1 batch"),
        (30_000, "photos", [1, 9_999], 10.0, "x: 10,000 of 30,000 photos, 1,000/s, 20 s left"),
        (3, "photos", [], 1.0, "x"),
        # Two workers that end their first pieces at about one time.
        (450, "photos", [28, 28], 0.02, "x: 56 of 450 photos"),
    ],
)
def test_counted__words_its_rate_and_the_time_left(total, unit, done, seconds, words):
    counted = Counted("x", total, unit)
    for number, steps in enumerate(done):
        counted.count(steps, 100.0 + seconds * number)
    assert counted.under_way(100.0 + seconds * max(0, len(done) - 1)) == words


def test_counted__ended_with_one_photo():
    counted = Counted("features", 1, "photos")
    counted.count(1, counted.started)
    assert counted.ended(counted.started + 2) == "features: done in 2.0 s (1 photo)"


def test_steps__announced_again__the_time_goes_on():
    steps = Steps()
    steps.announce(["check", "plan", "finetune"])
    steps.started -= 100
    began = steps.started
    steps.announce(["check", "plan", "head"], begun=True)
    assert steps.names == ["check", "plan", "head"] and steps.started == began
    steps.announce(["check"])
    assert steps.started > began
