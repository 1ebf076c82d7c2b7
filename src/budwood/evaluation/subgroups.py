"""The accuracy of each part of a data set, such as the photos of each camera.

Of twenty parts of nothing but chance one looks odd. So the intervals hold for all parts together: each has the level at
which all that are looked at contain their truth with 95 % (Šidák 1967), and the p-values of the differences from the
rest are adjusted for their number (Holm 1979).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from budwood.core.part import Part
from budwood.evaluation.figures import Interval
from budwood.evaluation.groups import Grouping, cautious_range, grouped_interval
from budwood.evaluation.statistics import holm, wilson_interval

FEWEST = 20
"""With fewer photos, or groups of photos that belong together, a subgroup is not compared with the rest."""
_LEVEL = 0.95


class Difference(Part):
    """Accuracy of a subgroup minus that of all other photos."""

    points: float
    """In [-1, 1]."""
    interval: Interval
    """Of all comparisons together 95 %."""
    p: float
    p_adjusted: float
    """For the number of comparisons (Holm 1979)."""

    @property
    def differs(self) -> bool:
        """Return whether chance alone hardly explains it: by the interval and the test."""
        return self.p_adjusted < 1 - _LEVEL and not self.interval[0] <= 0 <= self.interval[1]


class Subgroup(Part):
    """The photos of one value of a column."""

    left_out = frozenset({"groups", "range"})

    value: str | None
    """None where the column says nothing of them."""
    n: int
    groups: int | None = None
    """How many groups of photos that belong together they are, where there are such."""
    accuracy: float
    interval: Interval | None
    """Of all subgroups together 95 %; None where their groups are too few for one."""
    range: Interval | None = None
    """Without a confidence level, where there is no interval."""
    by_class: float | None
    """The accuracy that its classes alone would give, were each as often right here as over all photos."""
    difference: Difference | None
    """None where it has too few photos to be compared, or there are too few others."""


class Subgroups(Part):
    """Every part of a data set by one column."""

    by: str
    n: int
    level: float
    """Confidence level of each interval, at which all of them together have 95 %."""
    compared: int
    """Comparisons that the p-values are adjusted for, over all columns that were asked for together."""
    subgroups: tuple[Subgroup, ...]
    """The largest first, what is not stated last."""


def figures_by(
    columns: Mapping[str, Sequence[str]],
    correct: Bool[np.ndarray, "n"],
    *,
    labels: Int[np.ndarray, "n"] | None = None,
    groups: Grouping | None = None,
) -> tuple[Subgroups, ...]:
    """Return the accuracy by each of some columns.

    Args:
        columns: by name, the value of each photo; empty where it is not stated.
        correct: whether each photo is answered rightly.
        labels: true class numbers, where there is one a photo.
        groups: which photos belong together; by default none do.

    >>> right = np.arange(200) % 10 > 0
    >>> (found,) = figures_by({"camera": ["a", "b"] * 100}, right)
    >>> [(one.value, one.n, one.accuracy) for one in found.subgroups]
    [('a', 100, 0.8), ('b', 100, 1.0)]
    >>> found.subgroups[0].difference.differs
    True
    """
    if groups is not None and groups.single:
        groups = None
    parts = {name: _parts(values) for name, values in columns.items()}
    looked_at = sum(len(some) for some in parts.values())
    level = _LEVEL ** (1 / looked_at)
    tested = {name: _comparable(some, len(correct), groups) for name, some in parts.items()}
    compared = sum(_number(tested[name], len(parts[name])) for name in parts)
    level_of_difference = _LEVEL ** (1 / max(compared, 1))
    found = {
        (name, value): _difference(correct, chosen, groups, level_of_difference)
        for name, some in parts.items()
        for value, chosen in some.items()
        if value in tested[name]
    }
    adjusted = _adjusted({key: one.p for key, one in found.items()}, parts, tested)
    expected = None if labels is None else _by_class(correct, labels)
    return tuple(
        Subgroups(
            by=name,
            n=len(correct),
            level=level,
            compared=compared,
            subgroups=tuple(
                _subgroup(
                    value,
                    chosen,
                    correct,
                    expected,
                    groups,
                    level,
                    found.get((name, value)),
                    adjusted.get((name, value)),
                )
                for value, chosen in some.items()
            ),
        )
        for name, some in parts.items()
    )


def _parts(values: Sequence[str]) -> dict[str, Bool[np.ndarray, "n"]]:
    """Return which photos have each value, the most frequent first, an empty one last."""
    names, places, counts = np.unique(
        np.array(values, dtype=object).astype(str), return_inverse=True, return_counts=True
    )
    order = sorted(range(len(names)), key=lambda place: (not names[place], -counts[place], names[place]))
    return {str(names[place]): places == place for place in order}


def _comparable(
    parts: Mapping[str, Bool[np.ndarray, "n"]], n: int, groups: Grouping | None
) -> dict[str, Bool[np.ndarray, "n"]]:
    return {
        value: chosen
        for value, chosen in parts.items()
        if _enough(chosen, groups) and _enough(~chosen, groups)
    }


def _enough(chosen: Bool[np.ndarray, "n"], groups: Grouping | None) -> bool:
    return (int(chosen.sum()) if groups is None else groups.part(chosen).num if chosen.any() else 0) >= FEWEST


def _number(tested: Mapping[str, object], parts: int) -> int:
    """Return the number of comparisons: of two parts each is the rest of the other, which is one."""
    return 1 if parts == 2 and len(tested) == 2 else len(tested)


def _adjusted(
    p_values: Mapping[tuple[str, str], float],
    parts: Mapping[str, Mapping[str, object]],
    tested: Mapping[str, Mapping[str, object]],
) -> dict[tuple[str, str], float]:
    """Return the adjusted p-values; the one of two parts stands for both."""
    same: dict[tuple[str, str], tuple[str, str]] = {}
    for name, some in tested.items():
        first = next(iter(some), None)
        for value in some:
            same[name, value] = (name, str(first)) if len(parts[name]) == 2 else (name, value)
    once = list(dict.fromkeys(same.values()))
    raised = dict(zip(once, holm([p_values[key] for key in once]) if once else [], strict=True))
    return {key: raised[first] for key, first in same.items()}


@dataclass(frozen=True)
class _Compared:
    points: float
    interval: Interval
    p: float


def _difference(
    correct: Bool[np.ndarray, "n"], chosen: Bool[np.ndarray, "n"], groups: Grouping | None, level: float
) -> _Compared:
    """Return a subgroup against the rest: Newcombe's interval (1998) and Fisher's exact test (1935).

    Where photos belong together, the intervals of both sides are of groups, and p is the level at which the interval
    of the difference just holds 0. Groups with photos on both sides make that cautious: they are taken for separate.
    """
    ours, others = correct[chosen], correct[~chosen]
    points = float(ours.mean() - others.mean())
    if groups is None:
        from scipy.stats import fisher_exact

        table = [[int(side.sum()), int((~side).sum())] for side in (ours, others)]
        return _Compared(
            points, _newcombe(ours, others, None, None, level), float(fisher_exact(table).pvalue)
        )
    sides = groups.part(chosen), groups.part(~chosen)
    return _Compared(
        points, _newcombe(ours, others, *sides, level), _level_that_holds_0(ours, others, *sides)
    )


def _interval(correct: Bool[np.ndarray, "n"], groups: Grouping | None, level: float) -> Interval:
    if groups is None or groups.single:
        return wilson_interval(int(correct.sum()), len(correct), level)
    return grouped_interval(correct, groups, level)


def _newcombe(
    ours: Bool[np.ndarray, "n"],
    others: Bool[np.ndarray, "m"],
    our_groups: Grouping | None,
    other_groups: Grouping | None,
    level: float,
) -> Interval:
    """Return the interval of the difference of two independent shares from the ends of their own (Newcombe 1998)."""
    a, b = float(ours.mean()), float(others.mean())
    a_low, a_high = _interval(ours, our_groups, level)
    b_low, b_high = _interval(others, other_groups, level)
    return (
        max(-1.0, a - b - float(np.hypot(a - a_low, b_high - b))),
        min(1.0, a - b + float(np.hypot(a_high - a, b - b_low))),
    )


def _level_that_holds_0(
    ours: Bool[np.ndarray, "n"], others: Bool[np.ndarray, "m"], our_groups: Grouping, other_groups: Grouping
) -> float:
    from scipy.optimize import brentq

    if ours.mean() == others.mean():
        return 1.0

    def nearest(p: float) -> float:
        low, high = _newcombe(ours, others, our_groups, other_groups, 1 - p)
        return low if low + high > 0 else -high

    smallest, largest = 1e-12, 1 - 1e-9
    if nearest(smallest) > 0:
        return smallest
    return float(brentq(nearest, smallest, largest)) if nearest(largest) > 0 else 1.0


def _by_class(correct: Bool[np.ndarray, "n"], labels: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Return for each photo how often photos of its class are right."""
    recall = np.bincount(labels, correct) / np.maximum(np.bincount(labels), 1)
    return recall[labels]


def _subgroup(
    value: str,
    chosen: Bool[np.ndarray, "n"],
    correct: Bool[np.ndarray, "n"],
    expected: Float[np.ndarray, "n"] | None,
    groups: Grouping | None,
    level: float,
    compared: _Compared | None,
    p_adjusted: float | None,
) -> Subgroup:
    ours, part = correct[chosen], None if groups is None else groups.part(chosen)
    enough = part is None or part.enough
    return Subgroup(
        value=value or None,
        n=len(ours),
        groups=None if part is None else part.num,
        accuracy=float(ours.mean()),
        interval=_interval(ours, part, level) if enough else None,
        range=None if enough or part is None else cautious_range(ours, part),
        by_class=None if expected is None else float(expected[chosen].mean()),
        difference=None
        if compared is None or p_adjusted is None
        else Difference(
            points=compared.points, interval=compared.interval, p=compared.p, p_adjusted=p_adjusted
        ),
    )
