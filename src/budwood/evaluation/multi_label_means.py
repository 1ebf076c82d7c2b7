"""Several models of several labels on the same photos, as trainings of one recipe with other seeds: their mean figure.

It is a figure of the photos as that of one model is, and moves with them alone: what is not known of the photos does
not grow less with the trainings.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from budwood.evaluation.figures import Interval
from budwood.evaluation.groups import rare_groups
from budwood.evaluation.jackknife import Spread, degrees_of_mean, jackknife_interval
from budwood.evaluation.multi_label_differences import Replicates
from budwood.evaluation.multi_label_intervals import FEWEST, MEANS, spread_of_groups


def mean_of(models: Sequence[Replicates]) -> Replicates:
    """Return the mean of models on the same photos, with the same groups, resamples and seed."""
    first = models[0]
    if len(models) == 1:
        return first

    def mean(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        without, drawn = zip(*parts, strict=True)
        return np.mean(without, axis=0), np.mean(drawn, axis=0)

    grouped = [one.grouped for one in models if one.grouped is not None]
    return replace(
        first,
        values={name: float(np.mean([one.values[name] for one in models])) for name in MEANS},
        photos={name: mean([one.photos[name] for one in models]) for name in MEANS},
        grouped={name: mean([one[name] for one in grouped]) for name in MEANS} if grouped else None,
    )


def interval_of(model: Replicates, name: str = "mean_average_precision") -> Interval | None:
    """Return the 95 % interval of a figure, as metrics.json has it; None where fewer than 5 photos have a label or have
    it not, on average over labels, or groups are too few.

    Args:
        model: what its figures become where photos are drawn and left out.
        name: "mean_average_precision" or "macro_f1".
    """
    groups = model.groups
    if not model.fewer or np.mean(model.fewer) < FEWEST or (groups is not None and not groups.enough):
        return None
    value, photos = model.values[name], model.photos[name]
    num, degrees = float(sum(model.fewer)), degrees_of_mean(model.fewer)
    if groups is None or model.grouped is None:
        return jackknife_interval(value, Spread.of(value, *photos), num, degrees)
    rare = float(np.median([rare_groups(one, groups) for one in model.has.T]))
    spread = spread_of_groups(value, photos, model.grouped[name], groups, rare)
    return jackknife_interval(value, spread, min(num, rare), min(degrees, groups.effective - 1))
