"""Sets of classes that hold the true one as often as promised (conformal prediction; Vovk et al. 2005).

How odd a class would be for a photo is its score; the sets hold every class whose score is no larger than a threshold,
chosen on calibration photos so that the true class is among them as often as wanted, whatever the model and the data.
The promise holds for new photos that are drawn as the calibration photos were, over the drawing of both; of one set of
calibration photos the coverage varies, and `coverage_range` says by how much (Vovk 2012).

Two scores. "lac" (least ambiguous sets; Sadinle, Lei and Wasserman 2019): 1 less the probability of the class. Its
sets are the smallest on average, and empty where no class is probable enough. "adaptive" (Romano, Sesia and Candes
2020): the probability of all classes that are more probable, so that a set is never empty and grows where a photo is
hard. Their scores are randomised to reach the coverage exactly; here the share of a class's own probability that
counts is 0, so that a photo's set depends on the photo alone, and the coverage is more than was promised where the
accuracy is.

Photos that belong together are no independent photos. Each group then counts once, its photos sharing its weight
(hierarchical conformal prediction; Lee, Barber and Willett 2023), and the promise is of a photo of a new group.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from budwood.core.errors import RunError
from budwood.core.text import count
from budwood.evaluation.groups import Grouping

SetKind = Literal["lac", "adaptive"]
SET_KINDS: tuple[SetKind, ...] = ("lac", "adaptive")
_DIGITS = ".6g"
"""Of a probability in `predictions.csv`."""
_ROUNDING = 1e-9
_NAMED = 3


@dataclass(frozen=True, eq=False)
class SetRule:
    """Which classes are in the set of a photo."""

    kind: SetKind
    coverage: float
    """Promised share of photos whose set holds the true class."""
    per_class: bool
    """Whether the promise is of each class by itself (Mondrian; Vovk et al. 2005)."""
    thresholds: Float[np.ndarray, "classes"]
    """The largest score of a class in a set; all are equal where the promise is of all classes together."""
    units: tuple[int, ...]
    """How many calibration photos, or groups of them, each threshold was chosen on: of all, or of each class."""

    def sets(self, probabilities: Float[np.ndarray, "n classes"]) -> Bool[np.ndarray, "n classes"]:
        """Return which classes are in the set of each photo.

        >>> rule = SetRule("lac", 0.9, False, np.array([0.7, 0.7]), (20,))
        >>> rule.sets(np.array([[0.9, 0.1], [0.5, 0.5]]))
        array([[ True, False],
               [ True,  True]])
        """
        return class_scores(as_kept(probabilities), self.kind) <= self.thresholds


def choose_rule(
    probabilities: Float[np.ndarray, "n classes"],
    labels: Int[np.ndarray, "n"],
    classes: Sequence[str],
    coverage: float,
    kind: SetKind = "lac",
    *,
    per_class: bool = False,
    groups: Grouping | None = None,
) -> SetRule:
    """Return the rule by which sets hold the true class as often as wanted.

    Args:
        probabilities: of the calibration photos, a row a photo.
        labels: their true class numbers.
        classes: names in the order of the columns.
        coverage: wanted share of sets with the true class, above 0 and below 1.
        kind: "lac" or "adaptive".
        per_class: promise it of the photos of each class.
        groups: which photos belong together; by default none do.

    Raise RunError where the coverage is no such share, or more than so many photos can promise.
    """
    refuse_bad_coverage(coverage)
    groups = groups or Grouping(np.arange(len(labels)))
    rule = rule_of_scores(
        class_scores(as_kept(probabilities), kind), labels, coverage, kind, per_class, groups
    )
    if rule is None:
        raise _too_few(groups, labels, classes, coverage, per_class)
    return rule


def rule_of_scores(
    scores: Float[np.ndarray, "n classes"],
    labels: Int[np.ndarray, "n"],
    coverage: float,
    kind: SetKind,
    per_class: bool,
    groups: Grouping,
) -> SetRule | None:
    """Return likewise the rule from scores that `class_scores` made; None where there are too few photos."""
    num_classes, needed = scores.shape[1], fewest(coverage)
    own = scores[np.arange(len(labels)), labels]
    if not per_class:
        if groups.num < needed:
            return None
        chosen = np.full(num_classes, threshold(own, coverage, groups))
        return SetRule(kind, coverage, False, chosen, (groups.num,))
    if np.bincount(labels, minlength=num_classes).min() < needed:
        return None
    parts = [groups.part(labels == number) for number in range(num_classes)]
    if min(part.num for part in parts) < needed:
        return None
    chosen = np.array([threshold(own[labels == number], coverage, part) for number, part in enumerate(parts)])
    return SetRule(kind, coverage, True, chosen, tuple(part.num for part in parts))


def as_kept(probabilities: Float[np.ndarray, "n classes"]) -> Float[np.ndarray, "n classes"]:
    """Return probabilities as `predictions.csv` has them, so that a rule is the same from a run's files and before."""
    rows = np.asarray(probabilities)
    # Of float32 and float64 the digits are those of the same number.
    kept = [float(format(share, _DIGITS)) for share in rows.ravel().tolist()]
    return np.array(kept, dtype=np.float64).reshape(rows.shape)


