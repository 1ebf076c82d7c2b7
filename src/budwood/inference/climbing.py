"""Predictions on a tree of labels: their paths, and the deepest node that is sure enough to be the answer."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from budwood.core.errors import RunError
from budwood.core.text import NO_BREAK, count, whole_percent
from budwood.evaluation.climb import Climb, DepthAnswers, choose_climb, measure_climb, promise_of
from budwood.evaluation.groups import Grouping
from budwood.evaluation.promise import fewest
from budwood.evaluation.taxonomy import LabelTree
from budwood.inference.prediction import Answer, Prediction

Climbed = tuple[Climb, dict[str, list[DepthAnswers]]]


def climb_tree(
    tree: LabelTree,
    by_split: Mapping[str, tuple[Float[np.ndarray, "..."], Int[np.ndarray, "..."]]],
    groups: Mapping[str, Grouping],
    precision: float,
) -> Climbed:
    """Return from which probability on a node of each depth of a tree of labels is promised to be right as often as
    wanted, and what that does to each split.

    Args:
        tree: of the labels.
        by_split: probabilities and true classes of the photos; by "validation" the thresholds are chosen.
        groups: which photos of a split belong together.
        precision: wanted share of right answers at each depth, in (0, 1].

    Raises:
        RunError: the validation photos promise it of no probability, at no depth.
    """
    climb = choose_climb(tree, *by_split["validation"], precision, groups.get("validation"))
    if all(threshold is None for threshold in climb.thresholds.values()):
        raise RunError(_cannot_promise(climb, len(by_split["validation"][1]), groups.get("validation")))
    return climb, {split: measure_climb(climb, *rows, groups.get(split)) for split, rows in by_split.items()}


def _cannot_promise(climb: Climb, photos: int, groups: Grouping | None) -> str:
    deepest = climb.tree.taxonomy.num_levels
    needed = fewest(climb.precision, promise_of(deepest, deepest))
    unit = ("photo", "photos") if groups is None or groups.single else ("group of photos", "groups of photos")
    would = f"; {count(needed, *unit)} answered with a class, without a mistake, would" if needed else ""
    wanted = whole_percent(climb.precision).replace(NO_BREAK, " ")
    # Rounded down, so that what is named can be given.
    most = math.floor(max(climb.most.values()) * 1000) / 1000
    less = f"Give {most:g} or less" if most else "Give a lower precision"
    return (
        f"{count(photos, 'validation photo')} cannot promise that answers are right {wanted} of the time, "
        f"at any level of the tree of labels{would}. {less}, or train with more validation photos"
    )


def on_the_tree(prediction: Prediction, tree: LabelTree, climb: Climb | None) -> Prediction:
    """Return a prediction with its path on a tree of labels, and with the answer where a precision was asked for."""
    if prediction.label is None:
        return prediction
    shares = np.array(list(prediction.probabilities.values()))
    found = replace(prediction, path=tree.path(shares, prediction.label))
    if climb is None:
        return found
    label = climb.answer(shares)
    if label is None:
        return replace(found, answer=Answer(None))
    path = tree.path(shares, label)
    return replace(found, answer=Answer(label, len(path), path[-1][1], tuple(node for node, _ in path)))
