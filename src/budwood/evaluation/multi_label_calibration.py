"""Calibration of several labels a photo: a scale and a shift of each label's logits (Platt 1999)."""

import numpy as np
from jaxtyping import Float

from budwood.core.scaling import LabelScaling
from budwood.evaluation.calibration import (
    PRIOR_DEVIATION,
    BeforeAndAfter,
    Calibrated,
    ece,
    reliability,
)

SHIFT_DEVIATION = 2.0
"""Standard deviation of the shift before any photo is seen. Weights for rare labels move logits by so much, and beside
a label's tenth photo it hardly counts."""
EDGE = float(np.finfo(np.float64).eps)
"""A probability counts as this much at least, and as 1 less this much at most: its logarithm stays finite."""


def fit_label_scaling(logits: Float[np.ndarray, "n k"], targets: Float[np.ndarray, "n k"]) -> LabelScaling:
    """Return for each label the scale and the shift of its logits, from photos that they were not trained on.

    The minimum of the binary cross-entropy over the photos in which the label is known, with normal priors on the
    shift around 0 and on the logarithm of the scale around 0: few photos do not ask for boundless certainty, and a
    label that is known in none keeps scale 1 and shift 0, as does one that every photo has or none, of which they show
    only one side, and one with a logit that is not finite.

    Args:
        logits: a column a label.
        targets: 1, 0, or NaN where it is unknown.

    Returns:
        Scales in [0.05, 20].

    >>> logits = np.linspace(-2, 2, 400)[:, None]
    >>> found = fit_label_scaling(logits, (logits > 0).astype(float))
    >>> found.scale[0] > 3, abs(found.shift[0]) < 0.01
    (True, True)
    """
    pairs = [
        _fit(column[known], target[known])
        for column, target in zip(logits.astype(np.float64).T, targets.astype(np.float64).T, strict=True)
        for known in (~np.isnan(target),)
    ]
    return LabelScaling(tuple(scale for scale, _ in pairs), tuple(shift for _, shift in pairs))


def _fit(logits: Float[np.ndarray, "n"], targets: Float[np.ndarray, "n"]) -> tuple[float, float]:
    from scipy.optimize import minimize
    from scipy.special import expit

    if not len(logits) or not 0 < targets.mean() < 1 or not np.isfinite(logits).all():
        return 1.0, 0.0

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        scale, shift = np.exp(point[0]), point[1]
        moved = scale * logits + shift
        gaps = expit(moved) - targets
        value = (np.logaddexp(0, moved) - targets * moved).sum()
        value += 0.5 * (point[0] / PRIOR_DEVIATION) ** 2 + 0.5 * (shift / SHIFT_DEVIATION) ** 2
        slope_scale = scale * (gaps @ logits) + point[0] / PRIOR_DEVIATION**2
        return float(value), np.array([slope_scale, gaps.sum() + shift / SHIFT_DEVIATION**2])

    found = minimize(
        loss,
        np.zeros(2),
        jac=True,
        method="L-BFGS-B",
        bounds=[(np.log(0.05), np.log(20)), (None, None)],
        options={"ftol": 1e-12, "gtol": 1e-6},
    )
    return float(np.exp(found.x[0])), float(found.x[1])


def label_calibration(
    probabilities: Float[np.ndarray, "n k"],
    targets: Float[np.ndarray, "n k"],
    scaling: LabelScaling,
) -> BeforeAndAfter:
    """Return what a scaling did to the probabilities of some photos.

    Each known label of each photo counts once; `confidence` of a bin is the mean probability of having the label,
    `accuracy` the share that has it.

    Args:
        probabilities: with the scaling in them, as the saved model states them.
        targets: 1, 0, or NaN where it is unknown.
        scaling: of the logits.
    """
    from scipy.special import expit, logit

    probabilities = probabilities.astype(np.float64)
    # Beyond float32's nearest to 1 nothing is known of the logit.
    logits = logit(np.clip(probabilities, np.finfo(np.float32).tiny, 1 - np.finfo(np.float32).epsneg / 2))
    return {
        "before": _describe(expit(scaling.inverse().apply(logits)), targets),
        "after": _describe(probabilities, targets),
    }


def _describe(probabilities: Float[np.ndarray, "n k"], targets: Float[np.ndarray, "n k"]) -> Calibrated:
    known = ~np.isnan(targets)
    chance, has = probabilities[known], targets[known] > 0.5
    return {
        "ece": ece(chance, has),
        "loss": float(binary_cross_entropy(chance, has.astype(float)).mean()),
        "reliability": reliability(chance, has),
    }


def binary_cross_entropy(
    probabilities: Float[np.ndarray, "*shape"], targets: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    """Return the negative log-likelihood of each target, 0 or more; NaN where it is unknown."""
    shares = np.clip(probabilities.astype(np.float64), EDGE, 1 - EDGE)
    return -(targets * np.log(shares) + (1 - targets) * np.log1p(-shares))
