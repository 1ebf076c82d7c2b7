"""Sets of labels that miss few of the true ones: conformal risk control (Angelopoulos, Bates et al. 2024).

Of photos with several labels a set is every label whose probability is at least a threshold. What is lost is the share
of a photo's own labels that its set misses; photos without labels have none to miss, and say nothing of it. The lower
the threshold, the less is missed; the highest one is chosen at which the mean over calibration photos, and one more
photo of which everything is missed, is no more than was allowed. Then the expected share that is missed of the labels
of a new photo that has any is no more either. Of one set of calibration photos it varies: `coverage_range`.

Or it is promised of each label by itself, as of each class (Mondrian; Vovk et al. 2005): of the photos that have it,
the set of so many holds it.

Targets are float `(n, labels)`: 1 the photo has the label, 0 it has not, NaN unknown, which counts as neither. Photos
that belong together count once together, and the promise is of a photo of a new group.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from budwood.core.errors import RunError
from budwood.core.text import count
from budwood.evaluation.conformal import as_kept, at_most, fewest, refuse_bad_coverage, threshold
from budwood.evaluation.groups import Grouping

_ROUNDING = 1e-12
_NAMED = 3


@dataclass(frozen=True, eq=False)
class LabelSetRule:
    """Which labels are in the set of a photo."""

    coverage: float
    """Promised share of a photo's own labels that its set holds, in the mean over photos that have any."""
    per_label: bool
    """Whether it is promised of each label by itself."""
    thresholds: Float[np.ndarray, "labels"]
    """The smallest probability of a label in a set; all are equal where the promise is of all labels together."""
    units: tuple[int, ...]
    """How many calibration photos with labels, or groups of them, each threshold was chosen on: of all, or of each
    label."""

    def sets(self, probabilities: Float[np.ndarray, "n labels"]) -> Bool[np.ndarray, "n labels"]:
        """Return which labels are in the set of each photo.

        >>> rule = LabelSetRule(0.9, False, np.array([0.3, 0.3]), (20,))
        >>> rule.sets(np.array([[0.9, 0.1], [0.2, 0.1]]))
        array([[ True, False],
               [False, False]])
        """
        return as_kept(probabilities) >= self.thresholds


