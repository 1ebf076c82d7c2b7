"""What a classifier's figures would be where the classes are as frequent as is said (label shift).

A test split has the class shares of the photos that were gathered. Where classes are more or less frequent, accuracy
and predictive values are others, though the model is the same. Assumed is label shift alone: photos of a class look as
those that were measured, only how many there are of each class changes.

Two answers are measured: the model's own, and those of its probabilities corrected from the class shares that it
learned from to the ones stated (Saerens, Latinne and Decaestecker 2002).

Intervals have a closed form. Each class is a stratum with shares of its own, and their weighted sums are combined from
the ends of the intervals of the strata (MOVER: Zou and Donner 2008; of ratios: Donner and Zou 2012) of Wilson's kind,
modified for one or two cases (Brown, Cai and DasGupta 2001). Of many small strata a Wilson interval at the effective
number of photos, modified alike, is longer, and then taken. How often the truth is held, with 2 to 100 classes of 5 to
200 photos each, is found by `python -m benchmarks.prevalence`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field

from budwood.core.errors import DataError, did_you_mean
from budwood.core.part import Part
from budwood.core.text import listing
from budwood.evaluation.figures import Interval
from budwood.evaluation.groups import MIN_GROUPS, Grouping, design_effect, rare_groups

FEWEST = 5
"""With fewer photos of a class no interval is stated; chosen by simulation."""
SUM_MAY_MISS = 1e-6
_SHOWN = 5
_NO_CASE, _FEW_CASES, _FEW_OF = 0.5, 2.5, 4
"""Cases that are few: between the first two, and fewer than a fourth of the photos."""
_ANGLES = 33


class ClassAtPrevalence(Part):
    """One class against all others; None where nothing is divided by nothing, or no interval can be stated."""

    label: str = Field(alias="class")
    share: float
    """Of all photos, as stated."""
    n: int
    """Photos of it that were measured."""
    recall: float | None
    """Sensitivity: of its photos, the share that is found."""
    recall_ci95: Interval | None
    specificity: float | None
    """Of the photos of other classes, the share that is not taken for it."""
    specificity_ci95: Interval | None
    precision: float | None
    """Positive predictive value (PPV): of the answers of it, the share that is right."""
    precision_ci95: Interval | None
    npv: float | None
    """Negative predictive value: of the other answers, the share that is none of it."""
    npv_ci95: Interval | None


class AnswersAtPrevalence(Part):
    """The figures of one way to answer."""

    accuracy: float
    accuracy_ci95: Interval | None
    per_class: tuple[ClassAtPrevalence, ...]


class NoInterval(Part):
    """Why no interval is stated: some classes have too few photos, or too few groups of photos that belong together."""

    of: Literal["photos", "groups"]
    fewest: int
    classes: tuple[str, ...]


class PrevalenceFigures(Part):
    """Figures at stated class shares."""

    left_out = frozenset({"no_interval"})

    n: int
    """Photos that were measured, of classes with a share above 0."""
    learned: dict[str, float]
    """The class shares that the model's probabilities are about."""
    own: AnswersAtPrevalence
    """Of the model's own answers."""
    corrected: AnswersAtPrevalence
    """Of the answers after its probabilities are corrected to the stated shares."""
    no_interval: NoInterval | None = None


def stated_shares(prevalence: Mapping[str, float], classes: Sequence[str]) -> Float[np.ndarray, "classes"]:
    """Return a share for each class, in their order. Raise DataError where that is not what is given.

    >>> stated_shares({"dog": 0.98, "cat": 0.02}, ["cat", "dog"]).tolist()
    [0.02, 0.98]
    """
    for name, share in prevalence.items():
        if name not in classes:
            raise DataError(
                f"the prevalence names the class {name!r}, which the run does not know."
                f"{did_you_mean(name, classes)} It knows: {', '.join(classes[:10])}"
            )
        if not 0 <= share <= 1:
            raise DataError(
                f"a prevalence of {share:g} for {name!r} is no share. Give one from 0 to 1, such as 0.02 for 2 %"
            )
    if missing := [name for name in classes if name not in prevalence]:
        raise DataError(
            f"the prevalence leaves out {_some(missing)}. Give every class a share; 0 where it does not occur"
        )
    found = np.array([prevalence[name] for name in classes], np.float64)
    if abs(found.sum() - 1) > SUM_MAY_MISS:
        raise DataError(
            f"the shares of the prevalence add up to {found.sum():.6g}. Expected 1: say how frequent each class is "
            "among all photos"
        )
    return found / found.sum()


