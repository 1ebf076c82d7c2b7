"""Intervals of averages over classes: balanced accuracy, macro and weighted F1, weighted precision.

Such an average is a function of how often each class is true, predicted and hit. From few photos a class it is biased,
and a percentile bootstrap, whose resamples are biased once more, does not hold the truth: macro F1 of 500 classes with
one photo each lies several standard errors below that of all photos. So the second-order bias is taken off, the
variance is that of the first order (the delta method; Cochran 1977) with the photos of each class as a stratum, the
share of a class that is right drawn towards that of all, and the interval is Wilson's score interval (1927) at the
number of photos that would have this variance: it has a width where every prediction is right too. The truth is the
figure that the same model has on all photos of the same kind, the classes as frequent as they are in the split.

`python -m benchmarks.intervals` finds by simulation how often the truth is held. Where too many classes have too few
photos it is not, and no interval is stated; nor of balanced accuracy of one photo a class. It is the accuracy there,
and 97 to 98 % of its intervals would hold the truth, for where the classes are unlike, they are longer than need be.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from budwood.evaluation.figures import Interval, NoInterval
from budwood.evaluation.groups import Grouping, design_effect, rare_groups, score_interval
from budwood.evaluation.statistics import wilson_score

FEWEST_OF_A_CLASS: Mapping[str, int] = {
    "balanced_accuracy": 2,
    "macro_f1": 3,
    "weighted_f1": 3,
    "weighted_precision": 5,
}
"""Photos of a class below which the average's bias is too far from what the second order says; of balanced accuracy,
below which nobody sees how unlike the classes are, so that an interval would be longer than need be."""
MOST_BELOW = 0.2
"""Share of the classes that may have fewer."""
_MOST_BIAS = 2.0
"""Standard errors that the bias may be large: of what it takes off, some is wrong."""
_PRIOR_OF_CLASS, _PRIOR_OF_EFFECT, _WIDEST_EFFECT = 2.0, 3.0, 3.0
"""Photos that the mean of all counts in each class, mistakes that equally hard classes count, and how many times less
or more the classes may say than so many photos of equally hard ones; chosen by simulation."""
_NORMAL = 1.959963984540054


@dataclass(frozen=True)
class Average:
    """A figure in [0, 1] that is a mean of shares, or nearly, and what an interval of it depends on."""

    value: float
    bias: float
    """By how much the figure is too high in the mean."""
    variance: float
    alike: float
    """Number of photos that would say as much, were every photo equally hard."""
    rare: float
    """Number of photos with the rarer outcome, right or wrong."""

    @property
    def corrected(self) -> float:
        """Return the figure without its bias."""
        return float(np.clip(self.value - self.bias, 0.0, 1.0))

    @property
    def effective(self) -> float:
        """Return the number of photos that would have this variance; from few mistakes it is drawn to `alike`."""
        expected = self.corrected * (1 - self.corrected) / self.alike
        found = self.variance / expected if expected > 0 else 1.0
        effect = float(np.clip(found, 1 / _WIDEST_EFFECT, _WIDEST_EFFECT))
        return self.alike * (self.rare + _PRIOR_OF_EFFECT) / (self.rare * effect + _PRIOR_OF_EFFECT)

    @property
    def too_biased(self) -> bool:
        """Return whether the bias is too large beside the standard error to be taken off."""
        # Of what is always right the error is not nothing: one photo more of each kind.
        share = (self.corrected * self.effective + 1) / (self.effective + 2)
        return abs(self.bias) > _MOST_BIAS * float(np.sqrt(share * (1 - share) / self.effective))

    def interval(self, groups: Grouping | None = None, effect: float = 1.0) -> Interval:
        """Return the 95 % interval, which holds the figure itself.

        Args:
            groups: which photos belong together; by default none do.
            effect: how many grouped photos say as much as one independent photo.
        """
        if groups is None:
            low, high = wilson_score(self.corrected, self.effective, _NORMAL)
        else:
            photos = float(np.clip(self.effective / effect, groups.effective, len(groups.numbers)))
            low, high = score_interval(self.corrected, photos, groups)
        return min(low, self.value), max(high, self.value)


@dataclass(frozen=True)
class _Slopes:
    """How an average depends on the photos of each class."""

    weights: Float[np.ndarray, "k"]
    """Of the classes in the average, sums of 1."""
    right: Float[np.ndarray, "k"]
    """What one photo of the class more adds that is right, in place of one that is wrong and taken for no class."""
    taken: Float[np.ndarray, "k"]
    """What one photo of another class takes away that is taken for this one."""
    values: Float[np.ndarray, "k"]
    """What is averaged."""
    bias: Float[np.ndarray, "k"]


class ClassAverages:
    """The averages over classes that follow from a confusion matrix.

    >>> averages = ClassAverages(np.array([[9, 1], [2, 8]]))
    >>> found = averages.of("macro_f1")
    >>> round(found.value, 3), [round(end, 2) for end in found.interval()]
    (0.85, [0.63, 0.95])
    """

    def __init__(self, confusion: Int[np.ndarray, "k k"]) -> None:
        self.right = np.diag(confusion).astype(np.float64)
        self.photos = confusion.sum(axis=1).astype(np.float64)
        self.false = confusion.sum(axis=0) - self.right
        off = confusion - np.diag(np.diag(confusion))
        self._true, self._said = np.nonzero(off)
        self._times = off[self._true, self._said].astype(np.float64)
        self.present = self.photos > 0
        self.n = float(self.photos.sum())
        hits = float(self.right.sum())
        self.rare = min(hits, self.n - hits)
        # Of an absent class nothing is counted; the one photo keeps divisions defined.
        self._photos = np.maximum(self.photos, 1.0)
        self._hit_variance = self._variances_of_hits((hits + 1) / (self.n + 2))

    def of(self, name: str) -> Average | NoInterval:
        """Return an average by its key, or why no interval can be stated of it."""
        few = float((self.photos[self.present] < FEWEST_OF_A_CLASS[name]).mean())
        if few > MOST_BELOW:
            return "few-photos-a-class"
        if name == "macro_f1" and not self.present.all():
            return "class-without-photos"
        slopes = self._slopes(name)
        weights, variance = slopes.weights, self._variance(slopes)
        found = Average(
            value=float(weights @ slopes.values),
            bias=float(weights @ slopes.bias),
            variance=variance,
            alike=1 / float((weights**2 / self._photos).sum()),
            rare=self.rare,
        )
        return "few-photos-a-class" if found.too_biased else found

    def effect(
        self,
        name: str,
        labels: Int[np.ndarray, "n"],
        predicted: Int[np.ndarray, "n"],
        groups: Grouping,
    ) -> float:
        """Return the design effect of photos that belong together on an average's variance."""
        slopes = self._slopes(name)
        adds = np.where(labels == predicted, slopes.right[labels], -slopes.taken[predicted])
        means = np.bincount(labels, adds, len(self.photos)) / self._photos
        spread = np.sqrt(self._photos / np.maximum(self._photos - 1, 1))
        residuals = len(labels) * (adds - means[labels]) * spread[labels]
        return design_effect(
            residuals, self._variance(slopes), groups, rare_groups(labels == predicted, groups)
        )

    def _variances_of_hits(self, share: float) -> Float[np.ndarray, "k"]:
        """Return the variance of how often each class is hit, drawn towards that of all classes."""
        squares = self.right * (self._photos - self.right) / self._photos * self.present
        spare = (self._photos - 1) * self.present
        pooled = (squares.sum() + _PRIOR_OF_EFFECT * share * (1 - share)) / (spare.sum() + _PRIOR_OF_EFFECT)
        return self._photos * (squares + _PRIOR_OF_CLASS * pooled) / (spare + _PRIOR_OF_CLASS) * self.present

    def _slopes(self, name: str) -> _Slopes:
        n, right, false = self._photos, self.right, self.false
        weights = self.photos / self.n if name.startswith("weighted") else self.present / self.present.sum()
        # Of the photos of another class that are taken for this one; of a single photo as if it were one of many.
        of_row = self._photos[self._true]
        spread = self._times * np.where(of_row > 1, (of_row - self._times) / np.maximum(of_row - 1, 1), 1.0)
        false_variance = np.bincount(self._said, spread, len(n))
        if name == "balanced_accuracy":
            zeros = np.zeros_like(n)
            return _Slopes(weights, weights / n, zeros, right / n, zeros)
        predicted = right + false
        if name == "weighted_precision":
            # As if each photo were left out in turn: slopes at the figure itself are too flat where few are predicted.
            product = np.maximum(predicted, 1) * np.maximum(predicted - 1, 1)
            curve = np.maximum(predicted, 1) * product
            bias = (right * false_variance - false * self._hit_variance) / curve
            return _Slopes(
                weights,
                weights * false / product,
                weights * right / product,
                right / np.maximum(predicted, 1),
                bias,
            )
        both = n + predicted
        bias = (2 * right * false_variance - 2 * (n + false) * self._hit_variance) / both**3
        return _Slopes(
            weights,
            weights * 2 * (n + false) / both**2,
            weights * 2 * right / both**2,
            2 * right / both,
            bias,
        )

    def _variance(self, slopes: _Slopes) -> float:
        """Return the sum of the variances of all classes' photos, as strata."""
        n, right, num = self._photos, self.right, len(self._photos)
        adds = -slopes.taken[self._said]
        sums = right * slopes.right + np.bincount(self._true, self._times * adds, num)
        squares = right * slopes.right**2 + np.bincount(self._true, self._times * adds**2, num)
        several = n > 1
        own = np.where(several, n / np.maximum(n - 1, 1) * np.maximum(squares - sums**2 / n, 0.0), 0.0)
        # One photo has no spread of its own: what it took away, and the variance of hits that is drawn from all.
        own += np.where(several, 0.0, squares - right * slopes.right**2)
        raw = np.where(several, right * (n - right) / np.maximum(n - 1, 1), 0.0)
        return max(float((own + slopes.right**2 * (self._hit_variance - raw)).sum()), 0.0)
