"""Intervals of photos that belong together hold what they promise, on simulated groups whose truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.evaluation import metrics
from budwood.evaluation.groups import (
    MIN_GROUPS,
    Grouping,
    cautious_range,
    grouped_difference,
    grouped_interval,
    rare_groups,
)
from budwood.evaluation.statistics import paired_difference, wilson_interval, wilson_score

CLASSES = ["a", "b", "c", "d"]
SHARES = ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "weighted_precision", "weighted_recall")


def compute_metrics(*arguments, **options):
    """The figures as they stand in a file."""
    return metrics.compute_metrics(*arguments, **options).to_json()


def draw_sizes(rng, num: int, kind: str):
    if kind == "equal":
        return np.full(num, 10)
    if kind == "geometric":
        return rng.geometric(1 / 8, num)
    return np.minimum(1 + rng.pareto(1.2, num) * 3, 200).astype(int)


def draw_shares(rng, num: int, share: float, correlation: float):
    """Of each group how often it is right: the correlation within groups is that of a beta-binomial."""
    if correlation == 0:
        return np.full(num, share)
    size = (1 - correlation) / correlation
    return np.clip(np.nan_to_num(rng.beta(share * size, (1 - share) * size, num), nan=share), 0, 1)


def draw(rng, num: int, share: float, correlation: float, kind: str):
    sizes = draw_sizes(rng, num, kind)
    numbers = np.repeat(np.arange(num), sizes)
    return Grouping(numbers), rng.random(len(numbers)) < draw_shares(rng, num, share, correlation)[numbers]


def coverage(num: int, share: float, correlation: float, kind: str, repeats: int, seed: int = 0) -> float:
    rng, hits = np.random.default_rng(seed), 0
    for _ in range(repeats):
        groups, correct = draw(rng, num, share, correlation, kind)
        low, high = grouped_interval(correct, groups)
        hits += low <= share <= high
    return hits / repeats


@pytest.mark.parametrize("kind", ["equal", "geometric", "unequal"])
@pytest.mark.parametrize("num", [MIN_GROUPS, pytest.param(100, marks=pytest.mark.slow)])
def test_grouped_interval__holds_the_truth(num, kind):
    # The worst of the whole grid, which is in the slow tier; 0.93 less two standard errors of 400 repeats.
    for share, correlation in ((0.98, 0.8), (0.5, 0.8), (0.9, 0.3)):
        assert coverage(num, share, correlation, kind, 400) >= 0.905


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["equal", "geometric", "unequal"])
@pytest.mark.parametrize("correlation", [0, 0.1, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("share", [0.5, 0.8, 0.9, 0.95, 0.98])
def test_grouped_interval__holds_the_truth_everywhere(share, correlation, kind):
    for num in (MIN_GROUPS, 30, 50, 100, 200):
        assert coverage(num, share, correlation, kind, 1500) >= 0.925, num


def test_independent_intervals_would_not():
    # What a simulation must be able to show: photos taken for independent ones.
    rng, hits = np.random.default_rng(0), 0
    for _ in range(300):
        _, correct = draw(rng, 30, 0.9, 0.8, "equal")
        low, high = wilson_interval(int(correct.sum()), len(correct))
        hits += low <= 0.9 <= high
    assert hits / 300 < 0.7


def draw_pair(rng, num: int, only_a: float, only_b: float, correlation: float):
    sizes = draw_sizes(rng, num, "geometric")
    mean = np.array([only_a, only_b, 1 - only_a - only_b])
    shares = (
        rng.dirichlet(mean * (1 - correlation) / correlation, num) if correlation else np.tile(mean, (num, 1))
    )
    kinds = np.concatenate(
        [rng.choice(3, size, p=p / p.sum()) for size, p in zip(sizes, shares, strict=True)]
    )
    return Grouping(np.repeat(np.arange(num), sizes)), kinds != 1, kinds != 0


@pytest.mark.parametrize(
    "correlation", [pytest.param(0, marks=pytest.mark.slow), 0.3, pytest.param(0.8, marks=pytest.mark.slow)]
)
def test_grouped_difference__holds_the_truth(correlation):
    rng, hits = np.random.default_rng(1), 0
    for _ in range(60):
        groups, a, b = draw_pair(rng, 50, 0.2, 0.15, correlation)
        found = grouped_difference(a, b, groups)
        hits += found.low <= 0.05 <= found.high
    assert hits / 60 >= 0.88


def test_grouped_difference__p_is_small_as_often_as_it_says():
    rng, small = np.random.default_rng(2), 0
    for _ in range(80):
        groups, a, b = draw_pair(rng, 40, 0.15, 0.15, 0.6)
        small += grouped_difference(a, b, groups).p < 0.05
    assert small / 80 <= 0.1


def simulate(rng, num: int, share: float, correlation: float, kind: str):
    groups, right = draw(rng, num, share, correlation, kind)
    labels = rng.permutation(np.arange(num) % len(CLASSES))[groups.numbers]
    wrong = (labels + rng.integers(1, len(CLASSES), len(labels))) % len(CLASSES)
    confidence = np.where(rng.random(len(labels)) < 0.7, 0.95, 0.7)
    probabilities = np.repeat(((1 - confidence) / (len(CLASSES) - 1))[:, None], len(CLASSES), axis=1)
    probabilities[np.arange(len(labels)), np.where(right, labels, wrong)] = confidence
    return labels, probabilities, groups


def coverage_of_scores(num, share, correlation, kind, repeats):
    """Of every score how far the share of stated intervals that hold it is above 0.93 less 1.5 standard errors."""
    loss = -sum(
        weight * (share * np.log(c) + (1 - share) * np.log((1 - c) / 3))
        for weight, c in ((0.7, 0.95), (0.3, 0.7))
    )
    truth = {
        **dict.fromkeys(SHARES, share),
        "loss": loss,
        "ece": 0.7 * abs(0.95 - share) + 0.3 * abs(0.7 - share),
    }
    rng, hits, stated = np.random.default_rng(3), dict.fromkeys(truth, 0), dict.fromkeys(truth, 0)
    for _ in range(repeats):
        labels, probabilities, groups = simulate(rng, num, share, correlation, kind)
        found = compute_metrics(labels, probabilities, CLASSES, resamples=300, groups=groups)
        for name, value in truth.items():
            if (interval := found[f"{name}_ci95"]) is not None:
                stated[name] += 1
                hits[name] += interval[0] <= value <= interval[1]
    return {
        name: hits[name] / stated[name] - (0.93 - 1.5 * np.sqrt(0.93 * 0.07 / stated[name]))
        for name in truth
        if stated[name]
    }


@pytest.mark.slow
def test_compute_metrics__intervals_of_groups_hold_the_truth():
    found = coverage_of_scores(40, 0.9, 0.5, "geometric", 60)
    assert min(found.values()) >= 0, found


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["equal", "geometric", "unequal"])
@pytest.mark.parametrize("correlation", [0, 0.3, 0.8])
@pytest.mark.parametrize("share", [0.8, 0.95])
def test_compute_metrics__intervals_of_groups_hold_the_truth_everywhere(share, correlation, kind):
    for num in (MIN_GROUPS, 50):
        found = coverage_of_scores(num, share, correlation, kind, 250)
        assert min(found.values()) >= 0, (num, found)


def test_compute_metrics__groups_of_one_photo_change_nothing():
    rng = np.random.default_rng(0)
    labels, probabilities, _ = simulate(rng, 60, 0.8, 0, "equal")
    names = [f"photo {number}" for number in range(len(labels))]
    alone = compute_metrics(labels, probabilities, CLASSES, resamples=300)
    assert compute_metrics(labels, probabilities, CLASSES, resamples=300, groups=Grouping.of(names)) == alone
    assert "groups" not in alone


def test_compute_metrics__states_no_interval_of_too_few_groups():
    labels, probabilities, groups = simulate(np.random.default_rng(0), MIN_GROUPS - 1, 0.8, 0.5, "equal")
    found = compute_metrics(labels, probabilities, CLASSES, resamples=300, groups=groups)
    assert all(value is None for name, value in found.items() if name.endswith("_ci95"))
    low, high = found["groups"]["accuracy_range"]
    assert found["groups"]["num"] == MIN_GROUPS - 1
    assert low < found["accuracy"] < high
    assert high - low > 0.25


def test_compute_metrics__a_few_copies_hardly_count():
    rng = np.random.default_rng(0)
    labels, probabilities, _ = simulate(rng, 60, 0.9, 0, "equal")
    numbers = np.arange(len(labels))
    numbers[-2:] = numbers[-3]
    alone = compute_metrics(labels, probabilities, CLASSES, resamples=1000)
    copies = compute_metrics(labels, probabilities, CLASSES, resamples=1000, groups=Grouping(numbers))
    for name in (*SHARES, "loss"):
        for one, other in zip(alone[f"{name}_ci95"], copies[f"{name}_ci95"], strict=True):
            assert one == pytest.approx(other, abs=0.02), name


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=2, max_size=80), st.randoms())
@settings(max_examples=80, deadline=None)
def test_grouped_interval__holds_the_share_and_forgets_the_order(photos, random):
    def interval(some):
        names, correct = zip(*some, strict=True)
        return grouped_interval(np.array(correct), Grouping.of([str(name) for name in names]))

    low, high = interval(photos)
    share = np.mean([correct for _, correct in photos])
    assert 0 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1
    shuffled = list(photos)
    random.shuffle(shuffled)
    assert interval(shuffled) == pytest.approx((low, high), abs=1e-9)


def test_grouped_interval__is_no_shorter_than_that_of_independent_photos():
    rng = np.random.default_rng(5)
    for correlation in (0, 0.4, 0.9):
        groups, correct = draw(rng, 60, 0.85, correlation, "geometric")
        low, high = grouped_interval(correct, groups)
        alone = wilson_interval(int(correct.sum()), len(correct))
        assert high - low >= alone[1] - alone[0] - 1e-12


def test_grouping__a_photo_without_a_group_is_one_of_its_own():
    groups = Grouping.of(["a", "", "b", "a", ""])
    assert groups.numbers.tolist() == [0, 1, 2, 0, 3]
    assert groups.num == 4
    assert not groups.single
    assert Grouping.of(["", ""]).single


def test_grouping__effective_number_is_that_of_equal_groups():
    assert Grouping(np.repeat(np.arange(12), 5)).effective == pytest.approx(12)


def test_rare_groups__of_what_is_always_right_is_none():
    groups = Grouping(np.repeat(np.arange(30), 4))
    correct = np.ones(120, dtype=bool)
    assert rare_groups(correct, groups) == 0
    low, high = grouped_interval(correct, groups)
    # No more certain than of thirty photos that are all right.
    assert high == 1
    assert low == pytest.approx(wilson_score(1.0, 30, 2.045)[0], abs=1e-3)
    assert cautious_range(correct, groups) == pytest.approx((low, high))


def test_grouped_difference__of_single_photos_is_near_the_paired_one():
    rng = np.random.default_rng(6)
    a, b = rng.random(400) < 0.9, rng.random(400) < 0.85
    grouped, alone = grouped_difference(a, b, Grouping(np.arange(400))), paired_difference(a, b)
    assert grouped.difference == alone.difference
    assert (grouped.low, grouped.high) == pytest.approx((alone.low, alone.high), abs=2e-3)
    assert grouped.p == pytest.approx(alone.p, abs=0.03)
