import warnings

import numpy as np
import pytest

from budwood.core.errors import RunError
from budwood.evaluation.conformal import as_kept, choose_rule, coverage_range, observed_range
from budwood.evaluation.groups import Grouping
from budwood.evaluation.risk_control import (
    choose_label_rule,
    has_labels,
    label_rule,
    missed_in_calibration,
    missed_shares,
)

LABELS = ["a", "b", "c", "d", "e"]


def _made(n, seed, labels=5):
    """Return targets, some unknown and some photos without labels, and probabilities that say something of them."""
    rng = np.random.default_rng(seed)
    shares = rng.beta(0.5, 1.5, (n, labels))
    targets = (rng.random((n, labels)) < shares**1.3).astype(np.float64)
    targets[rng.random((n, labels)) < 0.05] = np.nan
    return targets, as_kept(shares)


def _threshold(targets, shares, coverage, groups=None):
    rule = choose_label_rule(
        targets, shares, LABELS[: targets.shape[1]], coverage, groups=groups and Grouping.of(groups)
    )
    assert len(set(rule.thresholds)) == 1
    return rule.thresholds[0]


@pytest.mark.parametrize("coverage", [0.7, 0.9, 0.95])
def test_choose_label_rule__is_the_highest_that_keeps_the_promise(coverage):
    targets, shares = _made(80, 0)
    own = has_labels(targets)
    found = _threshold(targets, shares, coverage)

    def promised(level):
        lost = missed_shares(targets, shares >= level)[own].sum() + 1
        return lost / (own.sum() + 1) <= 1 - coverage + 1e-9

    assert promised(found)
    assert not any(promised(level) for level in np.unique(shares[shares > found]))


