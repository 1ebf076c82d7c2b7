import numpy as np
import pytest

from budwood.core.errors import RunError
from budwood.evaluation.conformal import choose_rule, coverage_range, observed_range
from budwood.evaluation.groups import Grouping
from budwood.evaluation.sets import (
    COVERAGES,
    Scored,
    calibrating,
    choose_sets,
    describe_sets,
    observe,
    refuse_unknown_sets,
)
from budwood.evaluation.statistics import wilson_interval

CLASSES = ["a", "b", "c"]


def _made(n, seed=0, groups=None):
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n, 3))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (0.7 * logits + rng.gumbel(size=(n, 3))).argmax(axis=1)
    return Scored.of(shares.astype(np.float32), labels, groups)


def test_describe_sets__is_what_the_rules_do():
    old, new = _made(60), _made(200, seed=1)
    found = describe_sets("validation", old, new, CLASSES)
    assert (found.calibrated_on, found.n, found.groups) == ("validation", 60, None)
    # 60 photos promise 95 %, not 99 %; of each class 90 % at most.
    listed = [(one.sets, one.coverage, one.per_class) for one in found.promised]
    expected = [(0.9, False), (0.95, False), (0.9, True)]
    assert listed == [(kind, *which) for kind in ("lac", "adaptive") for which in expected]
    for one in found.promised:
        rule = choose_rule(
            old.probabilities, old.labels, CLASSES, one.coverage, one.sets, per_class=one.per_class
        )
        sets = rule.sets(new.probabilities)
        right = sets[np.arange(200), new.labels]
        assert one.test.observed == pytest.approx(right.mean())
        assert one.test.observed_ci95 == pytest.approx(wilson_interval(int(right.sum()), 200))
        assert one.test.mean_size == pytest.approx(sets.sum(axis=1).mean())
        assert one.test.empty == pytest.approx((sets.sum(axis=1) == 0).mean())
        assert one.test.single == pytest.approx((sets.sum(axis=1) == 1).mean())
        if one.per_class:
            assert one.threshold is one.coverage_range is one.test.expected_range is None
        else:
            assert one.threshold == rule.thresholds[0]
            assert one.coverage_range == coverage_range(60, one.coverage)
            assert one.test.expected_range == observed_range(60, 200, one.coverage)
        if one.coverage != COVERAGES[0]:
            assert one.test.classes == ()
            continue
        for number, row in enumerate(one.test.classes):
            own = new.labels == number
            assert (row.label, row.n, row.threshold) == (CLASSES[number], own.sum(), rule.thresholds[number])
            assert row.observed == pytest.approx(right[own].mean())
            assert row.mean_size == pytest.approx(sets[own].sum(axis=1).mean())


def test_describe_sets__without_test_or_photos_enough():
    none = describe_sets("validation", _made(60), None, CLASSES)
    assert none.promised and all(one.test is None for one in none.promised)
    few = describe_sets("calibration", _made(8), _made(50), CLASSES)
    assert (few.n, few.promised) == (8, ())


def test_describe_sets__a_class_without_test_photo():
    old, new = _made(60), _made(40)
    there = new.labels != 1
    some = Scored(new.probabilities[there], new.labels[there], Grouping(np.arange(there.sum())))
    row = describe_sets("validation", old, some, CLASSES).promised[0].test.classes[1]
    assert (row.n, row.observed, row.observed_ci95, row.mean_size) == (0, None, None, None)


def test_observe__each_group_counts_once():
    rule = choose_rule(*(lambda one: (one.probabilities, one.labels))(_made(60)), CLASSES, 0.9)
    sets = np.array([[True, True, False], [False, False, False], [True, False, False], [True, False, False]])
    photos = Scored(np.full((4, 3), 1 / 3), np.array([0, 0, 0, 0]), Grouping.of(["", "x", "x", "x"]))
    found = observe(rule, sets, photos, ["a"])
    assert (found.n, found.groups) == (4, 2)
    assert found.observed == pytest.approx((1 + 2 / 3) / 2)
    assert found.mean_size == pytest.approx((2 + 2 / 3) / 2)
    assert (found.empty, found.single) == (pytest.approx(1 / 6), pytest.approx(1 / 3))
    # Two groups say no more than two photos.
    assert found.observed_ci95[1] - found.observed_ci95[0] > 0.6
    assert found.classes[0].observed == pytest.approx(found.observed)


def test_choose_sets__calibration_photos_come_before_validation():
    by_split = {"validation": _made(60), "test": _made(50, 2)}
    assert calibrating(by_split) == "validation"
    chosen = choose_sets(by_split, CLASSES, 0.9)
    assert (chosen.calibrated_on, chosen.n, chosen.test.n) == ("validation", 60, 50)
    assert chosen.coverage_range == coverage_range(60, 0.9)
    by_split["calibration"] = _made(30, 3)
    chosen = choose_sets(by_split, CLASSES, 0.9, "adaptive", per_class=False)
    assert (chosen.calibrated_on, chosen.n, chosen.rule.kind) == ("calibration", 30, "adaptive")
    del by_split["test"]
    per_class = choose_sets(by_split, CLASSES, 0.5, per_class=True)
    assert per_class.test is per_class.coverage_range is None


def test_refuse_unknown_sets__names_those_there_are():
    refuse_unknown_sets("lac")
    with pytest.raises(RunError, match="no sets 'raps'. Give lac or adaptive"):
        refuse_unknown_sets("raps")


def test_choose_sets__names_the_weakest_class_where_each_is_promised():
    by_split = {"validation": _made(60), "test": _made(200, seed=1)}
    assert choose_sets(by_split, CLASSES, 0.9).test.weakest is None
    test = choose_sets(by_split, CLASSES, 0.9, per_class=True).test
    assert test.weakest.observed == min(found.observed for found in test.classes) < test.observed
