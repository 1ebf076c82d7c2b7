import numpy as np
import pytest
from scipy.stats import sem
from sklearn.metrics import accuracy_score, log_loss

from budwood.evaluation.groups import Grouping
from budwood.evaluation.phases import PhaseEvaluation, better, standard_error
from budwood.evaluation.task import SINGLE_LABEL


def shares(seed, number=30):
    return np.random.default_rng(seed).dirichlet(np.ones(4), number)


@pytest.fixture
def labels():
    return {"validation": np.arange(30) % 4, "test": np.arange(30) % 3}


def test_phase_evaluation__is_what_scikit_learn_says(labels):
    found = PhaseEvaluation({"validation": shares(0), "test": shares(1)}, 1.0, SINGLE_LABEL)
    for split, given in labels.items():
        rows = found.probabilities[split]
        assert found.correct(split, given).mean() == accuracy_score(given, rows.argmax(axis=1))
        assert found.loss(split, given) == pytest.approx(log_loss(given, rows, labels=range(4)))


def phase(validation, test=None):
    return PhaseEvaluation(
        {"validation": validation, "test": validation if test is None else test}, 1.0, SINGLE_LABEL
    )


def sure_of(labels, probability):
    """Give each photo's class its probability."""
    probability = np.broadcast_to(probability, len(labels))
    rows = np.repeat((1 - probability)[:, None] / 3, 4, axis=1)
    rows[np.arange(len(labels)), labels] = probability
    return rows


def test_better__by_validation_loss_whatever_the_test_says(labels):
    targets = labels["validation"]
    worse, better_one = sure_of(targets, 0.6), sure_of(targets, np.linspace(0.6, 0.9, 30))
    right = np.eye(4)[labels["test"]] * 0.9 + 0.025
    assert better({"frozen": phase(worse, right), "finetune": phase(better_one)}, labels) == "finetune"
    assert better({"frozen": phase(better_one), "finetune": phase(worse, right)}, labels) == "frozen"


def test_better__the_earlier_where_they_are_equal(labels):
    same = phase(shares(0))
    for clearly in (True, False):
        assert better({"frozen": same, "finetune": same}, labels, clearly=clearly) == "frozen"


@pytest.mark.parametrize(("errors", "kept"), [(0.9, "frozen"), (1.1, "finetune")])
def test_better__the_later_by_more_than_a_standard_error(labels, errors, kept):
    targets = labels["validation"]
    before, spread = sure_of(targets, 0.5), np.tile([-1.0, 1.0], 15)
    # As scipy has it, of the differences of the losses.
    gains = 0.1 * spread + errors * sem(0.1 * spread)
    after = sure_of(targets, 0.5 * np.exp(gains))
    measured = {"frozen": phase(before), "finetune": phase(after)}
    assert better(measured, labels) == kept
    assert better(measured, labels, clearly=False) == "finetune"


def test_better__photos_that_belong_together_are_one(labels):
    """Twenty photos of one group say once that the later phase is better, and ten others that it is not."""
    targets = labels["validation"]
    before = sure_of(targets, 0.5)
    after = sure_of(targets, np.where(np.arange(30) < 20, 0.9, np.where(np.arange(30) % 2, 0.2, 0.45)))
    measured = {"frozen": phase(before), "finetune": phase(after)}
    assert better(measured, labels) == "finetune"
    assert better(measured, labels, Grouping.of(["a"] * 20 + [""] * 10)) == "frozen"
    assert better(measured, labels, Grouping.of(["a"] * 30)) == "frozen"


def test_standard_error__is_scipys_and_of_groups_that_of_their_means():
    values = np.random.default_rng(0).normal(size=24)
    assert standard_error(values) == pytest.approx(sem(values))
    groups = Grouping.of([str(number % 8) for number in range(24)])
    means = values.reshape(3, 8).mean(axis=0)
    assert standard_error(values, groups) == pytest.approx(sem(means))
    assert standard_error(values[:1]) == np.inf
