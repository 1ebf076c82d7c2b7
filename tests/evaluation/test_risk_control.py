import numpy as np
import pytest

from budwood.core.errors import RunError
from budwood.evaluation.groups import Grouping
from budwood.evaluation.risk_control import (
    choose_label_threshold,
    label_sets,
    measure_label_sets,
    missed,
)


def _made(n, seed, labels=5):
    """Return targets, some unknown and some photos without labels, and probabilities that say something of them."""
    rng = np.random.default_rng(seed)
    shares = rng.beta(0.5, 1.5, (n, labels))
    targets = (rng.random((n, labels)) < shares**1.3).astype(np.float64)
    targets[rng.random((n, labels)) < 0.05] = np.nan
    return targets, shares


@pytest.mark.parametrize("risk", [0.05, 0.1, 0.3])
def test_choose_label_threshold__is_the_highest_that_keeps_the_promise(risk):
    targets, shares = _made(80, 0)
    found = choose_label_threshold(targets, shares, risk)
    promised = lambda level: (missed(targets, shares, level).sum() + 1) / 81 <= risk + 1e-9  # noqa: E731
    assert promised(found)
    higher = np.unique(shares[shares > found + 1e-5])
    assert not any(promised(level) for level in higher)


def test_choose_label_threshold__new_photos_miss_no_more():
    lost, sizes = [], []
    for seed in range(100):
        targets, shares = _made(300, seed)
        level = choose_label_threshold(targets[:60], shares[:60], 0.1)
        found = measure_label_sets(targets[60:], shares[60:], level)
        lost.append(found.missed)
        sizes.append(found.mean_size)
    # The promise is an expectation, and close to what is needed: within 2 / (m + 1).
    assert 0.1 - 2 / 61 < np.mean(lost) <= 0.1 + 3 * np.std(lost) / np.sqrt(100)
    assert 1 < np.mean(sizes) < 5


def test_choose_label_threshold__one_label_a_photo_is_lac():
    from budwood.evaluation.conformal import choose_rule

    rng = np.random.default_rng(0)
    shares = rng.dirichlet([1, 1, 1], 100)
    labels = rng.integers(0, 3, 100)
    level = choose_label_threshold(np.eye(3)[labels], shares, 0.1)
    rule = choose_rule(shares, labels, ["a", "b", "c"], 0.9)
    np.testing.assert_array_equal(label_sets(shares, level), rule.sets(shares))


def test_choose_label_threshold__groups_count_once():
    targets, shares = np.ones((12, 1)), np.array([[0.9]] * 3 + [[0.1]] * 9)
    together = Grouping.of(["a", "b", "c"] + ["d"] * 9)
    # Of four groups one may be missed at 2 / 5.
    assert choose_label_threshold(targets, shares, 0.4, together) == pytest.approx(0.9)
    assert choose_label_threshold(targets, shares, 0.4) == pytest.approx(0.1)


def test_choose_label_threshold__photos_without_labels_lose_nothing():
    targets, shares = _made(60, 1)
    none = np.zeros((60, 5))
    level = choose_label_threshold(none, shares, 0.1)
    assert level == 1
    assert missed(none, shares, level).max() == 0
    unknown = np.full((60, 5), np.nan)
    assert choose_label_threshold(unknown, shares, 0.1) == 1
    # Beside photos that lose nothing more may be missed of the others.
    assert choose_label_threshold(np.vstack([targets, none]), np.vstack([shares, shares]), 0.1) > (
        choose_label_threshold(targets, shares, 0.1)
    )


@pytest.mark.parametrize("risk", [0.0, 1.0, 10.0, float("nan")])
def test_choose_label_threshold__refuses_what_is_no_share(risk):
    with pytest.raises(RunError, match="between 0 and 1, such as 0.1"):
        choose_label_threshold(np.ones((50, 1)), np.full((50, 1), 0.5), risk)


def test_choose_label_threshold__says_how_many_photos_it_takes():
    targets, shares = _made(50, 0)
    with pytest.raises(
        RunError, match="more than 0.01 of the labels takes 99 photos .* are 50. Allow 0.0196"
    ):
        choose_label_threshold(targets, shares, 0.01)
    choose_label_threshold(targets, shares, 0.0197)
    with pytest.raises(RunError, match="19 groups of photos .* are 10"):
        choose_label_threshold(targets, shares, 0.05, Grouping(np.arange(50) // 5))


def test_measure_label_sets__counts_each_group_once():
    targets, shares = np.array([[1.0, 1], [1, 0], [1, 0]]), np.array([[0.9, 0.1], [0.2, 0.1], [0.9, 0.9]])
    found = measure_label_sets(targets, shares, 0.5)
    assert (found.n, found.missed, found.mean_size) == (3, 0.5, 1.0)
    assert found.empty == pytest.approx(1 / 3)
    grouped = measure_label_sets(targets, shares, 0.5, Grouping.of(["a", "b", "b"]))
    assert (grouped.missed, grouped.mean_size, grouped.empty) == (0.5, 1.0, 0.25)
