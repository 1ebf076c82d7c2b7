"""Calibration: one temperature that makes the stated probabilities fit what is right (Guo et al. 2017)."""

import numpy as np
from jaxtyping import Float, Int

SPREAD = 0.5
"""Standard deviation of the logarithm of the temperature before any photo is seen: a few photos that are all right
would else ask for boundless certainty. Beside a hundred photos it hardly counts."""


def fit_temperature(logits: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, "n"]) -> float:
    """The temperature by which logits should be divided, from photos that they were not trained on.

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
        return -shares[rows, labels].sum() + 0.5 * (log_temperature / SPREAD) ** 2

    found = minimize_scalar(
        loss, bounds=(np.log(0.05), np.log(20)), method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(found.x))
