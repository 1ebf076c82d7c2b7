import numpy as np
import pytest

from budwood.evaluation.jackknife import Spread, jackknife_interval
from budwood.evaluation.statistics import wilson_interval


def test_spread__of_a_mean_is_its_standard_error_without_bias():
    values = np.random.default_rng(0).random(50)
    without = (values.sum() - values) / 49
    found = Spread.of(values.mean(), without, np.full(10, values.mean()))
    assert found.deviation == pytest.approx(values.std(ddof=1) / np.sqrt(50))
    assert found.bias == pytest.approx(0, abs=1e-12)


def test_spread__finds_the_bias_of_a_variance():
    """Quenouille's example: the bias of a variance by n is all of it."""
    values = np.random.default_rng(0).normal(size=20)
    without = np.array([np.delete(values, place).var() for place in range(20)])
    found = Spread.of(values.var(), without, np.array([]))
    assert values.var() - found.bias == pytest.approx(values.var(ddof=1))


def test_spread__takes_the_larger_deviation_and_leaves_out_what_has_none():
    resampled = np.array([0.2, 0.8, np.nan])
    assert Spread.of(0.5, np.array([0.5, np.nan, 0.5]), resampled).deviation == pytest.approx(0.3)
    assert Spread.of(0.5, np.array([np.nan]), np.array([np.nan])) == Spread(0.0, 0.0)


def test_jackknife_interval__stays_in_its_range_and_holds_the_value():
    for value in (0.001, 0.3, 0.999):
        for bias in (-0.5, 0.0, 0.5):
            low, high = jackknife_interval(value, Spread(bias, 0.2), 20, 19)
            assert 0 <= low <= value <= high <= 1 and low < high
    low, high = jackknife_interval(0.5, Spread(0.0, 0.01), 10_000, 9_999)
    assert (low, high) == pytest.approx((0.4804, 0.5196), abs=1e-4)


def test_jackknife_interval__has_a_width_where_every_answer_is_right():
    low, high = jackknife_interval(1.0, Spread(0.0, 0.0), 10, 1e9)
    assert (low, high) == pytest.approx(wilson_interval(10, 10), abs=1e-6)
    assert jackknife_interval(0.0, Spread(0.0, 0.0), 10, 1e9)[1] == pytest.approx(1 - low)
