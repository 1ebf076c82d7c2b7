"""The deepest node of a tree that is sure enough."""

import numpy as np
import pytest
from scipy.stats import binomtest

from budwood.data.taxonomy import Taxonomy
from budwood.evaluation.climb import Climb, candidates, choose_climb, measure_climb
from budwood.evaluation.groups import Grouping
from budwood.evaluation.promise import promise
from budwood.evaluation.taxonomy import LabelTree

TREE = LabelTree(
    Taxonomy({"owl": "", "barn": "owl", "elf": "owl", "hawk": "", "red": "hawk", "wren": ""}),
    ("barn", "elf", "red", "wren"),
)
SURE, OWL, WREN, UNSURE = (
    [0.9, 0.05, 0.03, 0.02],
    [0.5, 0.45, 0.03, 0.02],
    [0.1, 0.1, 0.1, 0.7],
    [0.3, 0.2, 0.3, 0.2],
)


def test_answers__a_class_else_what_is_above_it_else_nothing():
    climb = Climb(TREE, 0.95, {2: 0.8, 1: 0.6})
    assert [climb.answer(np.array(row)) for row in (SURE, OWL, WREN, UNSURE)] == ["barn", "owl", None, None]
    depth, _ = climb.answers(np.array([SURE, OWL, WREN, UNSURE]))
    # The wren is a class that was not sure enough: that it lies at depth 1 makes it no surer.
    assert depth.tolist() == [2, 1, 0, 0]


def test_answers__what_is_above_every_class_is_none():
    tree = LabelTree(
        Taxonomy({"bird": "life", "owl": "bird", "barn": "owl", "elf": "owl", "wren": "bird"}, "life"),
        ("barn", "elf", "wren"),
    )
    depth, _ = Climb(tree, 0.95, {3: 0.8, 2: 0.8, 1: 0.0}).answers(
        np.array([[0.5, 0.4, 0.1], [0.4, 0.2, 0.4]])
    )
    assert depth.tolist() == [2, 0]


def test_answers__no_threshold_is_no_answer():
    assert Climb(TREE, 0.95, {2: None, 1: 0.6}).answer(np.array(SURE)) == "owl"
    assert Climb(TREE, 0.95, {2: None, 1: None}).answer(np.array(SURE)) is None


def drawn(seed, n=400, skill=1.0):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 4, n)
    logits = rng.normal(0, 1, (n, 4))
    logits[np.arange(n), targets] += skill
    # Owls are told from the others, and not from one another.
    logits[:, :2] += 2.0 * (targets < 2)[:, None]
    shares = np.exp(logits)
    return shares / shares.sum(axis=1, keepdims=True), targets


@pytest.mark.parametrize("precision", [0.8, 0.9, 0.95])
def test_choose_climb__each_depth_is_promised_on_the_photos_that_come_so_far(precision):
    shares, targets = drawn(0, 2000)
    climb = choose_climb(TREE, shares, targets, precision)
    confidence, right, ones = shares.max(axis=1), shares.argmax(axis=1) == targets, np.ones(2000)
    assert climb.thresholds[2] == promise(confidence, right, ones, precision, "average").threshold
    left = confidence < climb.thresholds[2]
    above = candidates(TREE, shares)[1]
    asked, node_right = left & above.possible, above.node == TREE.levels[0].of_class[targets]
    expected = promise(above.probability[asked], node_right[asked], ones[asked], precision, "confidence")
    assert climb.thresholds[1] == expected.threshold and climb.most[1] == expected.most
    found = {one.depth: one for one in measure_climb(climb, shares, targets)}
    assert list(found) == [2, 1, 0]
    assert sum(one.answered for one in found.values()) == 2000
    assert sum(one.coverage for one in found.values()) == pytest.approx(1)
    assert found[2].precision > precision and found[1].precision > precision
    assert found[1].answered > 20, "the case has answers of the depth above"
    assert found[0].precision is None and found[0].precision_interval is None


def test_choose_climb__is_the_lowest_threshold_on_those_left():
    shares, targets = drawn(1, 2000)
    climb = choose_climb(TREE, shares, targets, 0.9)
    left = (shares.max(axis=1) < climb.thresholds[2]) & candidates(TREE, shares)[1].possible
    probability = candidates(TREE, shares)[1].probability[left]
    lower = Climb(
        TREE, 0.9, {2: climb.thresholds[2], 1: probability[probability < climb.thresholds[1]].max()}
    )
    more, fewer = (measure_climb(one, shares, targets)[1] for one in (lower, climb))
    ends = [binomtest(one.correct, one.answered).proportion_ci(0.9, "exact").low for one in (more, fewer)]
    assert more.answered == fewer.answered + 1 and ends[0] < 0.9 <= ends[1]


def test_choose_climb__photos_that_belong_together_promise_less():
    shares, targets = drawn(1, 500, 2.0)
    alone = choose_climb(TREE, shares, targets, 0.9)
    together = choose_climb(
        TREE, np.repeat(shares, 4, axis=0), np.repeat(targets, 4), 0.9, Grouping(np.repeat(np.arange(500), 4))
    )
    assert together.thresholds == alone.thresholds and together.most == pytest.approx(alone.most)
    unknown = choose_climb(TREE, np.repeat(shares, 4, axis=0), np.repeat(targets, 4), 0.9)
    assert unknown.most[1] > alone.most[1]


def test_choose_climb__promises_hold_over_choices_of_validation_photos():
    shares, targets = drawn(6, 20000, 2.0)
    rng, photos = np.random.default_rng(0), np.arange(20000)
    classes, above = [], []
    for _ in range(60):
        chosen = rng.choice(10000, 150, replace=False)
        climb = choose_climb(TREE, shares[chosen], targets[chosen], 0.9)
        new = measure_climb(climb, shares[photos >= 10000], targets[photos >= 10000])
        classes.append(1.0 if new[0].precision is None else new[0].precision)
        above.append(1.0 if new[1].precision is None else new[1].precision)
    assert np.mean(classes) >= 0.9 and min(classes) < 0.9, "on average, not each time"
    assert np.mean(np.array(above) >= 0.9) >= 0.9, "nearly each time"


def test_choose_climb__on_new_photos_near_what_was_asked():
    chosen, truth = drawn(2, 4000)
    climb = choose_climb(TREE, chosen, truth, 0.9)
    new = measure_climb(climb, *drawn(3, 4000))
    assert new[0].precision == pytest.approx(0.9, abs=0.03) and 0.88 <= new[1].precision < 0.95


def test_choose_climb__nothing_is_sure_enough():
    shares, targets = drawn(4, 30)
    climb = choose_climb(TREE, shares, (targets + 2) % 4, 1.0)
    assert climb.thresholds == {2: None, 1: None}
    assert max(climb.most.values()) < 1
    assert [one.answered for one in measure_climb(climb, shares, targets)] == [0, 0, 30]


def test_measure_climb__groups_that_are_too_few_leave_no_interval():
    shares, targets = drawn(5, 100, 3.0)
    climb = choose_climb(TREE, shares, targets, 0.9)
    found = measure_climb(climb, shares, targets, Grouping(np.arange(100) // 20))
    assert found[0].coverage_interval is None and found[0].precision_interval is None
    assert measure_climb(climb, shares, targets)[0].precision_interval is not None
