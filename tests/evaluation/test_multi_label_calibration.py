import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from budwood.core.scaling import LabelScaling
from budwood.evaluation.calibration import ece
from budwood.evaluation.multi_label_calibration import (
    SHIFT_DEVIATION,
    binary_cross_entropy,
    fit_label_scaling,
    label_calibration,
)


def simulate(n: int, scale, shift, seed: int = 0):
    """Logits that `LabelScaling(scale, shift)` makes true."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1, 2, size=(n, len(scale)))
    return logits, (rng.random(logits.shape) < expit(logits * scale + shift)).astype(np.float32)


def test_fit_label_scaling__finds_the_true_one():
    logits, targets = simulate(8_000, [0.5, 1.0, 2.0], [1.0, 0.0, -2.0])
    found = fit_label_scaling(logits, targets)
    assert found.scale == pytest.approx([0.5, 1.0, 2.0], rel=0.1)
    assert found.shift == pytest.approx([1.0, 0.0, -2.0], abs=0.2)


def test_fit_label_scaling__is_the_minimum_of_the_penalised_likelihood():
    logits, targets = simulate(60, [0.7], [0.5], seed=4)

    def loss(point):
        shares = expit(np.exp(point[0]) * logits + point[1])
        prior = 2 * point[0] ** 2 + 0.5 * (point[1] / SHIFT_DEVIATION) ** 2
        return binary_cross_entropy(shares, targets.astype(float)).sum() + prior

    expected = minimize(loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10}).x
    found = fit_label_scaling(logits, targets)
    assert (np.log(found.scale[0]), found.shift[0]) == pytest.approx(expected, abs=1e-4)


def test_fit_label_scaling__few_photos_ask_for_no_boundless_certainty():
    logits = np.array([[4.0], [5.0], [-4.0], [-5.0]])
    targets = np.array([[1], [1], [0], [0]], np.float32)
    found = fit_label_scaling(logits, targets)
    assert 0.9 < found.scale[0] < 2 and abs(found.shift[0]) < 0.1
    # A label that no photo has, or every one: only one side of it is seen.
    for value in (0, 1):
        one_sided = fit_label_scaling(np.full((50, 1), -2.0), np.full((50, 1), value, np.float32))
        assert (one_sided.scale, one_sided.shift) == ((1.0,), (0.0,))


def test_fit_label_scaling__leaves_out_what_is_unknown_and_what_is_not_finite():
    logits, targets = simulate(200, [0.5, 1.0], [1.0, 0.0])
    holes = targets.copy()
    holes[100:, 0] = np.nan
    assert (
        fit_label_scaling(logits, holes).scale[0] == fit_label_scaling(logits[:100], targets[:100]).scale[0]
    )
    nothing = np.full((3, 1), np.nan, np.float32)
    assert fit_label_scaling(np.ones((3, 1)), nothing) == LabelScaling((1.0,), (0.0,))
    assert fit_label_scaling(np.full((3, 1), np.inf), np.ones((3, 1))) == LabelScaling((1.0,), (0.0,))


def test_label_calibration__undoes_the_scaling_and_counts_each_known_label():
    logits, targets = simulate(500, [0.5, 2.0], [1.0, -1.0])
    targets[::7, 1] = np.nan
    scaling = fit_label_scaling(logits, targets)
    found = label_calibration(expit(scaling.apply(logits)).astype(np.float32), targets, scaling)
    known = ~np.isnan(targets)
    before = expit(logits)[known]
    assert found["before"]["ece"] == pytest.approx(ece(before, targets[known] == 1), abs=1e-5)
    assert found["before"]["loss"] == pytest.approx(binary_cross_entropy(before, targets[known] * 1.0).mean())
    assert found["after"]["ece"] < found["before"]["ece"] / 2
    assert sum(one.n for one in found["after"]["reliability"]) == known.sum()


def test_binary_cross_entropy__is_finite_at_the_ends_and_nan_where_unknown():
    found = binary_cross_entropy(np.array([0.0, 1.0, 0.5, 0.5]), np.array([1.0, 1.0, 0.0, np.nan]))
    assert 30 < found[0] < 40 and found[1] == pytest.approx(0, abs=1e-12)
    assert found[2] == pytest.approx(np.log(2)) and np.isnan(found[3])
