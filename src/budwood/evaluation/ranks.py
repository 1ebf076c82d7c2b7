"""Average precision and ROC AUC of photos that count several times, or not at all: of bootstrap resamples.

Both depend on the weights through few sums: between one photo with the label and the next, how much weight photos
without it have. Sorted once, the sums of all resamples are one product with the counts.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped


@dataclass(frozen=True)
class Ranking:
    """Photos in the order of one label's scores, as columns whose weighted sums tell the figures.

    >>> ranking = Ranking.of(np.array([True, False, True]), np.array([0.9, 0.8, 0.1]))
    >>> sums = ranking.sums(np.ones((3, 1)))
    >>> [round(float(value[0]), 4) for value in ranking.scores(sums)]
    [0.8333, 0.5]
    """

    places: Int[np.ndarray, "n"]
    """The column of each photo."""
    steps: int
    """Different scores of photos that have the label, the highest first. For each there is a column of the photos
    without it whose scores lie above and below the step before; one of the photos with it; where `tied`, one of the
    photos without it that have the very score; and at last one of the photos below every step."""
    tied: bool

    @classmethod
    def of(cls, has: Bool[np.ndarray, "n"], scores: Float[np.ndarray, "n"]) -> "Ranking":
        """Return the ranking of photos that have a label or not by their scores for it."""
        levels = np.unique(scores[has])
        # How many levels lie at or above a score: its step, counted from the highest.
        above = len(levels) - np.searchsorted(levels, scores, side="left")
        equal = len(levels) - np.searchsorted(levels, scores, side="right") < above
        tied = bool((equal & ~has).any())
        steps = len(levels)
        # Photos without the label between two levels belong to the step of the lower one.
        places = np.where(has, steps + above - 1, np.where(equal, 2 * steps + above - 1, above))
        places[~has & ~equal & (above == steps)] = (2 + tied) * steps
        return cls(places.astype(np.int64), steps, tied)

    @property
    def width(self) -> int:
        """Return the number of columns."""
        return (2 + self.tied) * self.steps + 1

    def sums(self, weights: Shaped[np.ndarray, "n some"]) -> Float[np.ndarray, "width some"]:
        """Return the sums of the columns under some weights of the photos."""
        found = np.zeros((self.width, weights.shape[1]))
        np.add.at(found, self.places, weights)
        return found

    def scores(self, sums: Any) -> tuple[Float[np.ndarray, "some"], Float[np.ndarray, "some"]]:
        """Return average precision and ROC AUC under each of some weights.

        Args:
            sums: `(width, some)`, of the columns.

        Returns:
            The mean over photos with the label of the precision at their scores, and the share of pairs of a photo with
            and one without it that are in the right order, of equal scores half; NaN where there is no such photo.
        """
        steps = self.steps
        between, having = sums[:steps], sums[steps : 2 * steps]
        hits = np.cumsum(having, axis=0)
        alarms = np.cumsum(between, axis=0)
        wrong = alarms
        if self.tied:
            ties = sums[2 * steps : 3 * steps]
            before = np.cumsum(ties, axis=0)
            alarms, wrong = alarms + before, alarms + before - ties / 2
        count = hits[-1] if steps else np.zeros(sums.shape[1])
        others = (alarms[-1] if steps else 0) + sums[-1]
        precision = hits / np.maximum(hits + alarms, 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            average = (having * precision).sum(axis=0) / np.where(count > 0, count, np.nan)
            pairs = count * others
            auc = 1 - (having * wrong).sum(axis=0) / np.where(pairs > 0, pairs, np.nan)
        return average, auc
