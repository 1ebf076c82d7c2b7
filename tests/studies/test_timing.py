"""How long trials take: what is timed here, and what is left to a process that has Keras."""

import json
import pickle
import subprocess

import pytest

from budwood.config.recipe import Recipe
from budwood.data.check import Check, check
from budwood.data.manifest import Photo
from budwood.data.sources import read_source
from budwood.studies import timing as module
from budwood.studies.timing import Asked, Group, Stopwatch, TrialSeconds, time_trials

PHOTOS = tuple(
    Photo(b"", f"{label}/{number}", label, sha256=f"{label}{number}")
    for label in "ab"
    for number in range(40)
)
CHECKED = Check(classes=("a", "b"), photos=PHOTOS, problems=(), num_found=80, num_unreadable=0)
LINEAR, QUICK = Recipe.load("frozen-linear"), Recipe.load("quick")


class Process:
    """Stands for the process that has Keras."""

    def __init__(self, answer=b""):
        self.answer, self.asked = answer, []

    def __call__(self, command, *, input, **options):
        assert command[1:] == ["-m", "budwood.studies.timing"]
        self.asked.append(pickle.loads(input))
        names = self.asked[-1].recipes
        answer = json.dumps({name: {"once": 40.0, "each": 100.0} for name in names}).encode()
        return subprocess.CompletedProcess(
            command, 0, stdout=self.answer or b"a word of TensorFlow\n" + answer
        )


@pytest.fixture
def process(monkeypatch):
    found = Process()
    monkeypatch.setattr(module.subprocess, "run", found)
    return found


@pytest.mark.usefixtures("own_cache")
def test_stopwatch__asks_the_process_once_for_trainings_that_take_alike(process):
    groups = {
        "linear": Group("linear", LINEAR, 2),
        "slow": Group("training", QUICK.with_settings(["finetune.learning_rate=1e-5"]), 2),
        "fast": Group("training", QUICK.with_settings(["finetune.learning_rate=1e-3"]), 2),
        "long": Group("training", QUICK.with_settings(["finetune.epochs=50"]), 2),
    }
    found = Stopwatch(1, 15.0, features=False)(CHECKED, groups)
    (asked,) = process.asked
    assert list(asked.recipes) == ["slow", "long"] and asked.most_seconds == 15.0 and asked.cores
    assert {name: found[name] for name in ("slow", "fast", "long")} == dict.fromkeys(
        ("slow", "fast", "long"), TrialSeconds(40.0, 100.0)
    )
    assert found["linear"].once is None and 0 < found["linear"].each < 10


@pytest.mark.usefixtures("own_cache")
def test_stopwatch__linear_trials_need_no_process_but_for_their_features(process):
    groups = {"linear": Group("linear", LINEAR, 2)}
    assert Stopwatch(1, 15.0, features=False)(CHECKED, groups)["linear"].once is None
    assert not process.asked
    found = Stopwatch(1, 15.0, features=True)(CHECKED, groups)["linear"]
    assert found.once == 40.0 and found.each < 10 and len(process.asked) == 1


def test_stopwatch__says_nothing_where_the_process_failed(process):
    process.answer = b"Traceback"
    assert Stopwatch(1, 15.0, features=True)(CHECKED, {"quick": Group("training", QUICK, 2)}) == {}


@pytest.mark.slow
@pytest.mark.usefixtures("shared_cache")
def test_time_trials__as_long_as_there_is_time_for(session_colours):
    checked = check(read_source(session_colours))
    small = Recipe.load("frozen-gradient").with_settings(["data.size=64"])
    bad = small.with_settings(["distill.run=nowhere"])
    asked = Asked({"bad": bad, "small": small}, checked, [], 60.0, module.time.time() - 5)
    (name,) = found = time_trials(asked)
    assert name == "small" and found["small"].each > 5
    assert time_trials(Asked({"small": small}, checked, [], -1.0, module.time.time())) == {}
