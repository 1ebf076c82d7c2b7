"""What a task of one class a photo must do; `Backwards` is in the tests alone. Several labels: `test_multi_label`."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from budwood.core.errors import DataError
from budwood.evaluation.metrics import compute_metrics
from budwood.evaluation.task import SINGLE_LABEL, Task
from tests.tasks import BACKWARDS

CLASSES = ["ash", "birch", "cedar"]


@pytest.fixture(params=[SINGLE_LABEL, BACKWARDS], ids=lambda task: task.name)
def task(request) -> Task:
    return request.param


@pytest.fixture
def answers():
    rng = np.random.default_rng(3)
    labels = [CLASSES[place] for place in rng.integers(0, 3, 60)]
    logits = rng.normal(size=(60, 3)) * 2
    logits[np.arange(60), [CLASSES.index(label) for label in labels]] += 2
    return labels, logits


def test_task__keeps_the_contract(task, answers):
    labels, logits = answers
    assert isinstance(task, Task)
    targets = task.encode(labels, CLASSES)
    assert len(targets) == len(labels)
    temperature = task.fit_scaling(logits, targets)
    assert temperature > 0
    shares = task.probabilities(logits, temperature)
    assert shares.shape == logits.shape and shares.dtype == np.float64
    assert (shares >= 0).all() and (shares <= 1).all()
    losses, correct = task.losses(shares, targets), task.correct(shares, targets)
    assert losses.shape == correct.shape == (60,) and (losses >= 0).all() and correct.dtype == bool
    # No other temperature suits these targets better by much: the fit has a prior, which gives way to 60 photos.
    others = [task.losses(task.probabilities(logits, temperature * f), targets).mean() for f in (0.5, 2.0)]
    assert losses.mean() < min(others)


def test_task__the_figures_of_a_split_have_intervals(task, answers):
    labels, logits = answers
    targets = task.encode(labels, CLASSES)
    shares = task.probabilities(logits)
    found = task.metrics(targets, shares, CLASSES, resamples=200, seed=1)
    assert found.n == 60
    assert found.loss == pytest.approx(task.losses(shares, targets).mean())
    assert found.accuracy == pytest.approx(task.correct(shares, targets).mean())
    assert found.accuracy_ci95[0] < found.accuracy < found.accuracy_ci95[1]
    assert task.metrics(targets, shares, CLASSES, resamples=200, seed=1) == found


def test_task__a_temperature_of_one_changes_no_calibration(task, answers):
    labels, logits = answers
    targets = task.encode(labels, CLASSES)
    same = task.calibration(task.probabilities(logits), targets, 1.0)
    assert same["before"]["loss"] == pytest.approx(same["after"]["loss"])
    assert same["after"]["loss"] == pytest.approx(task.losses(task.probabilities(logits), targets).mean())
    other = task.calibration(task.probabilities(logits, 3.0), targets, 3.0)
    assert other["before"]["loss"] == pytest.approx(same["after"]["loss"])


def test_task__refuses_a_class_that_is_unknown(task):
    with pytest.raises(DataError, match="oak"):
        task.encode(["ash", "oak"], CLASSES)


def test_single_label__is_what_scikit_learn_says(answers):
    labels, logits = answers
    targets = SINGLE_LABEL.encode(labels, CLASSES)
    assert targets.tolist() == [CLASSES.index(label) for label in labels]
    shares = SINGLE_LABEL.probabilities(logits)
    shares /= shares.sum(axis=1, keepdims=True)
    # To the last bit: the phase that is kept is chosen by it.
    assert SINGLE_LABEL.losses(shares, targets).mean() == log_loss(targets, shares, labels=[0, 1, 2])
    certain = np.eye(3)[targets]
    assert SINGLE_LABEL.losses(certain, targets).mean() == log_loss(targets, certain, labels=[0, 1, 2])
    expected = compute_metrics(targets, shares, CLASSES, resamples=100, seed=0)
    assert SINGLE_LABEL.metrics(targets, shares, CLASSES, resamples=100, seed=0) == expected
