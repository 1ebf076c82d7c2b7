"""`budwood train` and `budwood study`."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from budwood.core.files import read_json
from tests.cli.command_line import SMALL, one_line
from tests.conftest import write_colours

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("shared_cache", "tiny_backbones")


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--recipe", "best", "--set", "data.size=128"], "data.size = 128"),
        (["--backbone", "mobilnet_v2"], "Did you mean mobilenet_v2?"),
        (["--weights", "absent.h5"], "no weights file absent.h5"),
    ],
)
def test_train__the_impossible_is_refused_before_anything_is_read(
    call, tmp_path, monkeypatch, arguments, words, more
):
    def slow(*arguments, **named):
        raise AssertionError("too early")

    monkeypatch.setattr("budwood.pipeline.request.read_source", slow)
    monkeypatch.setattr("budwood.cli.train.load_keras", slow)
    status, out, err = call("train", tmp_path, *arguments, *more)
    assert (status, out) == (1, "") and one_line(err) and words in err


def test_train__a_teacher_that_is_no_run(call, session_colours, tmp_path):
    folder = tmp_path / "run"
    status, _, err = call("train", session_colours, "-o", folder, "--distill", tmp_path / "absent", "-q")
    assert status == 1 and one_line(err) and "absent is not a run" in err and not folder.exists()


def test_train__and_what_follows(call, session_colours, tmp_path, tiny_run):
    run, small = tmp_path / "run", [*SMALL, "--backbone", "tiny"]
    status, out, err = call("train", session_colours, "-o", run, *small, "--seed", 3, "--split-seed", 0)
    assert status == 0
    assert "test photos never used for training" in out and f"report  {run / 'report.html'}" in out
    assert "check: done" in err and "head: done" in err
    info = read_json(run / "run.json")
    assert info["features"]["computed"] == 0  # `tiny_run` has computed them
    assert info["command"].startswith(f"budwood train {session_colours} -o {run} --recipe frozen-linear")
    assert "seed = 3\nsplit_seed = 0" in (run / "recipe.toml").read_text()
    status, out, err = call("train", session_colours, "-o", run, *small)
    assert status == 1 and one_line(err) and "--overwrite" in err
    status, out, err = call("train", session_colours, "-o", run, *small, "--resume", "--quiet")
    assert status == 1 and "nothing to resume" in err
    command = ["train", session_colours, "-o", run, *small, "--overwrite", "--no-test", "--quiet"]
    assert call(*command) == (0, "", "")
    assert read_json(run / "metrics.json")["test"] is None


def test_train__backbone_and_weights(call, session_colours, tmp_path):
    weights = tmp_path / "wéights 😀.h5"
    status, _, err = call(
        *("train", session_colours, "-o", tmp_path / "run", "-q"),
        *("--backbone", "mobilenet_v2", "--weights", weights),
    )
    assert status == 1 and one_line(err) and "wéights 😀.h5" in err


def test_train__dry_run(call, session_colours, tmp_path, session_run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = call("train", session_colours, *SMALL, "--dry-run", "-q")
    assert status == 0 and not err and "# Time and disk" in out
    assert out.index("# Photos") < out.index("# Time and disk") < out.index("# Recipe")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_train__a_directory_in_the_way_is_refused_before_keras_is_loaded(
    call, session_colours, session_run, monkeypatch, more
):
    def slow():
        raise AssertionError("too early")

    monkeypatch.setattr("budwood.cli.train.load_keras", slow)
    status, out, err = call("train", session_colours, "-o", session_run, *more)
    assert (status, out) == (1, "") and one_line(err) and "is not empty" in err


@pytest.mark.slow
def test_train__dry_run_of_two_phases(call, session_colours, session_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    two = ["--set", "data.size=64", "--set", "finetune.batch_size=8"]
    status, out, err = call("train", session_colours, *two, "--dry-run", "-q")
    assert status == 0 and not err
    assert "boundary    block5c_add, 4x4x112 float16 a view" in out
    assert "for 10 epochs at most" in out and not list(tmp_path.iterdir())


# Decoding so slow that there is time to press Ctrl-C; the file says that features are being computed.
SLOWLY = """
import os, pathlib, signal, sys, threading, time
sys.path.append(os.environ["TESTS"])
from budwood.backbones.registry import BACKBONES
from budwood.cli import main
from tests.tiny import TINY
BACKBONES[TINY.name] = TINY
from budwood.data import images
view, lock, calls = images.view, threading.Lock(), []
def slowly(*arguments):
    with lock:
        time.sleep(0.2)
        calls.append(1)
        if len(calls) == 12:
            pathlib.Path(os.environ["MARKER"]).touch()
    return view(*arguments)