def correct_probabilities(
    probabilities: Float[np.ndarray, "n classes"],
    learned: Float[np.ndarray, "classes"],
    stated: Float[np.ndarray, "classes"],
) -> Float[np.ndarray, "n classes"]:
    """Return calibrated probabilities where the classes are as frequent as stated (Saerens et al. 2002).

    Args:
        probabilities: where the classes are as frequent as was learned.
        learned: above 0 wherever `stated` is.
        stated: sums to 1.

    >>> correct_probabilities(np.array([[0.5, 0.5]]), np.array([0.5, 0.5]), np.array([0.1, 0.9])).tolist()
    [[0.1, 0.9]]
    """
    ratio = np.divide(stated, learned, out=np.zeros(len(stated)), where=stated > 0)
    found = np.maximum(probabilities.astype(np.float64), np.finfo(np.float64).tiny) * ratio
    return found / found.sum(axis=1, keepdims=True)


def figures_at_prevalence(
    labels: Int[np.ndarray, "n"],
    probabilities: Float[np.ndarray, "n classes"],
    classes: Sequence[str],
    stated: Float[np.ndarray, "classes"],
    learned: Float[np.ndarray, "classes"],
    *,
    groups: Grouping | None = None,
) -> PrevalenceFigures:
    """Return what the figures would be where the classes are as frequent as stated.

    Args:
        labels: true class numbers.
        probabilities: calibrated, a row a photo.
        classes: names in the order of the columns.
        stated: share of each class, as `stated_shares` gives them.
        learned: share of each class that the probabilities are about.
        groups: which photos belong together; by default none do.

    Raises:
        DataError: a class with a share has no photo, or was not learned.
    """
    support = np.bincount(labels, minlength=len(classes))
    if missing := [name for name, share, n in zip(classes, stated, support, strict=True) if share and not n]:
        raise DataError(
            f"there is no photo of {_some(missing)}, so nothing can be said of them at a stated prevalence. Give "
            "photos of every class whose share is above 0"
        )
    if unlearned := [
        name for name, s, t in zip(classes, stated, learned, strict=True) if s > 0 and not t > 0
    ]:
        raise DataError(f"nothing was learned of {_some(unlearned)}, so its probability cannot be corrected")
    counts = (stated > 0)[labels]
    labels, probabilities = labels[counts], probabilities[counts]
    groups = None if groups is None else groups.part(counts)
    strata, why = _strata(labels, probabilities.argmax(axis=1), classes, stated, groups)
    corrected = correct_probabilities(probabilities, learned, stated)
    return PrevalenceFigures(
        n=len(labels),
        learned=dict(zip(classes, learned.tolist(), strict=True)),
        own=_answers(labels, probabilities, classes, strata),
        corrected=_answers(labels, corrected, classes, strata),
        no_interval=why,
    )


@dataclass(frozen=True)
class _Strata:
    """The classes, each a stratum."""

    weights: Float[np.ndarray, "classes"]
    """Stated shares."""
    effective: Float[np.ndarray, "classes"]
    """Independent photos that would say as much; 1 where there are none."""
    quantile: float
    tied: bool
    """Whether groups have photos of several classes: then these are not independent."""
    whole: bool
    """Whether `effective` are numbers of photos."""
    stated: bool
    """Whether intervals are."""


