"""How often answers are right, as far as a few photos allow to promise it.

The share of right answers among photos that chose the threshold flatters: few decide, and the lowest threshold that
does is taken. Two allowances, each of the answers from a probability on:

"average": the wrong ones, and one more, by all of them. Over all choices of the photos the share of wrong answers is on
average no more than was allowed, where no answers count as none wrong (the step of Barber and Candes 2015, by which
conformal selection holds it too; Jin and Candes 2023). A threshold that is mostly found costs little so.

"confidence": the lower end of a one-sided 95 % interval (Clopper and Pearson 1934; for selective answers Geifman and
El-Yaniv 2017). In 90 of 100 choices of the photos or more the answers are right as often as asked, or there are none,
even where the threshold is mostly not found: there an average would be carried by the many times that say nothing. 90
and not 95, for of all thresholds the lowest is taken without a correction for their number: benchmarks/climb.py found
92 to 100.

Photos that belong together are no independent photos: they share the weight of one.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

PromiseKind = Literal["average", "confidence"]
CONFIDENCE = 0.95
"""Of the interval at one threshold."""
HELD = 0.9
"""Share of all choices of photos in which the promise is held."""


@dataclass(frozen=True)
class Promised:
    """What is promised of the answers from a threshold on."""

    threshold: float | None
    """The lowest that does; None where none does."""
    most: float
    """The largest share of right answers that any threshold could promise; 0 without photos."""


def promise(
    confidence: Float[np.ndarray, "n"],
    correct: Bool[np.ndarray, "n"],
    weights: Float[np.ndarray, "n"],
    precision: float,
    kind: PromiseKind,
) -> Promised:
    """Return the lowest probability from which on so large a share of right answers is promised.

    Args:
        confidence: probability of each photo's answer.
        correct: whether it is right.
        weights: 1 of a photo by itself, less of one that belongs to others.
        precision: wanted share of right answers, in (0, 1].
        kind: of the promise.

    >>> sure, ones = np.linspace(0.99, 0.5, 50), np.ones(50)
    >>> promise(sure, np.arange(50) != 39, ones, 0.95, "average")
    Promised(threshold=0.5, most=0.974...)
    >>> promise(sure, np.arange(50) != 39, ones, 0.95, "confidence").threshold
    """
    if not len(confidence):
        return Promised(None, 0.0)
    order = np.argsort(-confidence, kind="stable")
    sorted_confidence = confidence[order]
    right = np.cumsum(correct[order] * weights[order])
    answers = np.cumsum(weights[order])
    shares = _on_average(right, answers) if kind == "average" else _lower_end(right, answers)
    # Photos of the same probability are answered together or not at all.
    shares = np.where(np.append(np.diff(sorted_confidence) != 0, True), shares, 0.0)
    enough = np.flatnonzero(shares >= precision - 1e-12)
    threshold = float(sorted_confidence[enough[-1]]) if len(enough) else None
    return Promised(threshold, float(shares.max()))


def _on_average(right: Float[np.ndarray, "n"], answers: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    return np.maximum((right - 1) / answers, 0.0)


def _lower_end(right: Float[np.ndarray, "n"], answers: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    # Here, for SciPy's distributions take a second to import.
    from scipy.special import betaincinv

    wrong = np.maximum(answers - right, 0.0)
    return np.where(right > 0, betaincinv(np.maximum(right, 1e-9), wrong + 1, 1 - CONFIDENCE), 0.0)


def fewest(precision: float, kind: PromiseKind) -> int | None:
    """Return the number of answers, all of them right, that promise so large a share; None where no number does.

    >>> fewest(0.95, "average"), fewest(0.95, "confidence"), fewest(1.0, "average")
    (20, 59, None)
    """
    if precision >= 1:
        return None
    if kind == "average":
        return int(np.ceil(1 / (1 - precision) - 1e-9))
    return int(np.ceil(np.log(1 - CONFIDENCE) / np.log(precision) - 1e-9))