@pytest.mark.parametrize(
    "coverage", [*(pytest.param(one, marks=pytest.mark.slow) for one in (0.6, 0.97)), 0.8, 0.9]
)
def test_choose_label_rule__equals_mapie(coverage):
    risk_control = pytest.importorskip("mapie.risk_control")
    targets, shares = _made(600, 3)
    targets = np.nan_to_num(targets)
    # MAPIE refuses photos without labels.
    targets, shares = targets[has_labels(targets)], shares[has_labels(targets)]
    levels = np.unique(shares[:150])
    between = np.concatenate([[levels[0] / 2], (levels[1:] + levels[:-1]) / 2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = risk_control.MultiLabelClassificationController(
            np.asarray, risk="recall", method="crc", target_level=coverage, predict_params=between
        )
        oracle.calibrate(shares[:150], targets[:150])
        expected = oracle.predict(shares[150:])[:, :, 0]
    sets = choose_label_rule(targets[:150], shares[:150], LABELS, coverage).sets(shares[150:])
    # Between its grid and the next probability of a calibration photo a new one may lie.
    assert (sets != expected).mean() < 0.002
    level = _threshold(targets[:150], shares[:150], coverage)
    assert between[np.searchsorted(between, level) - 1] == pytest.approx(oracle.best_predict_param[0])


def test_choose_label_rule__new_photos_hold_as_much_as_promised():
    held, sizes, inside = [], [], []
    for seed in range(100):
        targets, shares = _made(500, seed)
        # Sixty photos with labels, however many lie between.
        number = np.flatnonzero(has_labels(targets))[60]
        old, new = slice(0, number), slice(number, None)
        rule = choose_label_rule(targets[old], shares[old], LABELS, 0.9)
        assert rule.units == (60,)
        own = has_labels(targets[new])
        held.append(1 - missed_shares(targets[new], rule.sets(shares[new]))[own].mean())
        sizes.append(rule.sets(shares[new]).sum(axis=1).mean())
        missed = missed_in_calibration(targets[old], rule.sets(shares[old]))
        low, high = missed.observed_range(int(own.sum()))
        inside.append(low <= held[-1] <= high)
    # The promise is an expectation, and close to what is needed: within 2 / (m + 1).
    assert 0.9 - 3 * np.std(held) / np.sqrt(100) <= np.mean(held) < 0.9 + 2 / 61
    assert 1 < np.mean(sizes) < 5
    assert np.mean(inside) >= 0.9


def test_choose_label_rule__one_label_a_photo_is_lac():
    rng = np.random.default_rng(0)
    shares = rng.dirichlet([1, 1, 1], 100)
    labels = rng.integers(0, 3, 100)
    for each in (False, True):
        found = choose_label_rule(np.eye(3)[labels], shares, ["a", "b", "c"], 0.9, per_label=each)
        rule = choose_rule(shares, labels, ["a", "b", "c"], 0.9, per_class=each)
        np.testing.assert_array_equal(found.sets(shares), rule.sets(shares))
        assert found.units == rule.units


def test_choose_label_rule__of_each_label_holds_it_so_often():
    seen = []
    for seed in range(100):
        targets, shares = _made(500, seed)
        rule = choose_label_rule(targets[:100], shares[:100], LABELS, 0.8, per_label=True)
        sets = rule.sets(shares[100:])
        seen.append([sets[rows, place].mean() for place, rows in enumerate((targets[100:] == 1).T)])
    # About twenty photos have each label, and a share of them is rounded up.
    assert (np.mean(seen, axis=0) > 0.79).all() and (np.mean(seen, axis=0) < 0.86).all()


def test_choose_label_rule__groups_count_once():
    targets, shares = np.ones((12, 1)), np.array([[0.9]] * 3 + [[0.1]] * 9)
    together = ["a", "b", "c"] + ["d"] * 9
    # Of four groups one may be missed at 2 / 5.
    assert _threshold(targets, shares, 0.6, together) == pytest.approx(0.9)
    assert _threshold(targets, shares, 0.6) == pytest.approx(0.1)


def test_choose_label_rule__photos_without_labels_calibrate_nothing():
    targets, shares = _made(60, 1)
    more = np.vstack([np.zeros((60, 5)), np.full((3, 5), np.nan)])
    both = choose_label_rule(np.vstack([targets, more]), np.vstack([shares, np.ones((63, 5))]), LABELS, 0.9)
    alone = choose_label_rule(targets, shares, LABELS, 0.9)
    assert both.units == alone.units == (has_labels(targets).sum(),)
    np.testing.assert_array_equal(both.thresholds, alone.thresholds)
    assert label_rule(more, np.ones((63, 5)), 0.5) is None


@pytest.mark.parametrize("coverage", [0.0, 1.0, 90.0, float("nan")])
def test_choose_label_rule__refuses_what_is_no_share(coverage):
    with pytest.raises(RunError, match="between 0 and 1, such as 0.9"):
        choose_label_rule(np.ones((50, 1)), np.full((50, 1), 0.5), ["a"], coverage)


def test_choose_label_rule__says_how_many_photos_it_takes():
    targets, shares = np.ones((60, 2)), np.full((60, 2), 0.5)
    targets[50:] = 0
    with pytest.raises(
        RunError, match="of 0.99 needs 99 photos with labels to .* are 50. Give 0.9803 or less"
    ):
        choose_label_rule(targets, shares, LABELS[:2], 0.99)
    choose_label_rule(targets, shares, LABELS[:2], 0.9803)
    groups = Grouping(np.arange(60) // 5)
    with pytest.raises(RunError, match="19 groups of photos with labels .* are 10"):
        choose_label_rule(targets, shares, LABELS[:2], 0.95, groups=groups)
    targets[5:, 1] = 0
    with pytest.raises(
        RunError,
        match="of each label needs 9 photos with each .*; b has 5. Give 0.8333 or less, or do not ask for it per label",
    ):
        choose_label_rule(targets, shares, LABELS[:2], 0.9, per_label=True)
    choose_label_rule(targets, shares, LABELS[:2], 0.8333, per_label=True)
    with pytest.raises(RunError, match="there are 0. Train with more photos"):
        choose_label_rule(np.zeros((60, 2)), shares, LABELS[:2], 0.9)


def test_missed_in_calibration__one_label_a_photo_is_the_beta_distribution():
    sets = np.arange(50)[:, None] >= 4
    found = missed_in_calibration(np.ones((50, 1)), sets)
    assert found.coverage_range() == pytest.approx(coverage_range(50, 0.9))
    # The other is a distribution of whole photos, with the same variance.
    assert found.observed_range(1000) == pytest.approx(observed_range(50, 1000, 0.9), abs=0.002)


def test_missed_in_calibration__shares_vary_less_than_photos():
    # Ten labels a photo, of which nine are held of each: nothing varies but by the photo that is still to come.
    targets = np.ones((50, 10))
    sets = np.tile(np.arange(10) > 0, (50, 1))
    low, high = missed_in_calibration(targets, sets).coverage_range()
    assert 0.84 < low < high < 0.93
    # A photo without labels changes nothing, one of a group does not count by itself.
    more = missed_in_calibration(np.vstack([targets, np.zeros((9, 10))]), np.vstack([sets, sets[:9]]))
    assert more.coverage_range() == (low, high)
    grouped = missed_in_calibration(targets, sets, Grouping(np.arange(50) // 5)).coverage_range()
    assert grouped[0] < low


def test_missed_shares__unknown_labels_are_not_missed():
    targets = np.array([[1.0, np.nan], [1, 1], [0, np.nan]])
    np.testing.assert_array_equal(missed_shares(targets, np.zeros((3, 2), bool)), [1, 1, 0])
    np.testing.assert_array_equal(missed_shares(targets, np.array([[True, False]] * 3)), [0, 0.5, 0])
