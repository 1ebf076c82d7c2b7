"""Figures on a tree of labels: the probability of an inner node is the sum over its classes; levels; mistakes.

The level of a depth has the nodes of that depth and the classes that lie less deep, so that every photo has one right
node on each level. At the greatest depth are all classes and nothing else.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from budwood.data.taxonomy import Taxonomy
from budwood.evaluation.figures import BranchScores, LevelScores, MeetingPoint, TreeScores
from budwood.evaluation.groups import Grouping, share_interval


@dataclass(frozen=True)
class Level:
    """The nodes of one depth, and the classes that lie less deep."""

    depth: int
    nodes: tuple[str, ...]
    of_class: Int[np.ndarray, "classes"]
    """By class the place of its node."""
    is_class: Bool[np.ndarray, "m"]
    """Whether a node is a class itself."""

    @property
    def answers(self) -> Bool[np.ndarray, "m"]:
        """Return whether a node says something: it is above a class, and not above all of them."""
        sizes = np.bincount(self.of_class, minlength=len(self.nodes))
        return ~self.is_class & (sizes < len(self.of_class))

    def probabilities(self, shares: Float[np.ndarray, "n classes"]) -> Float[np.ndarray, "n m"]:
        """Return the probability of each node, the sum over its classes, in [0, 1]."""
        sums = np.zeros((len(self.nodes), len(shares)), np.float64)
        np.add.at(sums, self.of_class, shares.T.astype(np.float64))
        return np.minimum(sums.T, 1.0)


@dataclass(frozen=True)
class LabelTree:
    """A taxonomy beside the classes of a model, in the order of its outputs."""

    taxonomy: Taxonomy
    classes: tuple[str, ...]

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """Return the levels from the one directly below the root to the classes.

        >>> tree = LabelTree(Taxonomy({"owls": "", "barn owl": "owls", "wren": ""}), ("barn owl", "wren"))
        >>> [level.nodes for level in tree.levels]
        [('owls', 'wren'), ('barn owl', 'wren')]
        """
        return tuple(self._level(depth) for depth in range(1, self.taxonomy.num_levels + 1))

    def _level(self, depth: int) -> Level:
        if depth == self.taxonomy.num_levels:
            names = list(self.classes)
        else:
            names = [self.taxonomy.path(label)[:depth][-1] for label in self.classes]
        places = {name: place for place, name in enumerate(dict.fromkeys(names))}
        known = set(self.classes)
        return Level(
            depth,
            tuple(places),
            np.array([places[name] for name in names], dtype=np.int64),
            np.array([name in known for name in places], dtype=bool),
        )

    def path(self, shares: Float[np.ndarray, "classes"], node: str) -> tuple[tuple[str, float], ...]:
        """Return the nodes from below the root down to one, each with its probability.

        >>> tree = LabelTree(Taxonomy({"owls": "", "barn owl": "owls", "wren": ""}), ("barn owl", "wren"))
        >>> tree.path(np.array([0.75, 0.25]), "barn owl")
        (('owls', 0.75), ('barn owl', 0.75))
        """
        below = self._below
        return tuple((one, min(float(shares[below[one]].sum()), 1.0)) for one in self.taxonomy.path(node))

    @cached_property
    def _below(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for place, label in enumerate(self.classes):
            for node in self.taxonomy.path(label):
                found.setdefault(node, []).append(place)
        return found

    def meeting_depth(self, one: int, other: int) -> int:
        """Return the depth of the deepest node above two classes; 0 is the root."""
        paths = zip(*(self.taxonomy.path(self.classes[place]) for place in (one, other)), strict=False)
        depth = 0
        for mine, theirs in paths:
            if mine != theirs:
                break
            depth += 1
        return depth


def score_tree(
    tree: LabelTree,
    probabilities: Float[np.ndarray, "n classes"],
    targets: Int[np.ndarray, "n"],
    groups: Grouping | None = None,
) -> TreeScores:
    """Return the accuracy of each level with its interval, and where on the tree the mistakes are.

    On each level the answer is its most probable node, which need not be above the most probable class.
    """
    levels, branch_right = [], np.zeros(len(targets), bool)
    for level in tree.levels:
        right = level.probabilities(probabilities).argmax(axis=1) == level.of_class[targets]
        branch_right = right if level.depth == 1 else branch_right
        levels.append(
            LevelScores(
                depth=level.depth,
                nodes=len(level.nodes),
                accuracy=float(right.mean()),
                accuracy_ci95=share_interval(right, groups),
            )
        )
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != targets)
    meet = Counter(tree.meeting_depth(int(targets[at]), int(predicted[at])) for at in wrong)
    top = tree.levels[0]
    sizes = np.bincount(top.of_class, minlength=len(top.nodes))
    others = max(len(tree.classes) - 1, 1)
    return TreeScores(
        levels=tuple(levels),
        mistakes=len(wrong),
        within=sum(number for depth, number in meet.items() if depth),
        across=meet[0],
        within_by_chance=float(((sizes[top.of_class[targets[wrong]]] - 1) / others).sum()),
        meet=tuple(
            MeetingPoint(depth=depth, mistakes=meet[depth]) for depth in range(tree.taxonomy.num_levels)
        ),
        branches=_branches(top, sizes, targets, branch_right, predicted == targets),
    )


def _branches(
    top: Level,
    sizes: Int[np.ndarray, "m"],
    targets: Int[np.ndarray, "n"],
    right_branch: Bool[np.ndarray, "n"],
    right_class: Bool[np.ndarray, "n"],
) -> tuple[BranchScores, ...]:
    own = top.of_class[targets]
    num = len(top.nodes)
    photos, branch, label = (
        np.bincount(own, weights=one, minlength=num).astype(int)
        for one in (np.ones(len(own)), right_branch, right_class)
    )
    return tuple(
        BranchScores(
            node=node,
            classes=int(sizes[at]),
            n=int(photos[at]),
            right_branch=int(branch[at]),
            right_class=int(label[at]),
        )
        for at, node in enumerate(top.nodes)
        if not top.is_class[at]
    )
