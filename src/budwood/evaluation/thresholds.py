"""From which probability on a photo has a label: chosen for each label on validation photos."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from budwood.core.errors import DataError, refuse_bad_share

DEFAULT = 0.5
"""Of a label of which nothing can be learned."""
EXPECTED = 20.0
"""So many photos with the label the model's own expectation counts beside those that were seen. In simulations of 2 to
20 of them it gave F1 on new photos 1 to 4 points higher than the best threshold of the photos alone; beside 100 it
hardly counts."""


@dataclass(frozen=True)
class Thresholds:
    """The threshold of each label."""

    values: tuple[float, ...]
    """A photo has the label where its probability is this or more."""
    not_chosen: tuple[int, ...]
    """The places of labels that no validation photo has, or every one: they keep 0.5."""


def choose_thresholds(
    targets: Float[np.ndarray, "n k"],
    probabilities: Float[np.ndarray, "n k"],
    labels: Sequence[str],
    *,
    goal: Literal["f1"] | float = "f1",
) -> Thresholds:
    """Return for each label a threshold in the middle between two neighbouring probabilities of its photos.

    For F1 the one with the highest F1, of counts to which the calibrated probabilities add what they expect: of a
    handful of photos the best threshold is mostly chance. For a precision the lowest one that reaches it, which leaves
    out the fewest photos with the label; it is an estimate, and on other photos the precision may come out lower.

    Args:
        targets: 1, 0, or NaN where it is unknown, of photos that the model did not learn from.
        probabilities: calibrated, in [0, 1].
        labels: names in the order of the columns.
        goal: "f1", or a precision in (0, 1].

    Raises:
        DataError: where no threshold of a label reaches the precision.
        RunError: for a precision that is no share.
    """
    if goal != "f1":
        refuse_bad_share("precision", goal, 0.9)
    values, not_chosen = [], []
    for place, name in enumerate(labels):
        known = ~np.isnan(targets[:, place])
        has, chance = targets[known, place] == 1, probabilities[known, place].astype(np.float64)
        if not has.any() or has.all():
            values.append(DEFAULT)
            not_chosen.append(place)
        elif goal == "f1":
            values.append(_for_f1(has, chance))
        else:
            values.append(_for_precision(has, chance, name, goal))
    return Thresholds(tuple(values), tuple(not_chosen))


def _candidates(
    has: Bool[np.ndarray, "n"], chance: Float[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "m"], Float[np.ndarray, "m"], Float[np.ndarray, "m"], Float[np.ndarray, "m"]]:
    """Return thresholds, the highest first, and beyond each how many photos there are, have the label, and are expected
    to."""
    levels, inverse = np.unique(chance, return_inverse=True)
    below = np.concatenate([[0.0], levels[:-1]])
    sums = [np.bincount(inverse, weights=weights)[::-1].cumsum() for weights in (None, has, chance)]
    return ((levels + below) / 2)[::-1], sums[0] * 1.0, sums[1], sums[2]


def _for_f1(has: Bool[np.ndarray, "n"], chance: Float[np.ndarray, "n"]) -> float:
    thresholds, said, hits, expected = _candidates(has, chance)
    share = EXPECTED / (EXPECTED + has.sum())
    f1 = 2 * ((1 - share) * hits + share * expected)
    f1 /= said + (1 - share) * has.sum() + share * chance.sum()
    best = thresholds[f1 >= f1.max() - 1e-12]
    return float(best[np.abs(best - DEFAULT).argmin()])


def _for_precision(
    has: Bool[np.ndarray, "n"], chance: Float[np.ndarray, "n"], name: str, precision: float
) -> float:
    thresholds, said, hits, _ = _candidates(has, chance)
    reached = hits / said
    enough = np.flatnonzero(reached >= precision - 1e-12)
    if not len(enough):
        raise DataError(
            f"no threshold gives the label {name} a precision of {precision:.1%} on the {len(has):,} validation photos "
            f"in which it is known, of which {int(has.sum()):,} have it: at most {reached.max():.1%} can be reached. "
            "Ask for that or less, or train on more photos"
        )
    return float(thresholds[enough[-1]])
