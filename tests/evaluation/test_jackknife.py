import numpy as np
import pytest

from budwood.evaluation.jackknife import Spread, degrees_of_mean, degrees_of_spread, jackknife_interval
from budwood.evaluation.statistics import wilson_interval


def test_spread__of_a_mean_is_its_standard_error_without_bias():
    values = np.random.default_rng(0).random(50)
    without = (values.sum() - values) / 49
    found = Spread.of(values.mean(), without, np.full(10, values.mean()), share=False)
    assert found.deviation == pytest.approx(values.std(ddof=1) / np.sqrt(50))
    assert found.bias == pytest.approx(0, abs=1e-12)


def test_spread__finds_the_bias_of_a_variance():
    """Quenouille's example: the bias of a variance by n is all of it."""
    values = np.random.default_rng(0).normal(size=20)
    without = np.array([np.delete(values, place).var() for place in range(20)])
    found = Spread.of(values.var(), without, np.array([]), share=False)
    assert values.var() - found.bias == pytest.approx(values.var(ddof=1))


def test_spread__of_a_share_near_its_end_is_as_wide_as_its_logit_asks():
    without = np.array([0.98, 0.96, 0.99, 1.0, 0.97])
    raw, share = (Spread.of(0.98, without, np.array([]), share=way) for way in (False, True))
    logits = np.clip(np.log(without[:3] / (1 - without[:3])), None, 5.9)
    assert share.deviation > raw.deviation and share.bias == raw.bias
    assert share.deviation > 0.98 * 0.02 * np.sqrt(4 * logits.var())
    inner = Spread.of(0.5, np.array([0.49, 0.5, 0.51]), np.array([]))
    assert inner.deviation == pytest.approx(np.sqrt(2) * np.std([0.49, 0.5, 0.51]), rel=1e-3)


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


def test_degrees_of_mean__are_those_of_the_labels_with_the_fewest_photos():
    assert degrees_of_mean([20] * 5) == pytest.approx(5 * 19)
    assert degrees_of_mean([20]) == pytest.approx(19)
    assert 4 < degrees_of_mean([500, 500, 5]) < 4.3
    assert degrees_of_mean([1]) == 0.5


def test_degrees_of_spread__are_as_many_as_photos_that_make_it():
    values = np.random.default_rng(0).normal(size=2000)
    assert degrees_of_spread(values) == pytest.approx(2000, rel=0.15)
    assert degrees_of_spread(np.append(np.zeros(500), [1.0, -1.0, np.nan])) == pytest.approx(4, rel=0.02)
    # What is alike, or of one size, tells nothing of how sure its deviation is.
    assert degrees_of_spread(np.ones(9)) == degrees_of_spread(np.array([0.0, 1.0])) == np.inf
