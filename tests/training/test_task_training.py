import numpy as np
import pytest

from budwood.config.learning import Distill, Loss
from budwood.config.recipe import Head
from budwood.core.errors import RecipeError
from budwood.evaluation.task import MULTI_LABEL, TASKS
from budwood.network.heads import head_layers
from budwood.training.task_training import MULTI_LABEL_TRAINING, SINGLE_LABEL_TRAINING, TRAINING


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_training__every_task_has_a_loss_of_the_same_value_as_its_figures(task):
    training, rng = TRAINING[task.name], np.random.default_rng(0)
    targets = task.encode(["a", "c", "b", "a"], ["a", "b", "c"])
    logits = rng.normal(size=(4, 3)).astype(np.float32)
    shares = training.shares(targets, 3)
    assert shares.shape == (4, 3) and shares.dtype == np.float32
    trained = float(training.loss(Loss(), 3)(shares, logits))
    assert trained == pytest.approx(task.losses(task.probabilities(logits), targets).mean(), rel=1e-5)
    assert training.metrics(3, 3)[0].name == "accuracy"
    measured = training.measure(logits, targets, False)
    np.testing.assert_allclose(measured.losses, task.losses(task.probabilities(logits), targets), rtol=1e-12)
    np.testing.assert_array_equal(measured.correct, task.correct(task.probabilities(logits), targets))


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_training__the_last_layer_of_every_task_gives_its_probabilities(task):
    layers = head_layers(Head(), 3, activation=task.activation)
    logits = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    np.testing.assert_allclose(layers[-1](logits), task.probabilities(logits), rtol=1e-5)


def test_multi_label_training__unknown_labels_leave_the_size_of_the_loss():
    training, rng = MULTI_LABEL_TRAINING, np.random.default_rng(0)
    targets = MULTI_LABEL.encode([["a", "c"], [], ["b"], ["c"]], ["a", "b", "c"])
    targets[0, 1] = targets[2, 0] = np.nan
    logits = rng.normal(size=(4, 3)).astype(np.float32)
    weights = training.weights(Loss(), targets, ["a", "b", "c"], None)
    trained = float(training.loss(Loss(), 3, weights)(training.shares(targets, 3), logits))
    measured = training.measure(logits, targets, False)
    assert trained == pytest.approx(measured.losses.mean(), rel=1e-5)
    shares = MULTI_LABEL.probabilities(logits)
    np.testing.assert_allclose(measured.losses, MULTI_LABEL.losses(shares, targets), rtol=1e-12)
    np.testing.assert_array_equal(measured.correct, MULTI_LABEL.correct(shares, targets))


@pytest.mark.parametrize("class_weights", ["none", "balanced", {"b": 4.0}])
def test_multi_label_training__weights_are_1_on_average_over_all_labels(class_weights):
    rng = np.random.default_rng(1)
    targets = (rng.random((50, 3)) < [0.5, 0.1, 0.8]).astype(np.float32)
    targets[rng.random((50, 3)) < 0.3] = np.nan
    weights = MULTI_LABEL_TRAINING.weights(Loss(class_weights=class_weights), targets, ["a", "b", "c"], None)
    cells = np.where(np.isnan(targets), 0, np.where(targets == 1, weights[1], weights[0]))
    known = ~np.isnan(targets)
    assert cells.mean() == pytest.approx(1)
    np.testing.assert_allclose(cells.sum(axis=0) / known.sum(axis=0), 1 / known.mean())


def test_single_label_training__what_is_for_several_labels_is_refused():
    with pytest.raises(RecipeError, match=r"loss\.clip"):
        SINGLE_LABEL_TRAINING.loss(Loss(clip=0.1), 3, None)


def test_multi_label_training__a_teacher_that_the_student_repeats_costs_nothing():
    training, rng = MULTI_LABEL_TRAINING, np.random.default_rng(2)
    logits = rng.normal(size=(6, 3)).astype(np.float32)
    taught = training.soften(1 / (1 + np.exp(-logits)), 3.0).astype(np.float32)
    loss = training.distillation(
        training.loss(Loss(), 3, None), 3, Distill(run="r", temperature=3.0, weight=1.0)
    )
    targets = np.hstack([np.full((6, 3), np.nan, np.float32), taught])
    assert float(loss(targets, logits)) == pytest.approx(0, abs=1e-6)
