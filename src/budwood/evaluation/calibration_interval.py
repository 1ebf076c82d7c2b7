"""The interval of the expected calibration error.

The error is a sum of absolute gaps, so that chance alone makes some: of a few photos it says more of their number than
of the model, and bootstrap resamples have still more of it. The interval is that of a test, inverted (Carpenter 1999):
the true errors at which the one that was found is neither among the lowest nor among the highest 2.5 %. A true error
near 0 cannot be found too low by much: the 5 % are then shared out unequally, all of them above at 0 and half of them
from where the true error is as large as what chance makes (a tail function: Puza and O'Neill 2006). Else 97.5 % of the
intervals of a calibrated model would hold the truth. For each true error the gaps of the bins are those that were
found, all moved by as many of their standard errors. How often the truth is held is found by `python -m
benchmarks.intervals`.
"""

import numpy as np
from jaxtyping import Bool, Float

from budwood.evaluation.calibration import ECE_BINS, bin_of
from budwood.evaluation.figures import Interval

FEWEST_PHOTOS = 50
"""Of fewer photos the interval holds the truth too often to say anything."""
_PRIOR = 2.0
"""Photos as right as their probabilities say that count beside those of each bin."""
_LEVEL = 0.05
_DRAWS, _STEPS, _FARTHEST = 2_000, 16, 6.0


def ece_interval(
    confidence: Float[np.ndarray, "n"], correct: Bool[np.ndarray, "n"], widening: float = 1.0
) -> Interval | None:
    """Return the 95 % interval of the expected calibration error; None of fewer than 50 photos.

    Args:
        confidence: probability of the predicted class, photo by photo.
        correct: whether the prediction is right.
        widening: by how much the standard errors are longer than those of independent photos.

    >>> rng = np.random.default_rng(0)
    >>> confidence = rng.uniform(0.5, 1, 500)
    >>> [round(end, 2) for end in ece_interval(confidence, rng.random(500) < confidence - 0.1)]
    [0.04, 0.13]
    """
    n = len(confidence)
    if n < FEWEST_PHOTOS:
        return None
    places = bin_of(confidence)
    photos, stated, right = (
        np.bincount(places, weights=values, minlength=ECE_BINS)
        for values in (np.ones(n), confidence, correct * 1.0)
    )
    mean = stated / np.maximum(photos, 1)
    share = (right + _PRIOR * mean) / (photos + _PRIOR)
    gap, part = mean - share, photos / n
    # Of right and wrong within a bin, and of how many photos fall into it.
    variances = (part * share * (1 - share) + part * gap**2 - (part * gap) ** 2) / n
    low, high = sum_of_gaps((stated - right) / n, widening * np.sqrt(variances))
    return low, min(high, 1.0)


def sum_of_gaps(gaps: Float[np.ndarray, "m"], errors: Float[np.ndarray, "m"]) -> Interval:
    """Return the 95 % interval of a sum of absolute gaps, which holds the sum that was found.

    Args:
        gaps: as found, each a mean over all photos.
        errors: their standard errors.
    """
    found = float(np.abs(gaps).sum())
    if not errors.any():
        return found, found
    some = (errors > 0) | (gaps != 0)
    gaps, errors = gaps[some], errors[some]
    noise = errors * np.random.default_rng(0).normal(size=(_DRAWS, len(gaps)))

    def moved(by: float) -> Float[np.ndarray, "m"]:
        return np.sign(gaps) * np.maximum(np.abs(gaps) + by * errors, 0.0)

    chance = float(np.abs(noise).sum(axis=1).mean())

    def end(upper: bool) -> float:
        """Return the true sum at which as large a sum as was found is as seldom, or as frequent, as may be."""
        low, high = -_FARTHEST, _FARTHEST
        for _ in range(_STEPS):
            middle = (low + high) / 2
            gaps_there = moved(middle)
            below = _LEVEL / 2 * min(1.0, float(np.abs(gaps_there).sum()) / chance)
            wanted = 1 - below if upper else _LEVEL - below
            if float((np.abs(gaps_there + noise).sum(axis=1) >= found).mean()) < wanted:
                low = middle
            else:
                high = middle
        return float(np.abs(moved(high)).sum())

    return min(end(upper=False), found), max(end(upper=True), found)
