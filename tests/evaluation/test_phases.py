import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss

from budwood.evaluation.phases import PhaseEvaluation, better
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


def test_better__by_validation_loss_whatever_the_test_says(labels):
    right = np.eye(4)[labels["test"]] * 0.9 + 0.025
    measured = {
        name: PhaseEvaluation(
            {"validation": shares(seed), "test": right if seed else shares(7)}, 1.0, SINGLE_LABEL
        )
        for name, seed in (("frozen", 0), ("finetune", 1))
    }
    losses = {name: one.loss("validation", labels["validation"]) for name, one in measured.items()}
    assert better(measured, labels) == min(losses, key=losses.get)
    assert better(dict(reversed(measured.items())), labels) == min(losses, key=losses.get)


def test_better__the_earlier_where_they_are_equal(labels):
    same = PhaseEvaluation({"validation": shares(0)}, 1.0, SINGLE_LABEL)
    assert better({"frozen": same, "finetune": same}, labels) == "frozen"