@dataclass(frozen=True)
class Missed:
    """What the sets of calibration photos miss, and of one more photo of which everything is missed."""

    units: int
    """Photos, or groups of them."""
    mean: float
    variance: float

    def coverage_range(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return between which shares lies what sets hold, of rules chosen on so many photos.

        A beta distribution: with one label a photo that of `conformal.coverage_range`. With several the shares that
        photos miss vary less, and it is as much narrower; checked by simulation.
        """
        return self._range(self.variance / (self.units + 1), confidence)

    def observed_range(self, measured: int, confidence: float = 0.95) -> tuple[float, float]:
        """Return between which shares it is seen on so many other photos, or groups of them."""
        spread = self.variance * (self.units / measured + 1) / (self.units + 1)
        return self._range(spread, confidence)

    def _range(self, spread: float, confidence: float) -> tuple[float, float]:
        from scipy.stats import beta

        mean = 1 - self.mean
        weight = mean * (1 - mean) / spread - 1
        tail = (1 - confidence) / 2
        low, high = beta.ppf([tail, 1 - tail], mean * weight, (1 - mean) * weight)
        return float(low), float(high)


def has_labels(targets: Float[np.ndarray, "n labels"]) -> Bool[np.ndarray, "n"]:
    """Return which photos are known to have a label."""
    return (targets == 1).any(axis=1)


def choose_label_rule(
    targets: Float[np.ndarray, "n labels"],
    probabilities: Float[np.ndarray, "n labels"],
    labels: Sequence[str],
    coverage: float,
    *,
    per_label: bool = False,
    groups: Grouping | None = None,
) -> LabelSetRule:
    """Return the rule by which sets hold as large a share of a photo's labels as wanted.

    Args:
        targets: of the calibration photos.
        probabilities: in [0, 1], of each label.
        labels: names in the order of the columns.
        coverage: wanted share of a photo's own labels in its set, above 0 and below 1.
        per_label: promise of each label that the sets of so many photos with it hold it.
        groups: which photos belong together; by default none do.

    Raise RunError where the coverage is no such share, or more than so many photos can promise.
    """
    refuse_bad_coverage(coverage)
    rule = label_rule(targets, probabilities, coverage, per_label=per_label, groups=groups)
    if rule is None:
        raise _too_few(targets, labels, coverage, per_label, groups)
    return rule


def label_rule(
    targets: Float[np.ndarray, "n labels"],
    probabilities: Float[np.ndarray, "n labels"],
    coverage: float,
    *,
    per_label: bool = False,
    groups: Grouping | None = None,
) -> LabelSetRule | None:
    """Return likewise the rule; None where there are too few photos."""
    groups, probabilities = groups or Grouping(np.arange(len(targets))), as_kept(probabilities)
    own, num_labels = targets == 1, targets.shape[1]
    parts = [groups.part(rows) for rows in (own.T if per_label else [own.any(axis=1)])]
    if min(part.num for part in parts) < fewest(coverage):
        return None
    units = tuple(part.num for part in parts)
    if per_label:
        # Of one label to hold or to miss: the threshold of classes.
        chosen = [
            -threshold(-probabilities[rows, place], coverage, part)
            for place, (rows, part) in enumerate(zip(own.T, parts, strict=True))
        ]
        return LabelSetRule(coverage, True, np.array(chosen), units)
    rows = own.any(axis=1)
    chosen_level = _threshold(own[rows], probabilities[rows], coverage, parts[0])
    return LabelSetRule(coverage, False, np.full(num_labels, chosen_level), units)


def missed_shares(
    targets: Float[np.ndarray, "n labels"], sets: Bool[np.ndarray, "n labels"]
) -> Float[np.ndarray, "n"]:
    """Return the share of each photo's own labels that its set misses, 0 of a photo that has none.

    >>> missed_shares(np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]), np.array([[True, False, True]] * 2))
    array([0.5, 0. ])
    """
    own = targets == 1
    return (own & ~sets).sum(axis=1) / np.maximum(own.sum(axis=1), 1)


def missed_in_calibration(
    targets: Float[np.ndarray, "n labels"],
    sets: Bool[np.ndarray, "n labels"],
    groups: Grouping | None = None,
) -> Missed:
    """Return what the sets of the calibration photos that have labels miss, by which it is known how much that varies.

    >>> found = missed_in_calibration(np.ones((50, 1)), np.arange(50)[:, None] >= 4)
    >>> [round(end, 2) for end in found.coverage_range()]
    [0.81, 0.97]
    """
    rows = has_labels(targets)
    groups = (groups or Grouping(np.arange(len(targets)))).part(rows)
    lost = groups.sums(missed_shares(targets, sets)[rows]) / groups.sizes
    lost = np.append(lost, 1.0)
    return Missed(len(lost), float(lost.mean()), float(lost.var()))


def _threshold(
    own: Bool[np.ndarray, "n labels"],
    probabilities: Float[np.ndarray, "n labels"],
    coverage: float,
    groups: Grouping,
) -> float:
    """Return the highest probability from which labels may be taken, of photos that all have labels."""
    weight = (1 / groups.sizes)[groups.numbers] / own.sum(axis=1)
    at, held = np.nonzero(own)
    levels, shares = probabilities[at, held], weight[at]
    # One more photo is taken to lose everything.
    allowed = (1 - coverage) * (groups.num + 1) - 1 + _ROUNDING * len(levels)
    order = np.argsort(levels, kind="stable")
    # A threshold misses what is less probable; labels of equal probability are taken together.
    lost = np.concatenate([[0.0], np.cumsum(shares[order])])
    candidates = np.unique(levels)
    missed_at = lost[np.searchsorted(levels[order], candidates, side="left")]
    return float(candidates[np.flatnonzero(missed_at <= allowed)[-1]])


def _too_few(
    targets: Float[np.ndarray, "n labels"],
    labels: Sequence[str],
    coverage: float,
    per_label: bool,
    groups: Grouping | None,
) -> RunError:
    """Return the error that says how many photos a coverage needs, and what can be asked for."""
    groups, needed = groups or Grouping(np.arange(len(targets))), fewest(coverage)
    unit = ("photo",) if groups.single else ("group of photos", "groups of photos")
    if not per_label:
        there = groups.part(has_labels(targets)).num
        return RunError(
            f"a coverage of {coverage:.12g} needs {count(needed, *unit)} with labels to calibrate it, and there "
            f"{'is' if there == 1 else 'are'} {there:,}. {at_most(there)}"
        )
    numbers = [groups.part(rows).num for rows in (targets == 1).T]
    few = sorted((number, name) for number, name in zip(numbers, labels, strict=True) if number < needed)
    names = ", ".join(f"{name} has {number:,}" for number, name in few[:_NAMED])
    more = f" and {len(few) - _NAMED:,} more labels too few" if len(few) > _NAMED else ""
    return RunError(
        f"a coverage of {coverage:.12g} of each label needs {count(needed, *unit)} with each to calibrate it; "
        f"{names}{more}. {at_most(few[0][0], 'per label')}"
    )
