import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from budwood.evaluation.calibration import (
    Bin,
    before_and_after,
    bin_of,
    ece,
    fit_temperature,
    reliability,
    soften,
)


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


def test_soften__is_the_softmax_of_divided_logits():
    logits = np.random.default_rng(3).normal(size=(5, 4)) * 8
    for temperature in (0.5, 1.0, 2.0, 20.0):
        found = soften(softmax(logits, axis=1).astype(np.float32), temperature)
        np.testing.assert_allclose(found, softmax(logits / temperature, axis=1), rtol=1e-4)
    assert found.dtype == np.float32
    certain = soften(np.array([[1.0, 0.0]], np.float32), 2.0)
    assert np.isfinite(certain).all() and certain[0, 1] < 1e-15


def test_reliability__its_bins_are_those_of_the_calibration_error():
    rng = np.random.default_rng(5)
    confidence = rng.beta(4, 1, 300)
    correct = rng.random(300) < confidence**2
    bins = reliability(confidence, correct)
    assert sum(one.n for one in bins) == 300
    assert [one.confidence for one in bins] == sorted(one.confidence for one in bins)
    error = sum(one.n / 300 * abs(one.accuracy - one.confidence) for one in bins)
    assert error == pytest.approx(ece(confidence, correct), abs=1e-12)


def test_bin_of__open_below_and_closed_above():
    np.testing.assert_array_equal(bin_of(np.array([0.0, 1 / 15, 1 / 15 + 1e-9, 1.0])), [0, 0, 1, 14])


def test_before_and_after__undoes_the_temperature():
    rng = np.random.default_rng(6)
    raw = rng.normal(0, 4, (4_000, 3))
    labels = np.array([rng.choice(3, p=row) for row in softmax(raw / 3, axis=1)])
    temperature = fit_temperature(raw, labels)
    found = before_and_after(softmax(raw / temperature, axis=1), labels, temperature)
    confidence, correct = softmax(raw, axis=1).max(axis=1), raw.argmax(axis=1) == labels
    assert found["before"]["ece"] == pytest.approx(ece(confidence, correct), abs=1e-9)
    assert found["before"]["loss"] == pytest.approx(
        -log_softmax(raw, axis=1)[np.arange(4_000), labels].mean()
    )
    # Logits three times too large are too sure of themselves, and the temperature mends it.
    assert found["before"]["ece"] > 0.15 > 0.03 > found["after"]["ece"]
    assert found["after"]["loss"] < found["before"]["loss"]
    assert all(one.confidence > one.accuracy for one in found["before"]["reliability"][3:])


def test_before_and_after__one_photo_and_certain_predictions():
    found = before_and_after(np.array([[1.0, 0.0]]), np.array([1]), 0.5)
    assert found["after"]["ece"] == 1.0 and np.isfinite(found["after"]["loss"])
    assert found["after"]["reliability"] == [Bin(1, 1.0, 0.0)]
