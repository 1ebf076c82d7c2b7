"""The interval of the calibration error holds what it promises."""

import numpy as np
import pytest
from scipy.stats import binom

from benchmarks import intervals
from budwood.evaluation.calibration import ece
from budwood.evaluation.calibration_interval import FEWEST_PHOTOS, ece_interval, sum_of_gaps


@pytest.mark.parametrize("error", [0.1, 0.0])
def test_ece_interval__covers_the_truth(error):
    # Always 0.8 sure: every number of right answers that 300 photos are likely to have, weighed by how likely it is.
    photos, held = 300, 0.0
    for right in range(180, 272):
        low, high = ece_interval(np.full(photos, 0.8), np.arange(photos) < right)
        held += binom.pmf(right, photos, 0.8 - error) * (low <= error <= high)
    # Equal tails would hold an error of 0 in 97.5 %.
    assert 0.935 <= held <= 0.965


def test_ece_interval__of_a_calibrated_model_reaches_down_to_nothing():
    rng, reached = np.random.default_rng(0), 0
    for _ in range(20):
        confidence = rng.uniform(0.5, 1, 200)
        correct = rng.random(200) < confidence
        low, high = ece_interval(confidence, correct)
        reached += low < 0.02
        assert low <= ece(confidence, correct) <= high + 1e-12
        assert high < 0.2
    assert reached >= 18


def test_ece_interval__of_few_photos_is_none():
    confidence = np.linspace(0.5, 1, FEWEST_PHOTOS)
    assert ece_interval(confidence[1:], confidence[1:] > 0.6) is None
    assert ece_interval(confidence, confidence > 0.6) is not None


def test_ece_interval__has_a_width_where_every_prediction_is_right():
    low, high = ece_interval(np.full(100, 0.99), np.ones(100, dtype=bool))
    assert low < 0.01 < high < 0.1


def test_ece_interval__widened_is_longer():
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.5, 1, 400)
    correct = rng.random(400) < confidence - 0.1
    (low, high), (lower, higher) = (ece_interval(confidence, correct, wider) for wider in (1.0, 2.0))
    assert lower < low < high < higher


def test_sum_of_gaps__of_one_gap_is_that_of_a_normal_mean():
    assert sum_of_gaps(np.array([-0.2]), np.array([0.02])) == pytest.approx((0.161, 0.239), abs=3e-3)


def test_sum_of_gaps__without_errors_is_the_sum():
    assert sum_of_gaps(np.array([0.1, 0.0, -0.2]), np.zeros(3)) == pytest.approx((0.3, 0.3))


@pytest.mark.slow
@pytest.mark.parametrize("photos", [50, 100, 250, 500, 2_500])
def test_ece_interval__covers_the_truth_everywhere(photos):
    held = list(intervals.of_calibration(photos, 150))
    assert 0.93 <= np.mean(held) <= 0.97 and min(held) >= 0.85, held
