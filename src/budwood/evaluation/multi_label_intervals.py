"""How sure the figures of several labels a photo are, photos independent or in groups that belong together."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from budwood.evaluation.calibration import ECE_BINS, bin_of
from budwood.evaluation.calibration_interval import FEWEST_PHOTOS, sum_of_gaps
from budwood.evaluation.figures import Interval
from budwood.evaluation.groups import Grouping, drawn_to_worst, rare_groups, share_interval, widening
from budwood.evaluation.jackknife import Spread, degrees_of_mean, jackknife_interval
from budwood.evaluation.label_intervals import auc_interval, average_precision_interval, f1_of_overlap
from budwood.evaluation.multi_label_columns import Columns, Decisions
from budwood.evaluation.statistics import bootstrap_interval

FEWEST = 5
"""Of fewer photos with a label, or without it, no interval is stated; nor of means over labels that have fewer on
average: simulated ones hold the truth too rarely."""
MEANS = ("mean_average_precision", "macro_f1")
Scores = dict[str, np.ndarray]
_NORMAL = 1.959963984540054


@dataclass(frozen=True)
class Intervals:
    """The 95 % intervals of one split's figures."""

    split: Decisions
    columns: Columns
    scores: Scores
    photos: tuple[Scores, Scores] | None
    """Without each photo, and of resamples of the photos; None where there are too few groups."""
    grouped: tuple[Scores, Scores] | None
    """The same of whole groups, where photos belong together."""
    groups: Grouping | None

    @classmethod
    def of(
        cls,
        split: Decisions,
        columns: Columns,
        scores: Scores,
        *,
        resamples: int,
        seed: int,
        groups: Grouping | None,
    ) -> "Intervals":
        """Return the intervals of figures that follow from some columns; groups where photos belong together."""
        if groups is not None and not groups.enough:
            return cls(split, columns, scores, None, None, groups)
        grouped = None if groups is None else columns.resampled(groups.sums(columns.matrix), resamples, seed)
        photos = columns.resampled(columns.matrix, resamples, seed)
        return cls(split, columns, scores, photos, grouped, groups)

    def of_share(self, right: Bool[np.ndarray, "n"], among: Bool[np.ndarray, "n"]) -> Interval | None:
        """Return the interval of the share that is right among some photos; None of none."""
        if not among.any():
            return None
        return share_interval(right[among], None if self.groups is None else self.groups.part(among))

    def of_label(self, name: str, place: int) -> Interval | None:
        """Return the interval of a figure of one label."""
        from scipy.special import stdtrit

        has, said = self.split.has[:, place], self.split.said[:, place]
        if name == "f1":
            overlap = self.of_share(has & said, has | said)
            return None if overlap is None or not self.columns.useful[place] else f1_of_overlap(overlap)
        fewer = self._fewer(place)
        if self.photos is None or fewer < FEWEST:
            return None
        value = float(self.scores[name][place, 0])
        photos = self.photos[0][name][place], self.photos[1][name][place]
        spread, effect = Spread.of(value, *photos, share=False), 1.0
        degrees, quantile = fewer - 1.0, _NORMAL
        if self.groups is not None and self.grouped is not None:
            grouped = self.grouped[0][name][place], self.grouped[1][name][place]
            whole, alone = Spread.of(value, *grouped, share=False), spread
            ratio = (whole.deviation / alone.deviation) ** 2 if alone.deviation else np.inf
            effect = drawn_to_worst(ratio, self.groups, self._rare(place))
            spread = Spread(whole.bias, alone.deviation * float(np.sqrt(effect)))
            degrees = min(degrees, self.groups.effective - 1)
            quantile = float(stdtrit(max(self.groups.effective - 1, 1.0), 0.975))
        having = int(has.sum())
        if name == "roc_auc":
            others = int(self.split.known[:, place].sum()) - having
            return auc_interval(value, having / effect, others / effect, spread.deviation, quantile)
        return average_precision_interval(value, spread, fewer / effect, degrees, quantile)

    def of_all(self, name: str) -> Interval | None:
        """Return the interval of a figure of the whole split."""
        if self.photos is None:
            return None
        if name == "loss":
            return self._loss()
        if name == "ece":
            return self._ece()
        useful = [place for place in range(self.split.has.shape[1]) if self._fewer(place)]
        if name in MEANS:
            fewer = [self._fewer(place) for place in useful]
            if not useful or np.mean(fewer) < FEWEST:
                return None
            num, degrees = sum(fewer), degrees_of_mean(fewer)
        else:
            num = int(self.split.has.sum()) if name == "micro_f1" else len(self.split.has)
            degrees = num - 1
            if num < FEWEST:
                return None
        rare = float(np.median([self._rare(place) for place in useful])) if useful else 0.0
        return self._jackknifed(name, num, degrees, rare)

    def _fewer(self, place: int) -> int:
        """Return how many photos have a label, or have it not: the smaller number."""
        having = int(self.split.has[:, place].sum())
        return min(having, int(self.split.known[:, place].sum()) - having)

    def _rare(self, place: int) -> float:
        return np.inf if self.groups is None else rare_groups(self.split.has[:, place], self.groups)

    def _jackknifed(self, name: str, num: int | float, degrees: int | float, rare: float) -> Interval | None:
        assert self.photos is not None
        value = float(self.scores[name][0])
        if np.isnan(value):
            return None
        photos = self.photos[0][name], self.photos[1][name]
        if self.groups is None or self.grouped is None:
            return jackknife_interval(value, Spread.of(value, *photos), num, degrees)
        grouped = self.grouped[0][name], self.grouped[1][name]
        spread = spread_of_groups(value, photos, grouped, self.groups, rare)
        return jackknife_interval(value, spread, min(num, rare), min(degrees, self.groups.effective - 1))

    def _loss(self) -> Interval | None:
        assert self.photos is not None
        value, drawn = float(self.scores["loss"][0]), self.photos[1]["loss"]
        drawn = drawn[~np.isnan(drawn)]
        low, high = bootstrap_interval(value, drawn)
        if self.groups is not None and self.grouped is not None:
            if self._mistaken(self.groups) < FEWEST:
                return None
            wider = self._widening(float(np.nanvar(self.grouped[1]["loss"])), float(drawn.var()), self.groups)
            low, high = value - wider * (value - low), value + wider * (high - value)
        return max(0.0, low), high

    def _ece(self) -> Interval | None:
        """Return the interval of the sum of the bins' gaps, whose errors are those of sums over photos; and no smaller
        than those of right probabilities, of which a bin with few labels may show too little."""
        count = int(self.split.known.sum())
        if count < FEWEST_PHOTOS:
            return None
        rows = self.columns.gaps
        chance = self.split.probabilities[self.split.known]
        least = np.bincount(bin_of(chance), weights=chance * (1 - chance), minlength=ECE_BINS)
        errors = np.maximum(_errors(rows), np.sqrt(least))
        if self.groups is not None:
            grouped = _errors(self.groups.indicator @ rows)
            errors = errors * self._widening(float((grouped**2).sum()), float((errors**2).sum()), self.groups)
        low, high = sum_of_gaps(rows.sum(axis=0) / count, errors / count)
        return low, min(high, 1.0)

    def _mistaken(self, groups: Grouping) -> float:
        return rare_groups(~np.any(self.split.wrong, axis=1), groups)

    def _widening(self, grouped: float, photos: float, groups: Grouping) -> float:
        """Return by how much an interval of independent photos has to be longer, from the variances of both kinds."""
        ratio = grouped / photos if photos else np.inf
        return widening(drawn_to_worst(ratio, groups, self._mistaken(groups)), groups)


def _errors(rows: Float[np.ndarray, "rows m"]) -> Float[np.ndarray, "m"]:
    """Return the standard errors of sums over independent rows."""
    num = len(rows)
    return np.sqrt(num * num / max(num - 1, 1) * rows.var(axis=0))


def spread_of_groups(
    value: float,
    photos: tuple[np.ndarray, np.ndarray],
    grouped: tuple[np.ndarray, np.ndarray],
    groups: Grouping,
    rare: float,
    *,
    share: bool = True,
) -> Spread:
    """Return the spread of a figure of photos that belong together.

    Args:
        value: the figure.
        photos: without each photo, and of resamples of the photos.
        grouped: the same of whole groups.
        groups: which photos belong together.
        rare: in how many groups of equal size the rarer outcome was seen; see `rare_groups`.
        share: as in `Spread.of`.
    """
    plain, whole = (Spread.of(value, *part, share=share) for part in (photos, grouped))
    ratio = (whole.deviation / plain.deviation) ** 2 if plain.deviation else np.inf
    return Spread(whole.bias, plain.deviation * float(np.sqrt(drawn_to_worst(ratio, groups, rare))))
