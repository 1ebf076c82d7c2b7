import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from budwood.evaluation.groups import Grouping
from budwood.evaluation.multi_label_differences import (
    Replicates,
    paired_f1_difference,
    paired_map_difference,
)


def two_models(n: int, seed: int, better: float = 0.0, num: int = 3):
    """The same photos, of which both models know part of the same."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((n, num)) < np.linspace(0.4, 0.15, num)).astype(np.float32)
    common = 1.5 * targets + rng.normal(size=(n, num)) * 0.8
    a, b = (common + rng.normal(size=(n, num)) * 0.8 for _ in range(2))
    return targets, 1 / (1 + np.exp(-(a + better * targets))), 1 / (1 + np.exp(-b))


def test_paired_map_difference__is_scikit_learns_difference_with_an_interval():
    targets, a, b = two_models(300, 0, better=1.5)
    found = paired_map_difference(targets, a, b, resamples=500)
    expected = average_precision_score(targets, a) - average_precision_score(targets, b)
    assert found.difference == pytest.approx(expected) and found.n == 300
    assert 0 < found.low < found.difference < found.high and found.p < 0.001
    back = paired_map_difference(targets, b, a, resamples=500)
    assert (back.low, back.high, back.p) == pytest.approx((-found.high, -found.low, found.p))


def test_paired_map_difference__equals_naive_resampling():
    targets, a, b = two_models(150, 1, better=0.3, num=2)
    rng = np.random.default_rng(0)
    naive = []
    for drawn in rng.integers(150, size=(150, 150)):
        truth = targets[drawn]
        naive.append(average_precision_score(truth, a[drawn]) - average_precision_score(truth, b[drawn]))
    found = paired_map_difference(targets, a, b, resamples=2000)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * np.std(naive), rel=0.2)


def test_paired_f1_difference__is_of_what_each_says_at_its_own_thresholds():
    targets, a, b = two_models(300, 2)
    said_a, said_b = a >= [0.6, 0.7, 0.8], b >= 0.5
    found = paired_f1_difference(targets, said_a, said_b, resamples=500)
    expected = f1_score(targets, said_a, average="macro") - f1_score(targets, said_b, average="macro")
    assert found.difference == pytest.approx(expected)
    assert found.low < found.difference < found.high


def test_paired_differences__of_equal_models_are_none_but_not_for_certain():
    targets, a, _ = two_models(100, 3)
    found = paired_map_difference(targets, a, a, resamples=100)
    assert found.difference == 0 and found.p == 1 and found.low < 0 < found.high
    assert found.low == pytest.approx(-found.high, rel=1e-6)


def test_paired_differences__of_groups_are_those_of_so_many_photos():
    targets, a, b = two_models(100, 4, better=0.4)
    once = paired_map_difference(targets, a, b, resamples=400)
    copied = [np.repeat(part, 3, axis=0) for part in (targets, a, b)]
    found = paired_map_difference(*copied, resamples=400, groups=Grouping(np.arange(300) // 3))
    assert found.difference == pytest.approx(once.difference)
    assert found.high - found.low == pytest.approx(once.high - once.low, rel=0.15)
    apart = paired_map_difference(*copied, resamples=400)
    assert apart.high - apart.low < 0.7 * (found.high - found.low)


def test_replicates__of_hardly_any_photo_with_a_label_tell_no_difference():
    targets, a, b = two_models(50, 5)
    targets[:] = (np.arange(50) < 4)[:, None]
    assert paired_map_difference(targets, a, b, resamples=50) is None
    targets[:] = 1
    assert Replicates.of(targets, a, np.full(3, 0.5), resamples=50).fewer == ()
    assert paired_map_difference(targets, a, b, resamples=50) is None


def test_paired_differences__interval_and_p_agree():
    told = []
    for seed in range(30):
        targets, a, b = two_models(60, seed, better=0.5)
        found = paired_map_difference(targets, a, b, resamples=50)
        told.append(found.p < 0.05)
        assert told[-1] == (not found.low <= 0 <= found.high)
    assert 0 < sum(told) < 30


def test_paired_differences__that_few_photos_make_are_less_sure():
    # One photo of twenty with the label is all that moves: no quantile of a hundred degrees of freedom.
    targets = (np.arange(200) % 10 == 0)[:, None].astype(np.float32)
    a = np.linspace(1, 0, 200)[:, None] * 0.5 + targets * 0.5
    b = a.copy()
    b[100] = 0.0
    found = paired_map_difference(targets, a, b, resamples=500)
    # Student's interval of one degree of freedom has no end within [-1, 1] but that of a normal one does.
    assert found.difference > 0.04 and found.p > 0.2 and found.high - found.low > 0.3


@pytest.mark.slow
@pytest.mark.parametrize(("n", "num", "seeds"), [(100, 3, 400), (400, 3, 300), (100, 20, 600)])
def test_paired_map_difference__calls_equally_good_models_different_in_one_of_twenty(n, num, seeds):
    called = {"map": [], "f1": []}
    for seed in range(seeds):
        targets, a, b = two_models(n, seed, num=num)
        called["map"].append(paired_map_difference(targets, a, b, resamples=200).p < 0.05)
        called["f1"].append(paired_f1_difference(targets, a >= 0.7, b >= 0.7, resamples=200).p < 0.05)
    shares = {name: float(np.mean(found)) for name, found in called.items()}
    print(f"{n} photos, {num} labels, called different: {shares}")
    # 5 %, and 2.5 standard errors more.
    assert max(shares.values()) < 0.05 + 2.5 * (0.05 * 0.95 / seeds) ** 0.5
