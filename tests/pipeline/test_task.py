"""A second task goes all the way through a training, and its run is read by the task's name."""

import numpy as np
import pytest

import budwood
from budwood.core.errors import RunError
from budwood.core.files import read_json, write_json
from budwood.evaluation import task as tasks
from budwood.pipeline import request as module
from budwood.pipeline.session import divide_by_split
from budwood.training import task_training
from tests.tasks import BACKWARDS, training_backwards

pytestmark = pytest.mark.usefixtures("tiny_backbones", "shared_cache")


def settings(*more):
    return [
        "backbone.name=tiny",
        "data.size=64",
        "frozen.fit=gradient",
        "frozen.epochs=3",
        "frozen.learning_rate=0.01",
        *more,
    ]


@pytest.mark.slow
def test_train__with_a_second_task(session_colours, tmp_path, monkeypatch):
    monkeypatch.setitem(tasks.TASKS, BACKWARDS.name, BACKWARDS)
    monkeypatch.setitem(task_training.TRAINING, BACKWARDS.name, training_backwards())
    options = {"recipe": "frozen-linear", "settings": settings("finetune.epochs=1")}
    plain = budwood.train(session_colours, tmp_path / "plain", **options)
    with monkeypatch.context() as patched:
        patched.setattr(module, "task_of", lambda multi_label: BACKWARDS)
        run = budwood.train(session_colours, tmp_path / "backwards", **options)
    assert run.info["task"] == "backwards" and run.files.task is BACKWARDS
    assert plain.info["task"] == "single-label"
    # Other numbers for the same classes: the same answers, photo by photo.
    assert run.metrics["validation"] == plain.metrics["validation"]
    assert run.metrics["test"] == plain.metrics["test"] and run.metrics["calibration"]
    assert run.files.predictions == plain.files.predictions
    assert run.evaluate(session_colours, split="test")["accuracy"] == run.metrics["test"]["accuracy"]


def test_divide_by_split__as_the_task_encodes(session_colours):
    from budwood.data.manifest import Photo

    photos = [Photo(b"", "1", "ash", "train"), Photo(b"", "2", "birch", "test")]
    parts, targets = divide_by_split(photos, ("ash", "birch", "cedar"), BACKWARDS)
    assert [photo.name for photo in parts["train"]] == ["1"] and not parts["validation"]
    np.testing.assert_array_equal(targets["train"], [2])
    np.testing.assert_array_equal(targets["test"], [1])


def test_read_run__of_a_task_that_nobody_knows(session_run, tmp_path):
    info = read_json(session_run / "run.json")
    write_json(tmp_path / "run.json", info | {"task": "counting"})
    with pytest.raises(RunError, match="task 'counting', and this Budwood knows single-label"):
        budwood.load(tmp_path)
    write_json(tmp_path / "run.json", {key: value for key, value in info.items() if key != "task"})
    with pytest.raises(RunError, match="task"):
        budwood.load(tmp_path)
