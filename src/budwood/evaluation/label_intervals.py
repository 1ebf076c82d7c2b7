"""Intervals of one label's F1, ROC AUC and average precision, which few photos with the label decide.

F1 is 2 J / (1 + J) of the share J of photos with the label or said to have it that are both (Jaccard 1912): a share of
independent photos, so that Wilson's interval of it tells that of F1. That of ROC AUC is a score interval, too: the
areas whose standard error, by Hanley and McNeil's formula with both numbers of photos set to their mean (Newcombe 2006,
method 5), does not leave out the one that was found. Average precision of few photos has Wilson's interval at the
number of photos that would have its jackknife's variance. `python -m benchmarks.label_intervals` finds how often they
hold the truth.
"""

import numpy as np

from budwood.evaluation.figures import Interval
from budwood.evaluation.jackknife import Spread, jackknife_interval
from budwood.evaluation.statistics import wilson_score

FEW = 13
"""Photos with a label below which its average precision lies too seldom normally on the scale of the logits."""
_PRIOR = 3.0
"""Mistakes that the likely variance counts beside the one that was found; chosen by simulation."""
_WIDEST, _EDGE = 4.0, 1e-12


def f1_of_overlap(overlap: Interval) -> Interval:
    """Return F1 for the share of photos with a label, or said to have it, that are both: its ends for its ends.

    >>> f1_of_overlap((0.5, 1.0))
    (0.6666666666666666, 1.0)
    """
    low, high = (2 * end / (1 + end) for end in overlap)
    return low, high


def auc_interval(
    value: float, having: int | float, others: int | float, deviation: float, quantile: float
) -> Interval:
    """Return the 95 % interval of an area under the ROC curve, which holds the area itself.

    Args:
        value: the area.
        having, others: photos with and without the label; they need be no whole numbers.
        deviation: its standard error as found, to which that of the formula is drawn.
        quantile: of the interval.

    >>> [round(end, 2) for end in auc_interval(0.9, 20, 80, 0.04, 1.96)]
    [0.79, 0.95]
    """
    from scipy.optimize import brentq

    mean = max((having + others) / 2 - 1, 0.0)

    def variance(area: float) -> float:
        shape = 1 + mean * (1 - area) / (2 - area) + mean * area / (1 + area)
        return area * (1 - area) * shape / (having * others)

    effect = _effect(deviation, variance(value), 2 * having * min(value, 1 - value))

    def beyond(area: float) -> float:
        return (value - area) ** 2 - quantile**2 * effect * variance(area)

    # At the ends themselves nothing varies.
    low = float(brentq(beyond, 0.0, min(value, 1 - _EDGE))) if value > 0 else 0.0
    high = float(brentq(beyond, max(value, _EDGE), 1.0)) if value < 1 else 1.0
    return min(low, value), max(high, value)


def average_precision_interval(
    value: float, spread: Spread, num: int | float, degrees: int | float, quantile: float
) -> Interval:
    """Return the 95 % interval of a label's average precision, which holds the precision itself.

    Args:
        value: the average precision.
        spread: of it.
        num: photos that decide it.
        degrees: of freedom of the spread, where these are many.
        quantile: where they are few.

    >>> [round(end, 2) for end in average_precision_interval(0.8, Spread(0.0, 0.15), 8, 7, 1.96)]
    [0.44, 0.95]
    """
    if num >= FEW:
        return jackknife_interval(value, spread, num, degrees)
    corrected = float(np.clip(value - spread.bias, value / 2, (1 + value) / 2))
    likely = corrected * (1 - corrected) / num
    effect = _effect(spread.deviation, likely, 2 * num * min(corrected, 1 - corrected))
    low, high = wilson_score(corrected, num / effect, quantile)
    return min(low, value), max(high, value)


def _effect(deviation: float, likely: float, mistakes: float) -> float:
    """Return how many times the likely variance was found, drawn to once the more, the fewer mistakes there are."""
    found = float(np.clip(deviation**2 / likely, 1 / _WIDEST, _WIDEST)) if likely > 0 else 1.0
    return (mistakes * found + _PRIOR) / (mistakes + _PRIOR)