images.view = slowly
# Tests that run in the background of a shell hand on that they ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
@pytest.mark.parametrize(
    ("number", "word"),
    [(signal.SIGINT, "interrupted"), pytest.param(signal.SIGTERM, "terminated", marks=pytest.mark.slow)],
)
def test_train__ended_it_keeps_what_was_computed(
    call, colours, tmp_path, own_cache, monkeypatch, number, word
):
    marker = tmp_path / "computing"
    environment = os.environ | {"BUDWOOD_CACHE": str(own_cache), "MARKER": str(marker), "TESTS": str(ROOT)}
    command = ["train", str(colours), "-o", str(tmp_path / "run"), *SMALL, "--backbone", "tiny"]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOWLY, *command],
        **{"env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True},
    )
    while not marker.exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate()
    assert process.returncode == 128 + number and out == "", err
    assert err.splitlines()[-1] == (
        f"budwood: error: {word}; what was computed so far is kept: "
        "the same command with --resume goes on from there"
    )
    assert "Traceback" not in err
    info = read_json(tmp_path / "run" / "run.json")
    assert (info["state"], info["error"]) == ("failed", "interrupted")
    monkeypatch.setenv("BUDWOOD_CACHE", str(own_cache))
    assert call(*command, "--resume", "--quiet") == (0, "", "")
    features = read_json(tmp_path / "run" / "run.json")["features"]
    assert features["found"] > 0 and features["computed"] > 0
    assert features["found"] + features["computed"] == 42


@pytest.mark.slow
def test_study__table_and_words_or_json(call, session_colours, tmp_path, own_cache, monkeypatch):
    # Nobody has computed the features: the study does, in a process of its own.
    monkeypatch.setenv("BUDWOOD_CACHE", str(own_cache))
    common = [str(session_colours), "--recipes", "frozen-linear", "--set", "data.size=64", "--quiet"]
    common += ["--set", "evaluate.resamples=200", "--grid", "frozen.folds=[3, 4]", "-o", str(tmp_path / "s")]
    status, out, err = call("study", *common, "--seeds", "2")
    assert status == 0 and not err
    assert "frozen-linear, frozen.folds=3" in out and "4 test-set evaluations, one by every trial" in out
    status, out, err = call("study", *common, "--seeds", "2", "--resume", "--json")
    assert status == 0 and json.loads(out)["test_evaluations"] == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--grid", "frozen.folds=[]"], "the list is empty"),
        (["--seeds", "x"], "give how many"),
        (["--sizes", "few"], "give numbers of training photos"),
        (["--recipes", "frozen-liner"], "Did you mean frozen-linear"),
        (["--backbones", "mobilnet"], "mobilnet"),
        (["--grid", "frozen.folds=3..5"], "Give --search N with it"),
        (["--search", "0", "--grid", "frozen.folds=3..5"], "--search 0: give how many"),
        (["--search", "5"], "nothing to search"),
        (["--search", "5", "--grid", "frozen.folds=5..3"], "from a smaller number"),
        (["--search", "5", "--grid", "frozen.folds=3..5", "--sizes", "10"], "do not go together"),
    ],
)
def test_study__wrong_requests(call, session_colours, tmp_path, arguments, words):
    status, out, err = call("study", str(session_colours), "-o", str(tmp_path / "s"), "--quiet", *arguments)
    assert status != 0 and one_line(err) and words in err and not out
    assert not (tmp_path / "s").exists()


def test_features__computed_once_and_told(call, session_colours, tmp_path, monkeypatch, own_cache):
    monkeypatch.setenv("BUDWOOD_CACHE", str(own_cache))
    command = ["features", session_colours, *SMALL, "--backbone", "tiny"]
    status, out, err = call(*command)
    assert status == 0 and "features: done" in err
    assert out.startswith("features of 42 photos: 42 computed in ") and out.endswith("0 were there\n")
    cut = write_colours(tmp_path / "cut", 14)
    (cut / "red" / "none.jpg").write_bytes(b"no picture")
    status, out, err = call("features", cut, *command[2:])
    assert status == 1 and out.splitlines()[0].startswith("left out: red/none.jpg: ")
    status, out, err = call("features", cut, *command[2:], "--json")
    assert status == 1 and list(json.loads(out)["left_out"]) == ["red/none.jpg"]
    status, out, err = call(*command, "--json")
    found = json.loads(out)
    assert (status, found["photos"], found["computed"], found["found"], found["failed"]) == (0, 42, 0, 42, {})


@pytest.mark.parametrize(
    ("options", "key"),
    [
        (["train", "--minutes", "2", "--set", "budget.minutes=1"], "budget.minutes"),
        (["train", "--seed", "2", "--set", "seed=2"], "seed"),
        (["train", "--no-test", "--set", "evaluate.test=true"], "evaluate.test"),
        (["features", "--backbone", "mobilenet", "--set", "backbone.name=mobilenet_v2"], "backbone.name"),
    ],
)
def test_train__a_setting_given_twice(call, colours, monkeypatch, options, key):
    monkeypatch.setattr("budwood.cli.train.load_keras", lambda: pytest.fail("too early"))
    command, *options = options
    status, _, err = call(command, colours, *options)
    assert status == 1 and f"{key} is given twice: by an option as" in err and err.count("\n") == 1


def test_cluster__not_within_minutes(call, colours, monkeypatch):
    monkeypatch.setattr("budwood.cli.train.load_keras", lambda: pytest.fail("too early"))
    status, _, err = call("train", colours, "--minutes", "3", "--cluster", "local")
    assert status == 1 and "(--minutes) plans for this machine alone" in err


@pytest.mark.parametrize("command", ["train", "features"])
def test_cluster__no_int8(call, colours, monkeypatch, command):
    monkeypatch.setattr("budwood.cli.train.load_keras", lambda: pytest.fail("too early"))
    more = ["--recipe", "frozen-linear", "--set", "backbone.precision=int8", "--cluster", "local"]
    status, _, err = call(command, colours, *more)
    assert status == 1 and "backbone.precision is int8. Leave one of them out" in err