def _strata(
    labels: np.ndarray,
    predicted: np.ndarray,
    classes: Sequence[str],
    stated: np.ndarray,
    groups: Grouping | None,
) -> tuple[_Strata, NoInterval | None]:
    from scipy.stats import norm, t

    support = np.bincount(labels, minlength=len(classes)).astype(float)
    effective, quantile, tied = np.maximum(support, 1), float(norm.ppf(0.975)), False
    few = [name for name, share, n in zip(classes, stated, support, strict=True) if share and n < FEWEST]
    why = NoInterval(of="photos", fewest=FEWEST, classes=tuple(few)) if few else None
    if groups is None or groups.single:
        return _Strata(stated, effective, quantile, tied, True, why is None), why
    parts = {place: groups.part(labels == place) for place in np.flatnonzero(stated > 0).tolist()}
    scarce = tuple(classes[place] for place, part in parts.items() if not part.enough)
    if scarce:
        why = why or NoInterval(of="groups", fewest=MIN_GROUPS, classes=scarce)
    else:
        for place, part in parts.items():
            right = predicted[labels == place] == place
            share = right.mean()
            variance = share * (1 - share) / len(right)
            effective[place] /= design_effect(right - share, variance, part, rare_groups(right, part))
        fewest = min(part.effective for part in parts.values())
        quantile = float(t.ppf(0.975, max(fewest - 1, 1)))
        tied = sum(part.num for part in parts.values()) > groups.num
    return _Strata(stated, effective, quantile, tied, False, why is None), why


def _answers(
    labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str], strata: _Strata
) -> AnswersAtPrevalence:
    num, weights = len(classes), strata.weights
    confusion = np.zeros((num, num))
    np.add.at(confusion, (labels, probabilities.argmax(axis=1)), 1)
    support = confusion.sum(axis=1)
    shares = confusion / np.maximum(support, 1)[:, None]
    low, high = _wilson(shares, strata)
    recall, others = np.diag(shares), weights.sum() - weights
    found, found_low, found_high = (weights * np.diag(ends) for ends in (shares, low, high))
    accuracy, accuracy_low, accuracy_high = (
        float(end[0])
        for end in _sums(
            weights[:, None], recall[:, None], np.diag(low)[:, None], np.diag(high)[:, None], strata
        )
    )
    off = np.where(np.eye(num, dtype=bool), 0.0, weights[:, None])
    false, false_low, false_high = _sums(off, shares, low, high, strata)
    # Of the photos of other classes, those not taken for it; of its own, those that are missed.
    true, true_low, true_high = others - false, others - false_high, others - false_low
    lost, lost_low, lost_high = weights - found, weights - found_high, weights - found_low
    precision = _part((found, found_low, found_high), (false, false_low, false_high), strata.tied)
    npv = _part((true, true_low, true_high), (lost, lost_low, lost_high), strata.tied)
    specificity = [
        np.divide(one, others, out=np.full(num, np.nan), where=others > 0)
        for one in (true, true_low, true_high)
    ]
    recalls = [np.where(support > 0, ends, np.nan) for ends in (recall, np.diag(low), np.diag(high))]

    def pair(ends: Sequence[np.ndarray], place: int) -> tuple[float | None, Interval | None]:
        value, lower, upper = (float(end[place]) for end in ends)
        if not np.isfinite(value):
            return None, None
        return value, (max(0.0, min(lower, value)), min(1.0, max(upper, value))) if strata.stated else None

    rows = []
    for place, label in enumerate(classes):
        figures = {"recall": recalls, "specificity": specificity, "precision": precision, "npv": npv}
        values: dict[str, object] = {"class": label, "share": weights[place], "n": int(support[place])}
        for name, ends in figures.items():
            values[name], values[f"{name}_ci95"] = pair(ends, place)
        rows.append(ClassAtPrevalence.model_validate(values))
    return AnswersAtPrevalence(
        accuracy=accuracy,
        accuracy_ci95=(max(0.0, accuracy_low), min(1.0, accuracy_high)) if strata.stated else None,
        per_class=tuple(rows),
    )


