"""What `metrics.json` says of one split where a photo has several labels: scores, each with its 95 % interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from budwood.core.errors import DataError
from budwood.evaluation.calibration import ECE_BINS, bin_of
from budwood.evaluation.groups import Grouping, share_interval
from budwood.evaluation.metrics import describe_groups
from budwood.evaluation.multi_label_calibration import binary_cross_entropy
from budwood.evaluation.multi_label_figures import LabelScores, MultiLabelFigures, Together
from budwood.evaluation.ranks import Ranking

OF_ALL = ("mean_average_precision", "macro_f1", "micro_f1", "hamming_loss", "loss", "ece")
"""Figures of the whole split that are bootstrapped."""
OF_LABELS = ("precision", "recall", "f1", "roc_auc", "average_precision")
"""Figures of one label."""


def compute_multi_label_metrics(
    targets: Float[np.ndarray, "n k"],
    probabilities: Float[np.ndarray, "n k"],
    labels: Sequence[str],
    thresholds: Float[np.ndarray, "k"],
    *,
    resamples: int = 10_000,
    seed: int = 0,
    groups: Grouping | None = None,
) -> MultiLabelFigures:
    """Return the scores of one split.

    What is unknown counts in nothing. A label that no photo has, or every photo, is in no mean over labels; a precision
    of nothing is 0. ECE and loss are of all known labels of all photos together; `exact_match` is the share of photos
    of which every known label is answered rightly, among those with a known one.

    Args:
        targets: 1, 0, or NaN where it is unknown.
        probabilities: in [0, 1], each label's own.
        labels: names in the order of the columns.
        thresholds: from which probability on a photo is said to have each label.
        resamples: bootstrap resamples behind the intervals.
        seed: decides them.
        groups: which photos belong together; by default none do.

    Raises:
        DataError: where no label of any photo is known.
    """
    split = Decisions.of(targets, probabilities, thresholds)
    if groups is not None and groups.single:
        groups = None
    some = np.any(split.known, axis=1)
    right = ~np.any(split.wrong[some], axis=1)
    found: dict[str, Any] = {"n": len(targets)}
    if groups is not None:
        found["groups"] = describe_groups(right, groups.part(some))
    columns = Columns.of(split)
    scores = columns.scores(columns.matrix.sum(axis=0)[:, None])
    for name in OF_ALL:
        found[name] = _number(scores[name][0])
        found[f"{name}_ci95"] = None
    found["exact_match"] = int(right.sum()) / len(right)
    found["exact_match_ci95"] = share_interval(right, None if groups is None else groups.part(some))
    found["per_label"] = [
        _of_label(split, place, name, float(thresholds[place]), scores) for place, name in enumerate(labels)
    ]
    found["left_out"] = [name for name, use in zip(labels, columns.useful, strict=True) if not use]
    found["taken_together"] = count_together(split)
    return MultiLabelFigures.model_validate(found)


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

    def scores(self, sums: Float[np.ndarray, "columns some"]) -> dict[str, np.ndarray]:
        """Return the figures of some weighted splits: those of the whole `(some,)`, those of labels `(labels, some)`.

        NaN where a figure has no meaning: where no photo has the label, or no photo has it not.
        """
        num = len(self.rankings)
        losses, count, wrong = sums[:3]
        gaps, rest = sums[3 : 3 + ECE_BINS], sums[3 + ECE_BINS :]
        has, said, hits = rest[:num], rest[num : 2 * num], rest[2 * num : 3 * num]
        ranked = self._ranked(rest[3 * num :])
        there = np.where((has > 0) & self.useful[:, None], 1.0, np.nan)
        f1 = 2 * hits / np.maximum(has + said, 1)
        with np.errstate(invalid="ignore"):
            micro = 2 * hits.sum(axis=0) / (has + said).sum(axis=0)
        return {
            "mean_average_precision": _mean(ranked[0]),
            "macro_f1": _mean(f1 * there),
            "micro_f1": micro,
            "hamming_loss": wrong / count,
            "loss": losses / count,
            "ece": np.abs(gaps).sum(axis=0) / count,
            "precision": hits / np.maximum(said, 1) * there,
            "recall": hits / np.maximum(has, 1) * there,
            "f1": f1 * there,
            "roc_auc": ranked[1],
            "average_precision": ranked[0],
        }

    def _ranked(self, sums: Any) -> tuple[Float[np.ndarray, "k some"], Float[np.ndarray, "k some"]]:
        found = np.full((2, len(self.rankings), sums.shape[1]), np.nan)
        start = 0
        for label, ranking in enumerate(self.rankings):
            if self.useful[label]:
                found[:, label] = ranking.scores(sums[start : start + ranking.width])
            start += ranking.width
        return found[0], found[1]


def count_together(split: Decisions) -> Together:
    """Return which labels go together, and which are taken for one another."""
    known, has, said = (part.astype(np.int64) for part in (split.known, split.has, split.said))
    missed, alarm = has & ~said & 1, said & ~has & 1
    return Together(
        true=_table(has.T @ has), predicted=_table((said * known).T @ said), instead=_table(missed.T @ alarm)
    )


def _table(counts: np.ndarray) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in counts.tolist())


def _of_label(
    split: Decisions, place: int, name: str, threshold: float, scores: dict[str, np.ndarray]
) -> LabelScores:
    known, has = int(split.known[:, place].sum()), int(split.has[:, place].sum())
    found: dict[str, Any] = {
        "label": name,
        "positives": has,
        "negatives": known - has,
        "unknown": len(split.known) - known,
        "predicted": int(split.said[:, place].sum()),
        "threshold": threshold,
    }
    for figure in OF_LABELS:
        found[figure] = _number(scores[figure][place, 0])
        found[f"{figure}_ci95"] = None
    return LabelScores.model_validate(found)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _mean(values: Float[np.ndarray, "k some"]) -> Float[np.ndarray, "some"]:
    """Return the means over the labels that have a value; NaN where none has."""
    count = (~np.isnan(values)).sum(axis=0)
    return np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan)
