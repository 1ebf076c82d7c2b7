"""Intervals and tests held against data whose truth is known, over a grid of accuracies and sizes.

Intervals: mean coverage over the grid 95 % ± 1. Tests: what is the same is called different in at most 5 % of cases.
What was found is printed (`pytest -s`): exact tests are conservative.
"""

from functools import cache

import numpy as np
import pytest
from scipy.stats import binom

from budwood.evaluation.statistics import (
    corrected_resampled_t,
    paired_bootstrap,
    paired_difference,
    paired_permutation,
    wilson_interval,
)

ACCURACIES = (0.7, 0.85, 0.92, 0.97)
SIZES = (50, 100, 367, 1000)
GRID = [(accuracy, size) for accuracy in ACCURACIES for size in SIZES]
SIMULATIONS = 400


def tables(accuracy: float, gap: float, size: int, rng, number: int = SIMULATIONS):
    """How many photos a alone and b alone has right; half of b's mistakes are a's too."""
    only_b = (1 - accuracy) / 2
    shares = [only_b + gap, only_b, 1 - 2 * only_b - gap]
    return rng.multinomial(size, shares, size=number)[:, :2]


@cache
def of_table(only_a: int, only_b: int, size: int):
    a, b = np.zeros(size, bool), np.zeros(size, bool)
    a[only_b:] = True
    b[:only_b] = True
    b[only_b + only_a :] = True
    return paired_difference(a, b)


@pytest.mark.slow
def test_wilson_interval__mean_coverage():
    found = []
    for accuracy, size in GRID:
        counts = range(size + 1)
        held = [low <= accuracy <= high for low, high in (wilson_interval(k, size) for k in counts)]
        found.append(float(binom.pmf(counts, size, accuracy) @ held))
    print(f"Wilson: {min(found):.3f} to {max(found):.3f}, mean {np.mean(found):.4f}")
    assert abs(np.mean(found) - 0.95) < 0.01


@pytest.mark.slow
def test_paired_difference__mean_coverage():
    rng = np.random.default_rng(0)
    found = []
    for accuracy, size in GRID:
        for gap in (0.0, 0.02):
            pairs = [of_table(a, b, size) for a, b in tables(accuracy, gap, size, rng)]
            found.append(np.mean([pair.low <= gap <= pair.high for pair in pairs]))
    print(f"Tango: {min(found):.3f} to {max(found):.3f}, mean {np.mean(found):.4f}")
    assert abs(np.mean(found) - 0.95) < 0.01


@pytest.mark.slow
def test_mcnemar__size():
    rng = np.random.default_rng(1)
    found = [
        np.mean([of_table(a, b, size).p < 0.05 for a, b in tables(accuracy, 0.0, size, rng, 1000)])
        for accuracy, size in GRID
    ]
    print(f"McNemar, size: {min(found):.3f} to {max(found):.3f}, mean {np.mean(found):.4f}")
    # Of each the simulation's own error allows two points more.
    assert max(found) < 0.07 and np.mean(found) < 0.05


def test_paired_bootstrap__mean_coverage_of_several_trainings():
    rng = np.random.default_rng(2)
    found = []
    for size in (100, 367):
        held = 0
        for _ in range(200):
            chance = rng.beta(6, 1, size)
            a, b = ((rng.random((3, size)) < chance + gap).mean(axis=0) for gap in (0.0, 0.0))
            low, high = paired_bootstrap(a, b, resamples=1000)
            held += low <= 0 <= high
        found.append(held / 200)
    print(f"Bootstrap over photos: {found}")
    assert 0.92 < np.mean(found) < 0.98


def test_paired_permutation__size_over_photos_of_several_trainings():
    rng = np.random.default_rng(3)
    found = []
    for size in (100, 367):
        called = 0
        for _ in range(200):
            chance = rng.beta(6, 1, size)
            a, b = ((rng.random((3, size)) < chance).mean(axis=0) for _ in range(2))
            called += paired_permutation(a, b, resamples=199) < 0.05
        found.append(called / 200)
    print(f"Exchange within photos, size: {found}")
    assert np.mean(found) < 0.075


def test_corrected_resampled_t__size_where_two_ways_of_learning_are_equally_good():
    """Nearest means on either half of features that say equally much: neither is better, by symmetry."""
    rng = np.random.default_rng(4)
    found = {}
    for spread in (1.0, 2.0):
        called = plain = 0
        for _ in range(SIMULATIONS):
            labels = np.arange(150) % 2
            features = rng.normal(labels[:, None] * 0.9, spread, size=(150, 10))
            gaps = []
            for _ in range(5):
                order = rng.permutation(150)
                train, test = order[:135], order[135:]
                right = [
                    nearest_mean(features[:, half], labels, train, test) for half in (slice(5), slice(5, 10))
                ]
                gaps.append(right[0] - right[1])
            called += corrected_resampled_t(gaps, 135, 15)[3] < 0.05
            plain += corrected_resampled_t(gaps, 10**9, 1)[3] < 0.05
        found[spread] = called / SIMULATIONS, plain / SIMULATIONS
    print(f"corrected resampled t, size (and without the correction): {found}")
    assert max(corrected for corrected, _ in found.values()) < 0.07
    assert np.mean([corrected for corrected, _ in found.values()]) <= 0.05


def nearest_mean(features, labels, train, test) -> float:
    means = np.stack([features[train][labels[train] == label].mean(axis=0) for label in (0, 1)])
    nearest = ((features[test][:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    return float((nearest == labels[test]).mean())
