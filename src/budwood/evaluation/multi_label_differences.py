"""Two models of several labels on the same photos: how much higher is the mean average precision of one, or its F1.

A figure that comes from ranks cannot be exchanged photo by photo, as the permutation test of right answers does: the
scores of two models have no common scale. So photos (or whole groups of them) are drawn and left out for both models
alike, and interval and p-value follow from the spread of the difference.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from budwood.evaluation.groups import Grouping, rare_groups
from budwood.evaluation.jackknife import Spread, degrees_of_mean, degrees_of_spread
from budwood.evaluation.multi_label_columns import Columns, Decisions
from budwood.evaluation.multi_label_intervals import FEWEST, MEANS, spread_of_groups
from budwood.evaluation.statistics import PairedDifference, tango_interval


@dataclass(frozen=True)
class Replicates:
    """Mean average precision and macro F1 of one model: of the photos, and of these in many other numbers.

    Of two models on the same photos, with the same groups, resamples and seed, they are of the same draws.
    """

    values: dict[str, float]
    photos: dict[str, tuple[np.ndarray, np.ndarray]]
    """Without each photo, and of resamples of the photos."""
    grouped: dict[str, tuple[np.ndarray, np.ndarray]] | None
    """The same of whole groups, where photos belong together."""
    has: Bool[np.ndarray, "n k"]
    """Of labels that some photos have and some have not."""
    fewer: tuple[int, ...]
    """Of each of them the photos that have it, or have it not: the smaller number."""
    groups: Grouping | None

    @classmethod
    def of(
        cls,
        targets: Float[np.ndarray, "n k"],
        probabilities: Float[np.ndarray, "n k"],
        thresholds: Float[np.ndarray, "k"],
        *,
        resamples: int = 10_000,
        seed: int = 0,
        groups: Grouping | None = None,
    ) -> "Replicates":
        """Return what a model's figures become where photos are drawn and left out. Meant for `groups.enough`.

        Args:
            targets: 1, 0, or NaN where it is unknown.
            probabilities: each label's own.
            thresholds: from which probability on a photo is said to have each label.
            resamples: bootstrap resamples.
            seed: decides them.
            groups: which photos belong together; by default none do.
        """
        if groups is not None and groups.single:
            groups = None
        split = Decisions.of(targets, probabilities, thresholds)
        columns = Columns.of(split)
        values = columns.scores(columns.matrix.sum(axis=0)[:, None])
        having = split.has.sum(axis=0)
        fewer = np.minimum(having, split.known.sum(axis=0) - having)[columns.useful]

        def replicate(matrix):
            without, drawn = columns.resampled(matrix, resamples, seed)
            return {name: (without[name], drawn[name]) for name in MEANS}

        return cls(
            {name: float(values[name][0]) for name in MEANS},
            replicate(columns.matrix),
            None if groups is None else replicate(groups.sums(columns.matrix)),
            split.has[:, columns.useful],
            tuple(int(count) for count in fewer),
            groups,
        )

    def minus(self, other: "Replicates", name: str = "mean_average_precision") -> PairedDifference | None:
        """Return by how much a figure is higher than the other model's on the same photos.

        The interval is Student's around the difference less half of its bias, of which most is the same for both
        models; p is that of no difference. Few photos may move the difference most: they, not all, count as degrees of
        freedom. Of equally good simulated models 2 to 6 % are called different, 4 % in the mean. Where nothing moves
        the difference, such as of two models that are always right, it is Tango's (1998) of so many photos. None where
        fewer than 5 photos have a label or have it not, on average over labels.

        Args:
            other: of the same photos, draws and groups.
            name: "mean_average_precision" or "macro_f1".
        """
        from scipy.special import stdtr, stdtrit

        if not self.fewer or np.mean(self.fewer) < FEWEST:
            return None
        found = self.values[name] - other.values[name]
        photos = _gaps(self.photos[name], other.photos[name])
        num, degrees = float(sum(self.fewer)), degrees_of_mean(self.fewer)
        if self.groups is None or self.grouped is None or other.grouped is None:
            spread = Spread.of(found, *photos, share=False)
            degrees = min(degrees, degrees_of_spread(photos[0]))
        else:
            grouped = _gaps(self.grouped[name], other.grouped[name])
            rare = float(np.median([rare_groups(one, self.groups) for one in self.has.T]))
            spread = spread_of_groups(found, photos, grouped, self.groups, rare, share=False)
            degrees = min(degrees, self.groups.effective - 1, degrees_of_spread(grouped[0]))
            num = min(num, rare)
        quantile, n = float(stdtrit(max(degrees, 1.0), 0.975)), len(self.has)
        if spread.deviation < 1e-9:
            return PairedDifference(found, *tango_interval(0, 0, max(num, 1.0), quantile=quantile), 1.0, n)
        middle = found - spread.bias / 2
        error = float(np.hypot(spread.deviation, spread.bias / 2))
        low, high = middle - quantile * error, middle + quantile * error
        p = float(2 * stdtr(max(degrees, 1.0), -abs(middle) / error))
        return PairedDifference(found, max(-1.0, min(low, found)), min(1.0, max(high, found)), p, n)


def paired_map_difference(
    targets: Float[np.ndarray, "n k"],
    probabilities_a: Float[np.ndarray, "n k"],
    probabilities_b: Float[np.ndarray, "n k"],
    *,
    resamples: int = 10_000,
    seed: int = 0,
    groups: Grouping | None = None,
) -> PairedDifference | None:
    """Return by how much the mean average precision of a is higher than that of b on the same photos.

    As `Replicates.minus`, which is faster for many pairs of few models.
    """
    thresholds = np.full(targets.shape[1], 0.5)
    a, b = (
        Replicates.of(targets, shares, thresholds, resamples=resamples, seed=seed, groups=groups)
        for shares in (probabilities_a, probabilities_b)
    )
    return a.minus(b)


def paired_f1_difference(
    targets: Float[np.ndarray, "n k"],
    said_a: Bool[np.ndarray, "n k"],
    said_b: Bool[np.ndarray, "n k"],
    *,
    resamples: int = 10_000,
    seed: int = 0,
    groups: Grouping | None = None,
) -> PairedDifference | None:
    """Return by how much the macro F1 of a is higher than that of b on the same photos.

    Args:
        targets: 1, 0, or NaN where it is unknown.
        said_a, said_b: which labels each photo is said to have, each at its model's own thresholds.
        resamples, seed, groups: as in `paired_map_difference`.
    """
    thresholds = np.full(targets.shape[1], 0.5)
    a, b = (
        Replicates.of(targets, said * 1.0, thresholds, resamples=resamples, seed=seed, groups=groups)
        for said in (said_a, said_b)
    )
    return a.minus(b, "macro_f1")


def _gaps(
    a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    return a[0] - b[0], a[1] - b[1]
