"""Runs with several labels a photo side by side: by mean average precision on the same photos."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple, TypedDict, final

import numpy as np
from jaxtyping import Bool, Float

from budwood.core.errors import RunError
from budwood.core.text import percent, shorten, shown
from budwood.evaluation.groups import Grouping, difference
from budwood.evaluation.multi_label import MultiLabel
from budwood.evaluation.multi_label_differences import Replicates
from budwood.evaluation.multi_label_verdict import KEY, compare_label_models, method
from budwood.evaluation.statistics import PairedDifference, holm
from budwood.runs.files import RunFiles
from budwood.runs.shared_photos import backbones_of, refuse_few_groups, share_photos


class Difference(TypedDict):
    """By how much a figure is higher, for itself: its p is not adjusted."""

    difference: float
    interval: list[float] | None
    p: float | None


class LabelRunRow(TypedDict):
    """One run of a comparison."""

    run: str
    backbone: str | list[str]
    mean_average_precision: float
    interval: list[float] | None
    macro_f1: float | None
    exact_match: float


class LabelPair(TypedDict):
    """Two runs of a comparison: by how much the mean average precision of a is higher.

    Where too few photos have a label, there is neither interval nor p.
    """

    a: str
    b: str
    difference: float
    interval: list[float] | None
    p: float | None
    p_adjusted: float | None
    macro_f1: Difference
    exact_match: Difference
    words: str


@final
class LabelComparison(TypedDict):
    """What `compare` returns of runs with several labels a photo; the other keys are those of `Comparison`."""

    figure: str
    """Which decides: "mean_average_precision"."""
    split: str
    n: int
    own: dict[str, int]
    corrected: int
    truth: str
    groups: int
    method: str
    runs: list[LabelRunRow]
    pairs: list[LabelPair]


class _Row(NamedTuple):
    name: str
    split: str
    true: str
    place: int


class _Measured(NamedTuple):
    replicates: Replicates
    exact: Bool[np.ndarray, "n"]
    row: LabelRunRow


def compare_labels(runs: Mapping[str, RunFiles], split: str) -> LabelComparison:
    """Compare complete runs with several labels a photo.

    Args:
        runs: by the name that each is called by.
        split: "test" or "validation".

    Raises:
        RunError: the runs cannot be compared; it says what differs.
    """
    rows = {
        name: [
            _Row(*row, place)
            for place, row in enumerate(zip(said.names, said.splits, said.true, strict=True))
        ]
        for name, said in ((name, run.label_predictions) for name, run in runs.items())
    }
    shared_rows, shared = share_photos(runs, rows, split, "labels")
    groups = shared.groups
    refuse_few_groups(groups, split)
    labels = runs[shared.truth].classes
    truth = runs[shared.truth].label_predictions.targets[[row.place for row in shared_rows[shared.truth]]]
    measured = {
        name: _measure(name, run, [row.place for row in shared_rows[name]], truth, labels, groups)
        for name, run in runs.items()
    }
    if any(np.isnan(one.row[KEY]) for one in measured.values()):
        raise RunError(
            f"no label is both in some and not in others of the {split} photos that all runs have, so that no mean "
            "average precision can be compared. Compare on more photos"
        )
    order = sorted(runs, key=lambda name: -measured[name].row[KEY])
    found = {(a, b): measured[a].replicates.minus(measured[b].replicates) for a, b in combinations(order, 2)}
    told = {pair: one for pair, one in found.items() if one is not None}
    adjusted = dict(zip(told, holm([one.p for one in told.values()]), strict=True))
    n = len(truth)

    def pair(a: str, b: str) -> LabelPair:
        one, p = found[a, b], adjusted.get((a, b))
        said = None if one is None or p is None else replace(one, p=p)
        f1 = measured[a].replicates.minus(measured[b].replicates, "macro_f1")
        exact = difference(measured[a].exact, measured[b].exact, groups)
        f1_a, f1_b = (measured[name].replicates.values["macro_f1"] for name in (a, b))
        return {
            "a": a,
            "b": b,
            **_as_json(one, measured[a].row[KEY] - measured[b].row[KEY]),
            "p_adjusted": p,
            "macro_f1": _as_json(f1, f1_a - f1_b),
            "exact_match": _as_json(exact, exact.difference),
            "words": compare_label_models(shown(a), shown(b), said, n, split=split, groups=groups),
        }

    return {
        "figure": KEY,
        "split": split,
        "n": n,
        "own": shared.own,
        "corrected": shared.corrected,
        "truth": shared.truth,
        "groups": 0 if groups.single else groups.num,
        "method": f"{method(groups)}; p adjusted for the number of pairs (Holm 1979)",
        "runs": [measured[name].row for name in order],
        "pairs": [pair(a, b) for a, b in combinations(order, 2)],
    }


def label_table(comparison: LabelComparison) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the header and the rows of the runs, in words."""
    rows: list[tuple[str, ...]] = [
        (
            shorten(shown(run["run"]), 40),
            shown(backbones_of(run["backbone"])),
            percent(run["mean_average_precision"]),
            f"{percent(run['interval'][0])} to {percent(run['interval'][1])}" if run["interval"] else "–",
            "–" if run["macro_f1"] is None else percent(run["macro_f1"]),
            percent(run["exact_match"]),
        )
        for run in comparison["runs"]
    ]
    header = ("run", "backbone", f"{comparison['split']} mAP", "95 % interval", "macro F1", "exact match")
    return header, rows


def _measure(
    name: str,
    run: RunFiles,
    places: Sequence[int],
    truth: Float[np.ndarray, "n k"],
    labels: Sequence[str],
    groups: Grouping,
) -> _Measured:
    """Return a run's figures of some photos, its labels in one order with those of the other runs."""
    said = run.label_predictions
    columns = [run.classes.index(label) for label in labels]
    shares = said.probabilities[np.ix_(places, columns)]
    thresholds = said.task.threshold_values(len(labels))[columns]
    task = MultiLabel(tuple(thresholds))
    figures = task.metrics(truth, shares, labels, groups=groups)
    value, interval = figures.figure(KEY)
    return _Measured(
        Replicates.of(truth, shares, thresholds, groups=groups),
        task.correct(shares, truth),
        {
            "run": name,
            "backbone": run.recipe.backbone.name,
            "mean_average_precision": float("nan") if value is None else value,
            "interval": list(interval) if interval else None,
            "macro_f1": figures.macro_f1,
            "exact_match": figures.exact_match,
        },
    )


def _as_json(one: PairedDifference | None, found: float) -> Difference:
    if one is None:
        return {"difference": found, "interval": None, "p": None}
    return {"difference": one.difference, "interval": [one.low, one.high], "p": one.p}