def class_scores(
    probabilities: Float[np.ndarray, "n classes"],
    kind: SetKind,
    own: float | Float[np.ndarray, "n"] = 0.0,
) -> Float[np.ndarray, "n classes"]:
    """Return how odd each class would be for each photo, 0 or more.

    Args:
        probabilities: a row a photo.
        kind: "lac" or "adaptive".
        own: with "adaptive", the share of a class's own probability that counts beside those above it; drawn evenly
            between 0 and 1 for each photo the coverage is exact. Of equal probabilities the first class is above.

    >>> class_scores(np.array([[0.125, 0.625, 0.25]]), "adaptive")
    array([[0.875, 0.   , 0.625]])
    """
    if kind == "lac":
        return 1 - probabilities
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ordered = np.take_along_axis(probabilities, order, axis=1)
    above = np.cumsum(ordered, axis=1)
    above = np.concatenate([np.zeros((len(above), 1)), above[:, :-1]], axis=1)
    scores = np.empty_like(above)
    np.put_along_axis(scores, order, above + np.broadcast_to(own, len(above))[:, None] * ordered, axis=1)
    return scores


def threshold(scores: Float[np.ndarray, "n"], coverage: float, groups: Grouping | None = None) -> float:
    """Return the score that new ones do not exceed as often as wanted: of m scores the ceil((m + 1) coverage)-th.

    With groups, the smallest score up to which lie at least coverage of the weight, where each group and the new
    photo have 1 / (groups + 1). Infinite where there are too few.

    >>> threshold(np.arange(1.0, 20.0), 0.9)
    18.0
    """
    groups = groups or Grouping(np.arange(len(scores)))
    order = np.argsort(scores, kind="stable")
    held = np.cumsum((1 / groups.sizes)[groups.numbers][order])
    place = int(np.searchsorted(held, coverage * (groups.num + 1) - _ROUNDING))
    return float(scores[order[place]]) if place < len(scores) else math.inf


def fewest(coverage: float) -> int:
    """Return how many calibration photos, or groups of them, a coverage needs at least.

    >>> [fewest(share) for share in (0.5, 0.9, 0.95, 0.99)]
    [1, 9, 19, 99]
    """
    return math.ceil(coverage / (1 - coverage) - _ROUNDING)


def rank(number: int, coverage: float) -> int:
    """Return which of so many calibration scores, from the smallest, is the threshold: number + 1 for none of them."""
    return math.ceil((number + 1) * coverage - _ROUNDING)


def coverage_range(number: int, coverage: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return between which shares the coverage lies of rules chosen on so many photos: a beta distribution (Vovk 2012).

    >>> [round(end, 2) for end in coverage_range(50, 0.9)]
    [0.81, 0.97]
    """
    from scipy.stats import beta

    place = rank(number, coverage)
    tail = (1 - confidence) / 2
    low, high = beta.ppf([tail, 1 - tail], place, number + 1 - place)
    return float(low), float(high)


def observed_range(
    number: int, measured: int, coverage: float, confidence: float = 0.95
) -> tuple[float, float]:
    """Return between which shares of so many other photos it is seen: a beta-binomial distribution.

    >>> observed_range(50, 100, 0.9)
    (0.79, 0.98)
    """
    from scipy.stats import betabinom

    place = rank(number, coverage)
    tail = (1 - confidence) / 2
    low, high = betabinom.ppf([tail, 1 - tail], measured, place, number + 1 - place)
    return float(low) / measured, float(high) / measured


def refuse_bad_coverage(coverage: float) -> None:
    """Raise RunError for what no set of classes or labels can promise and mean something.

    >>> refuse_bad_coverage(90.0)
    Traceback (most recent call last):
    budwood.core.errors.RunError: a coverage of 90 cannot be promised. Give a share between 0 and 1, such as 0.9
    """
    if not 0 < coverage < 1:
        why = {0.0: ", for empty sets would keep it", 1.0: " but by sets of everything"}.get(coverage, "")
        raise RunError(
            f"a coverage of {coverage:.12g} cannot be promised{why}. Give a share between 0 and 1, such as 0.9"
        )


def _too_few(
    groups: Grouping, labels: Int[np.ndarray, "n"], classes: Sequence[str], coverage: float, per_class: bool
) -> RunError:
    """Return the error that says how many photos a coverage needs, and what can be asked for."""
    needed, there = fewest(coverage), groups.num
    if not per_class:
        return RunError(
            f"a coverage of {coverage:.12g} needs {_count(needed, groups)} to calibrate it, and there "
            f"{'is' if there == 1 else 'are'} {there:,}. {at_most(there)}"
        )
    numbers = [len(np.unique(groups.numbers[labels == number])) for number in range(len(classes))]
    few = sorted((number, name) for number, name in zip(numbers, classes, strict=True) if number < needed)
    names = ", ".join(f"{name} has {number:,}" for number, name in few[:_NAMED])
    more = f" and {len(few) - _NAMED:,} more classes too few" if len(few) > _NAMED else ""
    return RunError(
        f"a coverage of {coverage:.12g} of each class needs {_count(needed, groups)} of each to calibrate it; "
        f"{names}{more}. {at_most(few[0][0], 'per class')}"
    )


def _count(number: int, groups: Grouping) -> str:
    if groups.single:
        return count(number, "photo")
    return count(number, "group of photos", "groups of photos")


def at_most(number: int, each: str = "") -> str:
    """Return what can be asked for with so many calibration photos, as the rest of an error.

    Args:
        number: of photos, or groups of them.
        each: "per class" where that many are of one class, and it can be done without.

    >>> at_most(50)
    'Give 0.9803 or less, or train with more photos'
    """
    if number == 0:
        return f"Do not ask for it {each}" if each else "Train with more photos"
    # Rounded down, for what stands here has to be possible.
    most = math.floor(number / (number + 1) * 1e4) / 1e4
    return (
        f"Give {most:g} or less{f', or do not ask for it {each}' if each else ''}, or train with more photos"
    )
