"""Which of two models of several labels is better? What their mean average precisions allow to be said."""

from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from budwood.evaluation.groups import Grouping
from budwood.evaluation.multi_label_differences import Replicates
from budwood.evaluation.multi_label_intervals import FEWEST
from budwood.evaluation.statistics import PairedDifference
from budwood.evaluation.verdict import (
    CHOSE_THE_EPOCH,
    PhasesCompared,
    few_groups_words,
    model_words,
    phase_words,
    signed,
)

KEY: Final = "mean_average_precision"
FIGURE = "mean average precision"
METHOD = (
    "difference of mean average precision on the same photos, less its bias (Quenouille 1956): Student's test, "
    "two-sided, and interval, 95 %, by the larger spread of the jackknife (Tukey 1958) and of the paired bootstrap "
    "over {unit} (Efron 1979)"
)


def method(groups: Grouping | None) -> str:
    """Return how two models are compared, in words."""
    return METHOD.format(unit="photos" if groups is None or groups.single else "groups of photos")


def compare_label_phases(
    targets: Float[np.ndarray, "n k"],
    before: Float[np.ndarray, "n k"],
    after: Float[np.ndarray, "n k"],
    exact: tuple[Bool[np.ndarray, "n"], Bool[np.ndarray, "n"]],
    *,
    split: str = "test",
    groups: Grouping | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> PhasesCompared | None:
    """Return what `metrics.json` says under `verdict`: how fine-tuning changed the mean average precision, and how sure
    that is; None where no label can be measured.

    Args:
        targets: 1, 0, or NaN where it is unknown.
        before, after: probabilities of phases "frozen" and "finetune".
        exact: which photos each of them answers rightly in every known label.
        split: where the photos come from. Of "validation" photos the words say that they also chose the epoch.
        groups: which of the photos belong together; by default none do.
        resamples, seed: of the bootstrap.
    """
    groups = None if groups is None or groups.single else groups
    thresholds = np.full(targets.shape[1], 0.5)
    first, second = (
        Replicates.of(targets, shares, thresholds, resamples=resamples, seed=seed, groups=groups)
        for shares in (before, after)
    )
    found = second.values[KEY] - first.values[KEY]
    if np.isnan(found):
        return None
    enough = groups is None or groups.enough
    pair = second.minus(first) if enough else None
    if pair:
        finding = phase_words(pair, split, FIGURE)
    elif not enough:
        finding = few_groups_words(found, len(targets), split, groups, FIGURE)
    else:
        finding = (
            f"Cannot tell whether fine-tuning helped: {signed(found)} points of {FIGURE} on {len(targets):,} {split} "
            f"photos, of which {_too_few()}"
        )
    words = f"{finding} {_exchange(*exact)}"
    if split == "validation":
        words += f" {CHOSE_THE_EPOCH}"
    return {
        "figure": KEY,
        "difference": found,
        "interval": [pair.low, pair.high] if pair else None,
        "p": pair.p if pair else None,
        "method": method(groups),
        "n": len(targets),
        "words": words,
    }


def compare_label_models(
    name_a: str,
    name_b: str,
    pair: PairedDifference | None,
    n: int,
    *,
    split: str = "test",
    groups: Grouping | None = None,
) -> str:
    """Return which of two models is better by mean average precision, in words.

    Args:
        name_a, name_b: of the models.
        pair: by how much that of a is higher, with p adjusted where several pairs are compared; None where too few
            photos have a label.
        n: photos.
        split: where they come from.
        groups: which of them belong together, `enough` of them; by default none do.

    >>> compare_label_models("B3", "B0", PairedDifference(-0.04, -0.06, -0.02, 0.0001, 400), 400).partition(" (")[0]
    'B0 is better than B3: +4.0 points of mean average precision on 400 test photos'
    """
    if pair is None:
        return (
            f"Cannot tell {name_a} from {name_b}: of {n:,} {split} photo{'' if n == 1 else 's'} {_too_few()}"
        )
    if pair.difference < 0:
        name_a, name_b = name_b, name_a
        pair = replace(pair, difference=-pair.difference, low=-pair.high, high=-pair.low)
    return model_words(
        name_a, name_b, pair, needed=photos_to_tell(pair), split=split, groups=groups, figure=FIGURE
    )


def photos_to_tell(pair: PairedDifference) -> int | None:
    """Return how many photos tell a difference of this size in 4 of 5 cases; None of no difference.

    Its standard deviation falls as the root of their number.

    >>> photos_to_tell(PairedDifference(0.02, -0.02, 0.06, 0.3, 400))
    3270
    """
    from scipy.stats import norm

    if not pair.difference:
        return None
    reach, half = norm.ppf(0.975) + norm.ppf(0.8), (pair.high - pair.low) / 2
    return int(np.ceil(pair.n * (reach * half / norm.ppf(0.975) / pair.difference) ** 2))


def _too_few() -> str:
    return (
        f"too few have a label or have it not; {FEWEST} or more, on average over labels, are needed to tell."
    )


def _exchange(was_right: Bool[np.ndarray, "n"], is_right: Bool[np.ndarray, "n"]) -> str:
    gained, lost = int((is_right & ~was_right).sum()), int((was_right & ~is_right).sum())
    if not gained and not lost:
        return "At their thresholds both phases are right in every label on the same photos."
    return (
        f"At the thresholds, {gained:,} photo{'' if gained == 1 else 's'} became right in every label, "
        f"and {lost:,} no longer {'is' if lost == 1 else 'are'}."
    )