def _wilson(
    shares: Float[np.ndarray, "classes classes"], strata: _Strata
) -> tuple[Float[np.ndarray, "classes classes"], Float[np.ndarray, "classes classes"]]:
    """Return the ends of the intervals of shares, a row a stratum."""
    n = strata.effective[:, None]
    low, high = _score(shares, n, strata.quantile)
    return _of_few_cases(shares, n, low, high) if strata.whole else (low, high)


def _of_few_cases(
    shares: np.ndarray, n: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of intervals as modified for one or two cases, also of no whole number of them: Wilson's own
    leaves out shares so small that so many are seldom seen of them."""
    from scipy.special import gammaincinv

    for end, cases in enumerate((shares * n, (1 - shares) * n)):
        few = (cases > _NO_CASE) & (cases < np.minimum(_FEW_CASES, n / _FEW_OF))
        # Of a Poisson number the mean at which as many or more are seen in 5 %.
        least = gammaincinv(np.where(few, cases, 1.0), 0.05) / n
        if end:
            high = np.where(few, np.maximum(high, 1 - least), high)
        else:
            low = np.where(few, np.minimum(low, least), low)
    return low, high


def _score(shares: np.ndarray, n: np.ndarray, quantile: float) -> tuple[np.ndarray, np.ndarray]:
    square = quantile**2 / n
    middle = (shares + square / 2) / (1 + square)
    half = np.sqrt(square * (shares * (1 - shares) + square / 4)) / (1 + square)
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def _sums(
    weights: np.ndarray, shares: np.ndarray, low: np.ndarray, high: np.ndarray, strata: _Strata
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return weighted sums of the shares of the strata down each column, and their ends."""
    total = weights.sum(axis=0)
    found = (weights * shares).sum(axis=0)
    below, above = weights * (shares - low), weights * (high - shares)
    if strata.tied:
        # As if all strata were wrong together: no interval of dependent strata is longer.
        return found, found - below.sum(axis=0), found + above.sum(axis=0)
    lower, upper = found - np.sqrt((below**2).sum(axis=0)), found + np.sqrt((above**2).sum(axis=0))
    safe = np.where(total > 0, total, 1.0)
    squares = (weights / safe) ** 2 / strata.effective[:, None]
    whole = np.where(total > 0, squares.sum(axis=0), 1.0)
    n = strata.effective[:, None]
    # A stratum of few photos has the mean of all in place of two of them, so that it is not taken for certain.
    drawn = (n * shares + 2 * (squares * shares).sum(axis=0) / whole) / (n + 2)
    variance = (squares * drawn * (1 - drawn)).sum(axis=0)
    mean = found / safe
    spread = mean * (1 - mean)
    effective = np.where(variance > 0, spread / np.where(variance > 0, variance, 1.0), 1 / whole)
    effective = np.where(effective > 0, effective, 1 / whole)
    ends = _score(mean, effective, strata.quantile)
    if strata.whole:
        ends = _of_few_cases(mean, effective, *ends)
    return found, np.minimum(lower, total * ends[0]), np.maximum(upper, total * ends[1])


def _part(ours: Sequence[np.ndarray], others: Sequence[np.ndarray], tied: bool) -> list[np.ndarray]:
    """Return what part of a sum one of two independent numbers is, and its ends: the least and the largest part on
    the ellipses through the ends of both."""
    angle = np.array([0.0, np.pi / 2]) if tied else np.linspace(0, np.pi / 2, _ANGLES)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    if tied:
        cos, sin = np.ones((1, 1)), np.ones((1, 1))
    (a, a_low, a_high), (b, b_low, b_high) = ours, others

    def share(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        both = one + other
        return np.divide(one, both, out=np.full(both.shape, np.nan), where=both > 0)

    least = share(np.maximum(a - (a - a_low) * cos, 0), b + (b_high - b) * sin)
    largest = share(a + (a_high - a) * cos, np.maximum(b - (b - b_low) * sin, 0))
    return [share(a, b), np.fmin.reduce(least, axis=0), np.fmax.reduce(largest, axis=0)]


def _some(names: Sequence[str]) -> str:
    shown = [repr(name) for name in names[:_SHOWN]]
    return listing([*shown, f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else shown)
