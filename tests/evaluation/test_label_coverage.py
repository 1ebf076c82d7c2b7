import numpy as np
import pytest

from budwood.evaluation.conformal import coverage_range
from budwood.evaluation.groups import Grouping
from budwood.evaluation.label_coverage import (
    ScoredLabels,
    choose_label_sets,
    describe_label_sets,
    observe_label_sets,
)
from budwood.evaluation.risk_control import LabelSetRule, choose_label_rule, has_labels, missed_shares
from budwood.evaluation.statistics import wilson_interval

LABELS = ["a", "b", "c"]


def _made(n, seed=0, groups=None):
    rng = np.random.default_rng(seed)
    shares = rng.beta(0.5, 1.0, (n, 3)).astype(np.float32)
    targets = (rng.random((n, 3)) < shares).astype(np.float32)
    return ScoredLabels.of(shares, targets, groups)


def test_describe_label_sets__is_what_the_rules_do():
    old, new = _made(60), _made(200, seed=1)
    found = describe_label_sets({"validation": old, "test": new}, LABELS)
    with_labels = int(has_labels(old.targets).sum())
    assert (found.calibrated_on, found.n, found.with_labels, found.groups) == (
        "validation",
        60,
        with_labels,
        None,
    )
    assert 19 <= with_labels < 60
    assert [(one.coverage, one.per_label) for one in found.promised][:2] == [(0.9, False), (0.95, False)]
    assert (0.9, True) in [(one.coverage, one.per_label) for one in found.promised]
    for one in found.promised:
        rule = choose_label_rule(
            old.targets, old.probabilities, LABELS, one.coverage, per_label=one.per_label
        )
        sets, own = rule.sets(new.probabilities), has_labels(new.targets)
        assert (one.test.n, one.test.with_labels) == (200, own.sum())
        assert one.test.observed == pytest.approx(1 - missed_shares(new.targets, sets)[own].mean())
        low, high = one.test.observed_ci95
        assert low < one.test.observed < high
        assert one.test.mean_size == pytest.approx(sets.sum(axis=1).mean())
        assert one.test.mean_labels == pytest.approx(new.targets.sum(axis=1).mean())
        assert one.test.empty == pytest.approx((sets.sum(axis=1) == 0).mean())
        if one.per_label:
            assert one.threshold is one.coverage_range is one.test.expected_range is None
        else:
            assert one.threshold == rule.thresholds[0]
            assert one.coverage_range[0] < one.coverage < one.coverage_range[1]
            # Of so many test photos more is possible than of the rule itself.
            assert one.test.expected_range[0] < one.coverage_range[0]
        if one.coverage != 0.9:
            assert one.test.labels == ()
            continue
        for place, row in enumerate(one.test.labels):
            rows = new.targets[:, place] == 1
            held = sets[rows, place]
            assert (row.label, row.n, row.threshold) == (LABELS[place], rows.sum(), rule.thresholds[place])
            assert row.observed == pytest.approx(held.mean())
            assert row.observed_ci95 == pytest.approx(wilson_interval(int(held.sum()), len(held)))
            assert row.in_sets == pytest.approx(sets[:, place].mean())
            expected = coverage_range(int((old.targets[:, place] == 1).sum()), 0.9)
            assert row.coverage_range == (expected if one.per_label else None)


def test_describe_label_sets__without_test_or_photos_enough():
    none = describe_label_sets({"validation": _made(60)}, LABELS)
    assert none.promised and all(one.test is None for one in none.promised)
    few = describe_label_sets({"calibration": _made(8), "validation": _made(60), "test": _made(50)}, LABELS)
    assert (few.calibrated_on, few.n, few.promised) == ("calibration", 8, ())


def test_observe_label_sets__photos_without_labels_count_in_sizes_alone():
    rule = LabelSetRule(0.9, False, np.full(3, 0.5), (20,))
    shares = np.array([[0.9, 0.1, 0.1], [0.1, 0.1, 0.1], [0.9, 0.9, 0.1]])
    some = ScoredLabels.of(shares, np.array([[1.0, 1, 0], [0, 0, 0], [0, 0, 0]]))
    found = observe_label_sets(rule, None, some, LABELS)
    assert (found.n, found.with_labels, found.observed) == (3, 1, 0.5)
    assert (found.mean_size, found.mean_labels) == (1.0, pytest.approx(2 / 3))
    assert found.empty == pytest.approx(1 / 3)
    assert [row.observed for row in found.labels] == [1.0, 0.0, None]
    assert found.labels[2].observed_ci95 is None
    none = observe_label_sets(rule, None, ScoredLabels.of(shares, np.zeros((3, 3))))
    assert none.observed is none.observed_ci95 is None and none.mean_size == 1.0


def test_observe_label_sets__each_group_counts_once():
    rule = LabelSetRule(0.9, False, np.full(1, 0.5), (20,))
    shares = np.array([[0.9], [0.1], [0.9], [0.9]])
    found = observe_label_sets(
        rule, None, ScoredLabels.of(shares, np.ones((4, 1)), Grouping.of(["", "x", "x", "x"])), ["a"]
    )
    assert (found.n, found.groups) == (4, 2)
    assert found.observed == pytest.approx((1 + 2 / 3) / 2) == pytest.approx(found.labels[0].observed)
    assert found.empty == pytest.approx(1 / 6)
    assert found.observed_ci95[1] - found.observed_ci95[0] > 0.5


def test_observe_label_sets__interval_holds_the_share():
    rng, inside = np.random.default_rng(0), []
    rule = LabelSetRule(0.9, False, np.full(5, 0.25), (20,))
    large = rng.random((20_000, 5))
    truth = 0.75
    for start in range(0, 20_000, 100):
        some = ScoredLabels(large[start : start + 100], np.ones((100, 5)), Grouping(np.arange(100)))
        found = observe_label_sets(rule, None, some)
        inside.append(found.observed_ci95[0] <= truth <= found.observed_ci95[1])
        # Of five labels a photo it is known far better than of one.
        assert found.observed_ci95[1] - found.observed_ci95[0] < 0.12
    assert np.mean(inside) > 0.9


def test_choose_label_sets__calibration_photos_come_before_validation():
    by_split = {"validation": _made(60), "test": _made(50, 2)}
    chosen = choose_label_sets(by_split, LABELS, 0.9)
    assert (chosen.calibrated_on, chosen.n, chosen.test.n) == ("validation", 60, 50)
    assert chosen.coverage_range == describe_label_sets(by_split, LABELS).promised[0].coverage_range
    by_split["calibration"] = _made(40, 3)
    chosen = choose_label_sets(by_split, LABELS, 0.8)
    assert (chosen.calibrated_on, chosen.n) == ("calibration", 40)
    del by_split["test"]
    each = choose_label_sets(by_split, LABELS, 0.5, per_label=True)
    assert each.test is each.coverage_range is None and len(each.rule.units) == 3


def test_choose_label_sets__names_the_weakest_label_where_each_is_promised():
    by_split = {"validation": _made(60), "test": _made(200, seed=1)}
    assert choose_label_sets(by_split, LABELS, 0.9).test.weakest is None
    test = choose_label_sets(by_split, LABELS, 0.9, per_label=True).test
    assert test.weakest.observed == min(found.observed for found in test.labels)
