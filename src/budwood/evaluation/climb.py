"""Climbing a tree of labels: where a class is not sure enough, the deepest node above it that is (Deng et al. 2012).

Thresholds are chosen on validation photos, from the classes upward, that of each depth above on the photos that got no
deeper answer. What these photos promise is `budwood.evaluation.promise`'s: of a class on average, as most runs answer
with classes; of a label above with confidence, for few photos come so far, and where none deserves an answer those that
got one nevertheless were lucky.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int

from budwood.evaluation.figures import Interval
from budwood.evaluation.groups import Grouping, share_interval
from budwood.evaluation.promise import Promised, PromiseKind, promise
from budwood.evaluation.taxonomy import LabelTree


@dataclass(frozen=True)
class Candidates:
    """Of one depth the best node of each photo."""

    depth: int
    node: Int[np.ndarray, "n"]
    """Its place on the level."""
    probability: Float[np.ndarray, "n"]
    possible: Bool[np.ndarray, "n"]
    """Whether it is an answer of this depth: above the classes a class is none, for it was asked before, nor is what is
    above every class, which is always right."""


def candidates(tree: LabelTree, probabilities: Float[np.ndarray, "n classes"]) -> list[Candidates]:
    """Return the best node of each photo on each level, the classes first."""
    found = []
    for level in reversed(tree.levels):
        shares = level.probabilities(probabilities)
        best = shares.argmax(axis=1)
        deepest = level.depth == tree.taxonomy.num_levels
        possible = np.ones(len(best), bool) if deepest else level.answers[best]
        found.append(Candidates(level.depth, best, shares.max(axis=1), possible))
    return found


@dataclass(frozen=True)
class Climb:
    """From which probability on a node of each depth is an answer."""

    tree: LabelTree
    precision: float
    """Share of right answers that was asked for, at each depth."""
    thresholds: Mapping[int, float | None]
    """By depth, the classes first; None where so few photos do not promise it of even the surest."""
    most: Mapping[int, float] = field(default_factory=dict)
    """By depth the largest share of right answers that any threshold could promise."""

    def answers(
        self, probabilities: Float[np.ndarray, "n classes"]
    ) -> tuple[Int[np.ndarray, "n"], Int[np.ndarray, "n"]]:
        """Return the depth of each photo's answer, 0 for none, and the place of the node on that level."""
        depth, node = np.zeros(len(probabilities), np.int64), np.zeros(len(probabilities), np.int64)
        for one in candidates(self.tree, probabilities):
            threshold = self.thresholds[one.depth]
            if threshold is None:
                continue
            given = (depth == 0) & one.possible & (one.probability >= threshold)
            depth[given], node[given] = one.depth, one.node[given]
        return depth, node

    def answer(self, shares: Float[np.ndarray, "classes"]) -> str | None:
        """Return the node that answers for one photo, None where nothing below the root is sure enough."""
        depth, node = self.answers(shares[None])
        return self.tree.levels[depth[0] - 1].nodes[node[0]] if depth[0] else None


def promise_of(depth: int, deepest: int) -> PromiseKind:
    """Return what is promised of the answers of a depth."""
    return "average" if depth == deepest else "confidence"


def choose_climb(
    tree: LabelTree,
    probabilities: Float[np.ndarray, "n classes"],
    targets: Int[np.ndarray, "n"],
    precision: float,
    groups: Grouping | None = None,
) -> Climb:
    """Return the lowest thresholds from which on these photos promise answers as right as wanted at each depth.

    Args:
        tree: of the labels.
        probabilities: of validation photos.
        targets: their classes.
        precision: wanted share of right answers, in (0, 1].
        groups: which photos belong together; by default none do.
    """
    found: dict[int, Promised] = {}
    weights = np.ones(len(targets)) if groups is None else 1 / groups.sizes[groups.numbers]
    open_ = np.ones(len(targets), bool)
    for one in candidates(tree, probabilities):
        right = one.node == tree.levels[one.depth - 1].of_class[targets]
        asked = open_ & one.possible
        kind = promise_of(one.depth, tree.taxonomy.num_levels)
        promised = promise(one.probability[asked], right[asked], weights[asked], precision, kind)
        found[one.depth] = promised
        if promised.threshold is not None:
            open_ &= ~(asked & (one.probability >= promised.threshold))
    return Climb(
        tree,
        precision,
        {depth: one.threshold for depth, one in found.items()},
        {depth: one.most for depth, one in found.items()},
    )


@dataclass(frozen=True)
class DepthAnswers:
    """The answers of one depth among some photos."""

    depth: int
    photos: int
    """All of them, answered or not."""
    answered: int
    correct: int
    coverage_interval: Interval | None
    """95 %; None where too few groups of photos are known, as for that of the precision."""
    precision_interval: Interval | None

    @property
    def coverage(self) -> float:
        """Return the share of photos with an answer of this depth."""
        return self.answered / self.photos if self.photos else 0.0

    @property
    def precision(self) -> float | None:
        """Return the share of these answers that is right; None where there are none, as at depth 0."""
        return self.correct / self.answered if self.answered and self.depth else None


def measure_climb(
    climb: Climb,
    probabilities: Float[np.ndarray, "n classes"],
    targets: Int[np.ndarray, "n"],
    groups: Grouping | None = None,
) -> list[DepthAnswers]:
    """Return what thresholds do to some photos: the answers of each depth, the classes first, and those of none last,
    of depth 0, of which none is right."""
    depth, node = climb.answers(probabilities)
    found = []
    for at in [*climb.thresholds, 0]:
        given = depth == at
        right = np.zeros(len(targets), bool)
        if at:
            right[given] = node[given] == climb.tree.levels[at - 1].of_class[targets[given]]
        part = groups.part(given) if groups is not None and given.any() else None
        found.append(
            DepthAnswers(
                at,
                len(targets),
                int(given.sum()),
                int(right.sum()),
                share_interval(given, groups) if len(targets) else None,
                share_interval(right[given], part) if at and given.any() else None,
            )
        )
    return found
