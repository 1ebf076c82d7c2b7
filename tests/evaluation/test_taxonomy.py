"""Figures on a tree of labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.data.taxonomy import Taxonomy
from budwood.evaluation.groups import Grouping
from budwood.evaluation.statistics import wilson_interval
from budwood.evaluation.taxonomy import LabelTree, score_tree

TREE = LabelTree(
    Taxonomy(
        {
            **{"bird": "", "owl": "bird", "barn": "owl", "elf": "owl", "wren": "bird"},
            **{"cat": "", "lone": "", "mouse": "lone"},
        }
    ),
    ("mouse", "elf", "barn", "cat", "wren"),
)


def test_levels__nodes_of_a_depth_and_classes_above_it():
    one, two, three = TREE.levels
    assert one.nodes == ("lone", "bird", "cat") and one.of_class.tolist() == [0, 1, 1, 2, 1]
    assert one.is_class.tolist() == [False, False, True]
    assert two.nodes == ("mouse", "owl", "cat", "wren")
    # The classes in the order of the outputs, so that the deepest level is the flat answer.
    assert three.nodes == TREE.classes and three.is_class.all()


def test_probabilities__are_sums_over_the_classes_below():
    shares = np.array([[0.1, 0.2, 0.3, 0.25, 0.15]], np.float32)
    assert TREE.levels[0].probabilities(shares)[0] == pytest.approx([0.1, 0.65, 0.25])
    assert TREE.levels[1].probabilities(shares)[0] == pytest.approx([0.1, 0.5, 0.25, 0.15])
    assert TREE.levels[2].probabilities(shares).astype(np.float32).tolist() == shares.tolist()
    path = TREE.path(shares[0], "elf")
    assert [node for node, _ in path] == ["bird", "owl", "elf"]
    assert [share for _, share in path] == pytest.approx([0.65, 0.5, 0.2])


@given(st.integers(0, 2**32 - 1))
def test_score_tree__equals_counting_by_hand(seed):
    rng = np.random.default_rng(seed)
    shares, targets = rng.dirichlet(np.ones(5), 40), rng.integers(0, 5, 40)
    found = score_tree(TREE, shares, targets)
    paths = [TREE.taxonomy.path(label) for label in TREE.classes]
    for level in found.levels:
        right = 0
        for row, target in zip(shares, targets, strict=True):
            sums: dict[str, float] = {}
            for path, share in zip(paths, row, strict=True):
                node = path[: level.depth][-1]
                sums[node] = sums.get(node, 0.0) + share
            right += max(sums, key=sums.__getitem__) == paths[target][: level.depth][-1]
        assert level.accuracy == right / 40
        assert level.accuracy_ci95 == pytest.approx(wilson_interval(right, 40))
    predicted = shares.argmax(axis=1)
    wrong = [(paths[a], paths[b]) for a, b in zip(targets, predicted, strict=True) if a != b]
    within = sum(one[0] == other[0] for one, other in wrong)
    assert (found.mistakes, found.within, found.across) == (len(wrong), within, len(wrong) - within)
    assert sum(one.mistakes for one in found.meet) == len(wrong)
    # Of four other classes a bird has two in its branch, any other class none.
    birds = sum(one[0] == "bird" for one, _ in wrong)
    assert found.within_by_chance == pytest.approx(birds * 2 / 4)


def test_score_tree__branches_count_their_photos():
    shares = np.eye(5)[[1, 2, 4, 3, 0]] * 0.6 + 0.08
    found = score_tree(TREE, shares, np.array([2, 2, 3, 3, 0]))
    bird = next(one for one in found.branches if one.node == "bird")
    assert (bird.classes, bird.n, bird.right_branch, bird.right_class) == (3, 2, 2, 1)
    assert {one.node for one in found.branches} == {"bird", "lone"}
    assert [one.mistakes for one in found.meet] == [1, 0, 1]


def test_score_tree__groups_make_intervals_wider_or_none():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 5, 200)
    shares = np.where(np.eye(5)[targets] > 0, 0.6, 0.1)
    shares[::7] = shares[::7, ::-1]
    alone = score_tree(TREE, shares, targets).levels[0].accuracy_ci95
    grouped = score_tree(TREE, shares, targets, Grouping(np.arange(200) // 5)).levels[0].accuracy_ci95
    assert grouped[1] - grouped[0] > alone[1] - alone[0]
    assert score_tree(TREE, shares, targets, Grouping(np.arange(200) // 50)).levels[0].accuracy_ci95 is None


def test_meeting_depth__deepest_node_above_both():
    mouse, elf, barn, cat, wren = range(5)
    assert TREE.meeting_depth(elf, barn) == 2 and TREE.meeting_depth(elf, wren) == 1
    assert TREE.meeting_depth(mouse, cat) == 0
