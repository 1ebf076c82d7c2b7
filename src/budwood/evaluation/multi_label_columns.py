"""What is summed over the photos of a split with several labels a photo, and how its figures follow from the sums."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from budwood.core.errors import DataError
from budwood.evaluation.calibration import ECE_BINS, bin_of
from budwood.evaluation.multi_label_calibration import binary_cross_entropy
from budwood.evaluation.ranks import Ranking
from budwood.evaluation.statistics import resampled_sums

_CELLS = 2**20
"""Of dense sums at a time."""


@dataclass(frozen=True)
class Decisions:
    """The answers for some photos beside the truth; False wherever it is unknown."""

    known: Bool[np.ndarray, "n k"]
    has: Bool[np.ndarray, "n k"]
    said: Bool[np.ndarray, "n k"]
    """The photo is said to have the label."""
    probabilities: Float[np.ndarray, "n k"]

    @classmethod
    def of(
        cls,
        targets: Float[np.ndarray, "n k"],
        probabilities: Float[np.ndarray, "n k"],
        thresholds: Float[np.ndarray, "k"],
    ) -> "Decisions":
        """Return the answers at some thresholds. Raise DataError where no label of any photo is known."""
        known = ~np.isnan(targets)
        if not known.any():
            raise DataError(
                "no label of any photo is known, so that nothing can be measured. Fill in the table"
            )
        return cls(
            known, targets == 1, (probabilities >= thresholds) & known, probabilities.astype(np.float64)
        )

    @property
    def wrong(self) -> Bool[np.ndarray, "n k"]:
        return self.has != self.said


@dataclass(frozen=True)
class Columns:
    """What is summed over photos, a row a photo, and how figures follow from the sums."""

    matrix: Any
    """Sparse, `(n, columns)`."""
    rankings: tuple[Ranking, ...]
    useful: Bool[np.ndarray, "k"]
    """Labels that some photos have and some have not."""

    @classmethod
    def of(cls, split: Decisions) -> "Columns":
        """Return the columns of a split's photos."""
        from scipy.sparse import coo_array, csr_array, hstack

        n, num = split.known.shape
        has, known = split.has, split.known
        loss = np.where(known, binary_cross_entropy(split.probabilities, has * 1.0), 0.0)
        rows, places = np.nonzero(known)
        chance = split.probabilities[rows, places]
        gaps = coo_array((chance - has[rows, places], (rows, bin_of(chance))), shape=(n, ECE_BINS))
        whole = np.stack([loss.sum(axis=1), known.sum(axis=1), split.wrong.sum(axis=1)], axis=1)
        parts: list[Any] = [csr_array(whole), gaps]
        parts += [csr_array(part * 1.0) for part in (has, split.said, has & split.said)]
        rankings = []
        for label in range(num):
            here = np.flatnonzero(known[:, label])
            ranking = Ranking.of(has[here, label], split.probabilities[here, label])
            rankings.append(ranking)
            parts.append(coo_array((np.ones(len(here)), (here, ranking.places)), shape=(n, ranking.width)))
        useful = has.any(axis=0) & (known & ~has).any(axis=0)
        return cls(hstack(parts, format="csr"), tuple(rankings), useful)

    @property
    def gaps(self) -> Float[np.ndarray, "n bins"]:
        """Return how far the probabilities of each photo lie above the truth, in each bin of the calibration error."""
        return self.matrix[:, 3 : 3 + ECE_BINS].toarray()

    def scores(self, sums: Float[np.ndarray, "columns some"]) -> dict[str, np.ndarray]:
        """Return the figures of some weighted splits: those of the whole `(some,)`, those of labels `(labels, some)`.

        NaN where a figure has no meaning: where no photo has the label, or no photo has it not, or nothing is known.
        """
        num = len(self.rankings)
        losses, known, wrong = sums[:3]
        count = np.where(known > 0, known, np.nan)
        gaps, rest = sums[3 : 3 + ECE_BINS], sums[3 + ECE_BINS :]
        has, said, hits = rest[:num], rest[num : 2 * num], rest[2 * num : 3 * num]
        ranked = self._ranked(rest[3 * num :])
        there = np.where((has > 0) & self.useful[:, None], 1.0, np.nan)
        f1 = 2 * hits / np.maximum(has + said, 1)
        either = (has + said).sum(axis=0)
        return {
            "mean_average_precision": _mean(ranked[0]),
            "macro_f1": _mean(f1 * there),
            "micro_f1": 2 * hits.sum(axis=0) / np.where(either > 0, either, np.nan),
            "hamming_loss": wrong / count,
            "loss": losses / count,
            "ece": np.abs(gaps).sum(axis=0) / count,
            "precision": hits / np.maximum(said, 1) * there,
            "recall": hits / np.maximum(has, 1) * there,
            "f1": f1 * there,
            "roc_auc": ranked[1],
            "average_precision": ranked[0],
        }

    def resampled(
        self, matrix: Any, resamples: int, seed: int
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return the figures without each row of the matrix, and of bootstrap resamples of its rows.

        Args:
            matrix: sparse, of photos or of the sums of groups of them.
            resamples: how many.
            seed: decides them.
        """
        whole, step = matrix.sum(axis=0)[:, None], max(1, _CELLS // matrix.shape[1])
        without = [
            self.scores(whole - matrix[start : start + step].T.toarray())
            for start in range(0, matrix.shape[0], step)
        ]
        drawn = [self.scores(sums.T) for sums in resampled_sums(matrix, resamples, seed)]
        return _joined(without), _joined(drawn)

    def _ranked(self, sums: Any) -> tuple[Float[np.ndarray, "k some"], Float[np.ndarray, "k some"]]:
        found = np.full((2, len(self.rankings), sums.shape[1]), np.nan)
        start = 0
        for label, ranking in enumerate(self.rankings):
            if self.useful[label]:
                found[:, label] = ranking.scores(sums[start : start + ranking.width])
            start += ranking.width
        return found[0], found[1]


def _joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0]}


def _mean(values: Float[np.ndarray, "k some"]) -> Float[np.ndarray, "some"]:
    """Return the means over the labels that have a value; NaN where none has."""
    count = (~np.isnan(values)).sum(axis=0)
    return np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan)
