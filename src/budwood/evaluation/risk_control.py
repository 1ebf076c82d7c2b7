"""Sets of labels that miss few of the true ones: conformal risk control (Angelopoulos, Bates et al. 2024).

Of photos with several labels a set is every label whose probability is at least a threshold. What is lost is the share
of a photo's own labels that its set misses: 0 for a photo without labels. The lower the threshold, the less is missed;
the highest one is chosen at which the mean over calibration photos, and one more photo of which everything is missed,
is no more than was allowed. Then the expected share that is missed of a new photo's labels is no more either.

Targets are float `(n, labels)`: 1 the photo has the label, 0 it has not, NaN unknown, which counts as neither. Photos
that belong together count once together, and the promise is of a photo of a new group.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from budwood.core.errors import RunError
from budwood.evaluation.conformal import as_kept, fewest
from budwood.evaluation.groups import Grouping

_ROUNDING = 1e-12


@dataclass(frozen=True)
class LabelSetFigures:
    """What sets of labels do on photos that chose nothing."""

    n: int
    missed: float
    """Mean share of a photo's own labels that its set misses."""
    mean_size: float
    """Labels in a set."""
    empty: float
    """Share of photos whose set has no label."""


def choose_label_threshold(
    targets: Float[np.ndarray, "n labels"],
    probabilities: Float[np.ndarray, "n labels"],
    risk: float,
    groups: Grouping | None = None,
) -> float:
    """Return the highest probability from which labels may be taken so that few of the true ones are missed.

    Args:
        targets: of the calibration photos.
        probabilities: in [0, 1], of each label.
        risk: expected share of a photo's labels that may be missed, above 0 and below 1.
        groups: which photos belong together; by default none do.

    Returns:
        In [0, 1]: what `missed` and `label_sets` take; the probability of a label of a calibration photo, or 1.

    Raise RunError where the risk is no such share, or less than so many photos can promise.

    >>> targets = np.ones((19, 1))
    >>> choose_label_threshold(targets, np.arange(1.0, 20.0)[:, None] / 20, 0.1)
    0.1
    """
    refuse_bad_risk(risk)
    groups = groups or Grouping(np.arange(len(targets)))
    _refuse_too_few(groups, risk)
    probabilities = as_kept(probabilities)
    own = targets == 1
    weight = (1 / groups.sizes)[groups.numbers] / np.maximum(own.sum(axis=1), 1)
    at, held = np.nonzero(own)
    levels, shares = probabilities[at, held], weight[at]
    # Below 1 in every promise: one more photo is taken to lose everything.
    allowed = risk * (groups.num + 1) - 1 + _ROUNDING * len(levels)
    order = np.argsort(levels, kind="stable")
    # A threshold misses what is less probable; labels of equal probability are taken together.
    lost = np.concatenate([[0.0], np.cumsum(shares[order])])
    candidates = np.concatenate([np.unique(levels), [1.0]])
    missed_at = lost[np.searchsorted(levels[order], candidates, side="left")]
    return float(candidates[np.flatnonzero(missed_at <= allowed)[-1]])


def label_sets(probabilities: Float[np.ndarray, "n labels"], threshold: float) -> np.ndarray:
    """Return which labels are in the set of each photo, bool `(n, labels)`."""
    return as_kept(probabilities) >= threshold


def missed(
    targets: Float[np.ndarray, "n labels"], probabilities: Float[np.ndarray, "n labels"], threshold: float
) -> Float[np.ndarray, "n"]:
    """Return the share of each photo's own labels that its set misses, 0 of a photo that has none.

    >>> missed(np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]), np.array([[0.9, 0.1, 0.9]] * 2), 0.5)
    array([0.5, 0. ])
    """
    own = targets == 1
    lost = own & ~label_sets(probabilities, threshold)
    return lost.sum(axis=1) / np.maximum(own.sum(axis=1), 1)


def measure_label_sets(
    targets: Float[np.ndarray, "n labels"],
    probabilities: Float[np.ndarray, "n labels"],
    threshold: float,
    groups: Grouping | None = None,
) -> LabelSetFigures:
    """Return what a threshold does on some photos, each group counting once."""
    groups = groups or Grouping(np.arange(len(targets)))
    weight = (1 / groups.sizes)[groups.numbers] / groups.num
    sizes = label_sets(probabilities, threshold).sum(axis=1)
    return LabelSetFigures(
        len(targets),
        float(weight @ missed(targets, probabilities, threshold)),
        float(weight @ sizes),
        float(weight @ (sizes == 0)),
    )


def refuse_bad_risk(risk: float) -> None:
    """Raise RunError for what is no share of labels that could be missed."""
    if not 0 < risk < 1:
        raise RunError(
            f"a share of {risk:g} missed labels cannot be promised. Give one between 0 and 1, such as 0.1"
        )


def _refuse_too_few(groups: Grouping, risk: float) -> None:
    needed, there = fewest(1 - risk), groups.num
    if there < needed:
        unit = "photos" if groups.single else "groups of photos"
        raise RunError(
            f"to miss no more than {risk:.4g} of the labels takes {needed:,} {unit} to calibrate it, and there "
            f"{'is' if there == 1 else 'are'} {there:,}. Allow {1 / (there + 1):.4f} or more, or train with more photos"
        )
