"""The deepest node of a tree that is sure enough."""

import numpy as np
import pytest

from budwood.data.taxonomy import Taxonomy
from budwood.evaluation.climb import Climb, choose_climb, measure_climb
from budwood.evaluation.groups import Grouping
from budwood.evaluation.selective import choose_threshold
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
def test_choose_climb__each_depth_is_right_as_often_as_asked_on_what_chose_it(precision):
    shares, targets = drawn(0)
    climb = choose_climb(TREE, shares, targets, precision)
    confidence, right = shares.max(axis=1), shares.argmax(axis=1) == targets
    assert climb.thresholds[2] == choose_threshold(confidence, right, precision)
    found = {one.depth: one for one in measure_climb(climb, shares, targets)}
    assert list(found) == [2, 1, 0]
    assert sum(one.answered for one in found.values()) == 400
    assert sum(one.coverage for one in found.values()) == pytest.approx(1)
    assert found[2].precision >= precision and found[1].precision >= precision
    assert found[1].answered > 20, "the case has answers of the depth above"
    assert found[0].precision is None and found[0].precision_interval is None


def test_choose_climb__is_the_lowest_threshold_on_those_left():
    shares, targets = drawn(1)
    climb = choose_climb(TREE, shares, targets, 0.9)
    below = climb.thresholds[1] - 0.03
    lower = Climb(TREE, 0.9, {2: climb.thresholds[2], 1: below})
    more, fewer = (measure_climb(one, shares, targets)[1] for one in (lower, climb))
    assert more.answered > fewer.answered and more.precision < 0.9 <= fewer.precision


def test_choose_climb__on_new_photos_near_what_was_asked():
    chosen, truth = drawn(2, 4000)
    climb = choose_climb(TREE, chosen, truth, 0.9)
    new = measure_climb(climb, *drawn(3, 4000))
    assert new[0].precision == pytest.approx(0.9, abs=0.03) and new[1].precision == pytest.approx(
        0.9, abs=0.03
    )


def test_choose_climb__nothing_is_sure_enough():
    shares, targets = drawn(4, 30)
    climb = choose_climb(TREE, shares, (targets + 2) % 4, 1.0)
    assert climb.thresholds == {2: None, 1: None}
    assert [one.answered for one in measure_climb(climb, shares, targets)] == [0, 0, 30]


def test_measure_climb__groups_that_are_too_few_leave_no_interval():
    shares, targets = drawn(5, 100)
    climb = choose_climb(TREE, shares, targets, 0.9)
    found = measure_climb(climb, shares, targets, Grouping(np.arange(100) // 20))
    assert found[0].coverage_interval is None and found[0].precision_interval is None
    assert measure_climb(climb, shares, targets)[0].precision_interval is not None
