"""Predictions on a tree of labels."""

import numpy as np
import pytest

from budwood.core.errors import RunError
from budwood.data.taxonomy import Taxonomy
from budwood.evaluation.climb import Climb, measure_climb
from budwood.evaluation.groups import Grouping
from budwood.evaluation.taxonomy import LabelTree
from budwood.inference.climbing import climb_tree, on_the_tree
from budwood.inference.prediction import Answer, Prediction

TREE = LabelTree(
    Taxonomy({"owl": "bird", "barn": "owl", "elf": "owl", "wren": "bird"}, "bird"), ("barn", "elf", "wren")
)
CLIMB = Climb(TREE, 0.9, {2: 0.8, 1: 0.7})


def predicted(*shares, **options):
    top = int(np.argmax(shares))
    return Prediction(
        "a.jpg", TREE.classes[top], shares[top], dict(zip(TREE.classes, shares, strict=True)), **options
    )


def test_on_the_tree__the_path_with_and_without_a_question():
    found = on_the_tree(predicted(0.5, 0.25, 0.25), TREE, None)
    assert found.path == (("owl", 0.75), ("barn", 0.5)) and found.answer is None
    assert "answer" not in found.to_json() and found.to_json()["path"][0] == {
        "label": "owl",
        "probability": 0.75,
    }
    assert found.in_words() == "barn 50.0%  in owl 75.0%"
    # A wren lies in nothing but the root, which says nothing.
    assert on_the_tree(predicted(0.1, 0.1, 0.8), TREE, None).in_words() == "wren 80.0%"


@pytest.mark.parametrize(
    ("shares", "answer", "words"),
    [
        ((0.85, 0.1, 0.05), Answer("barn", 2, 0.85, ("owl", "barn")), "barn 85.0%  in owl 95.0%"),
        (
            (0.5, 0.25, 0.25),
            Answer("owl", 1, 0.75, ("owl",)),
            "owl 75.0%  (not confident: barn 50.0%  in owl 75.0%)",
        ),
        ((0.25, 0.25, 0.5), Answer(None), "not confident: wren 50.0%"),
    ],
)
def test_on_the_tree__the_deepest_node_that_is_sure_enough(shares, answer, words):
    found = on_the_tree(predicted(*shares, confident=max(shares) >= 0.8), TREE, CLIMB)
    assert found.answer == answer and found.in_words() == words
    told = found.to_json()["answer"]
    assert (
        told is None
        if answer.label is None
        else told["label"] == answer.label and told["depth"] == answer.depth
    )


def test_on_the_tree__out_of_distribution_and_unreadable():
    found = on_the_tree(predicted(0.85, 0.1, 0.05, out_of_distribution=True), TREE, CLIMB)
    assert found.in_words().startswith("none of these (barn")
    broken = Prediction("a.jpg", None, None, {}, "truncated")
    assert on_the_tree(broken, TREE, CLIMB) is broken


def test_climb_tree__chooses_on_validation_and_measures_the_others():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 200)
    shares = rng.dirichlet(np.ones(3), 200) * 0.6 + np.eye(3)[targets] * 0.4
    by_split = {"validation": (shares[:100], targets[:100]), "test": (shares[100:], targets[100:])}
    climb, found = climb_tree(TREE, by_split, {"test": Grouping(np.arange(100))}, 0.95)
    assert climb.precision == 0.95 and list(climb.thresholds) == [2, 1]
    assert {split: sum(one.answered for one in some) for split, some in found.items()} == {
        "validation": 100,
        "test": 100,
    }
    assert found["validation"][0].precision >= 0.95
    assert found["test"] == measure_climb(climb, *by_split["test"]) != found["validation"]


def test_climb_tree__no_depth_is_right_so_often():
    shares = np.tile([0.6, 0.1, 0.3], (20, 1))
    with pytest.raises(
        RunError,
        match="20 validation photos cannot promise.* 90 % of the time.* 10 photos answered .* Give a lower precision",
    ):
        climb_tree(TREE, {"validation": (shares, np.full(20, 2))}, {}, 0.9)


def test_climb_tree__names_a_precision_that_it_can_promise():
    shares = np.tile([0.6, 0.1, 0.3], (45, 1))
    by_split = {"validation": (shares, np.where(np.arange(45) < 44, 0, 2))}
    with pytest.raises(
        RunError, match=r"50 photos answered with a class, without a mistake, would\. Give 0\.955 or less"
    ):
        climb_tree(TREE, by_split, {}, 0.98)
    assert climb_tree(TREE, by_split, {}, 0.955)[0].thresholds[2] == 0.6
    with pytest.raises(RunError, match="at any level of the tree of labels. Give 0.955"):
        climb_tree(TREE, by_split, {}, 1.0)
