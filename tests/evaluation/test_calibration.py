import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from budwood.evaluation.calibration import fit_temperature


@pytest.mark.parametrize("true", [0.4, 1.0, 2.5])
def test_fit_temperature__finds_the_true_one(true):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (5_000, 4))
    labels = np.array([rng.choice(4, p=row) for row in softmax(logits / true, axis=1)])
    assert fit_temperature(logits, labels) == pytest.approx(true, rel=0.06)


def test_fit_temperature__is_the_minimum_of_the_penalised_likelihood():
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(0, 2, (40, 3)), rng.integers(0, 3, 40)

    def loss(t):
        return -log_softmax(logits / t, axis=1)[np.arange(40), labels].sum() + 2 * np.log(t) ** 2

    expected = minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-8}).x
    assert fit_temperature(logits, labels) == pytest.approx(expected, rel=1e-4)


def test_fit_temperature__few_photos_that_are_all_right_ask_for_no_boundless_certainty():
    logits, labels = np.eye(3) * 4.0, np.arange(3)
    assert 0.5 < fit_temperature(logits, labels) < 1.0


def test_fit_temperature__does_not_move_what_is_not_finite():
    assert fit_temperature(np.array([[np.nan, 0.0]]), np.array([0])) == 1.0
