"""Calibration: how far probabilities are from the truth, and the temperature that corrects them (Guo et al. 2017)."""

from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from jaxtyping import Bool, Float, Int

ECE_BINS = 15
PRIOR_DEVIATION = 0.5
"""Standard deviation of the logarithm of the temperature before any photo is seen: a few photos that are all right
would else ask for boundless certainty. Beside a hundred photos it hardly counts."""
SMALLEST = float(np.finfo(np.float32).tiny)
"""Below this a probability counts as this much: its logarithm stays finite."""


def fit_temperature(logits: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, "n"]) -> float:
    """Return the temperature by which logits should be divided, from photos that they were not trained on.

    The minimum of the negative log-likelihood, with a normal prior on its logarithm around 0. Labels smoothed in
    training give a temperature below 1, an overfitted network one above.

    Args:
        logits: two columns or more; log-probabilities will do.
        labels: class numbers.

    Returns:
        In [0.05, 20]; 1 where a logit is not finite.

    >>> fit_temperature(np.array([[1.0, 0.0], [0.0, 1.0]] * 50), np.array([0, 1] * 50)) < 0.3
    True
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    logits = logits.astype(np.float64)
    if not np.isfinite(logits).all():
        return 1.0
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        shares = log_softmax(logits * np.exp(-log_temperature), axis=1)
        return -shares[rows, labels].sum() + 0.5 * (log_temperature / PRIOR_DEVIATION) ** 2

    found = minimize_scalar(
        loss, bounds=(np.log(0.05), np.log(20)), method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(found.x))


def soften(
    probabilities: Float[np.ndarray, "n classes"], temperature: float
) -> Float[np.ndarray, "n classes"]:
    """Return probabilities at another temperature: the softmax of their logarithms, which are logits, divided
    by it.

    >>> [round(float(share), 4) for share in soften(np.array([[0.8, 0.2]]), temperature=2.0)[0]]
    [0.6667, 0.3333]
    """
    logits = np.log(np.maximum(probabilities, SMALLEST)) / temperature
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Bin:
    """The photos whose predicted class has about the same probability."""

    n: int
    confidence: float
    """Mean probability of the predicted class."""
    accuracy: float
    """Share of them that are right: the same, where the model is calibrated."""


class Calibrated(TypedDict):
    """How far the probabilities of some photos are from the truth."""

    ece: float
    loss: float
    """Mean negative log-likelihood."""
    reliability: list[Bin]


class BeforeAndAfter(TypedDict):
    """The probabilities of some photos without and with a temperature."""

    before: Calibrated
    after: Calibrated


def reliability(confidence: Float[np.ndarray, "n"], correct: Bool[np.ndarray, "n"]) -> list[Bin]:
    """Return what a reliability diagram shows: the bins of `ece` that have a photo, the least sure first.

    Args:
        confidence: probability of the predicted class, photo by photo.
        correct: whether the prediction is right.

    >>> reliability(np.array([0.8, 0.8, 0.95]), np.array([True, False, True]))
    [Bin(n=2, confidence=0.8, accuracy=0.5), Bin(n=1, confidence=0.95, accuracy=1.0)]
    """
    places = bin_of(confidence)
    return [
        Bin(int(here.sum()), float(confidence[here].mean()), float(correct[here].mean()))
        for here in (places == place for place in np.unique(places))
    ]


def ece(confidence: Float[np.ndarray, "n"], correct: Bool[np.ndarray, "n"]) -> float:
    """Return the expected calibration error, in [0, 1]: 15 bins of equal width over the confidence (Guo et
    al. 2017).

    >>> round(ece(np.array([0.8, 0.8]), np.array([True, False])), 6)
    0.3
    """
    gaps = np.bincount(bin_of(confidence), weights=confidence - correct, minlength=ECE_BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def bin_of(confidence: Float[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """Return the number of each one's bin: open below and closed above, as in the paper."""
    return np.clip(np.ceil(confidence * ECE_BINS).astype(np.int64) - 1, 0, ECE_BINS - 1)


def before_and_after(
    probabilities: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, "n"], temperature: float
) -> BeforeAndAfter:
    """Return what a temperature did to the probabilities of some photos.

    Args:
        probabilities: with the temperature in them, as the saved model states them.
        labels: class numbers.
        temperature: by which the logits were divided.

    Returns:
        "before" and "after": `ece`, `loss` (mean negative log-likelihood) and `reliability`, the bins that have a
        photo.
    """
    probabilities = probabilities.astype(np.float64)
    return {
        "before": _describe(soften(probabilities, 1 / temperature), labels),
        "after": _describe(probabilities, labels),
    }


def _describe(probabilities: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, "n"]) -> Calibrated:
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    of_label = np.maximum(probabilities[np.arange(len(labels)), labels], SMALLEST)
    return {
        "ece": ece(confidence, correct),
        "loss": float(-np.log(of_label).mean()),
        "reliability": reliability(confidence, correct),
    }
