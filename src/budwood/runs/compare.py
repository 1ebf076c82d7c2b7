"""Runs side by side: what each gives on the same photos, and which of them differ."""

import os
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TypedDict, final

import numpy as np
from jaxtyping import Bool

from budwood.core.errors import RunError
from budwood.core.text import count, listing, percent, shorten, shown
from budwood.evaluation.groups import Grouping, difference, share_interval
from budwood.evaluation.statistics import bootstrap_interval, holm, paired_bootstrap, resampled_sums
from budwood.evaluation.verdict import compare_models
from budwood.runs.compare_labels import LabelComparison, compare_labels, label_table
from budwood.runs.files import RunFiles, read_run
from budwood.runs.schema import PredictionRow
from budwood.runs.shared_photos import (
    Shared,
    backbones_of,
    names_of,
    refuse_few_groups,
    refuse_other_tasks,
    share_photos,
)

METHOD = (
    "McNemar's exact test (1947), two-sided, adjusted for the number of pairs (Holm 1979); score interval of "
    "Tango (1998) and percentile bootstrap over photos (Efron 1979), 95 %"
)
METHOD_OF_GROUPS = (
    "permutation test that exchanges the runs for whole groups of photos (Fisher 1935), two-sided, adjusted for "
    "the number of pairs (Holm 1979); score interval of Tango (1998) at the effective number of photos (Kish 1965) "
    "and percentile bootstrap over groups (Efron 1979), 95 %"
)


class RunRow(TypedDict):
    """One run of a comparison."""

    run: str
    backbone: str | list[str]
    accuracy: float
    interval: list[float]


class Pair(TypedDict):
    """Two runs of a comparison."""

    a: str
    b: str
    difference: float
    interval: list[float]
    bootstrap: list[float]
    p: float
    p_adjusted: float
    words: str


@final
class Comparison(TypedDict):
    """What `compare` returns."""

    split: str
    n: int
    """Photos that all runs have in the split."""
    own: dict[str, int]
    """By run, how many photos it has in the split itself."""
    corrected: int
    """Photos whose class is another in some of the runs."""
    truth: str
    """The run whose class of these counts, the one begun last."""
    groups: int
    """Groups of photos that belong together, by that run; 0 where none do."""
    method: str
    runs: list[RunRow]
    pairs: list[Pair]


def compare(folders: Sequence[str | os.PathLike], *, split: str = "test") -> Comparison | LabelComparison:
    """Compare complete runs on the photos of one split, photo by photo.

    Args:
        folders: two run directories or more, of the same task and classes. Compared is on the photos that all have in
            the split; where a photo's class was corrected between them, its latest is the truth for all.
        split: "test", or "validation" (whose photos also chose each run's epoch and phase).

    Returns:
        split, n (photos of all runs), own (photos of each), corrected and truth (photos whose class was corrected, and
        the run whose counts), groups (of photos that belong together, 0 where none do), method, runs (run, backbone,
        accuracy, interval; the best first) and pairs (a, b, difference of accuracy a minus b in [-1, 1], interval,
        bootstrap, p, p_adjusted, words). Of several labels a photo, the figures are those of `LabelComparison`.

    Raises:
        RunError: a folder is no run, or the runs cannot be compared; it says what differs, or how many groups of photos
            are too few.

    >>> compare(["runs/first", "runs/second"])["pairs"][0]["words"]        # doctest: +SKIP
    'Cannot tell first from second: the difference is between -1.1 and 1.9 points on 367 test photos ...'
    """
    paths = [Path(folder) for folder in folders]
    if len({path.resolve() for path in paths}) < max(2, len(paths)):
        raise RunError("comparing takes two runs or more, each given once")
    if split not in ("test", "validation"):
        raise RunError(f"split `{split}` is neither test nor validation")
    names = names_of(paths)
    runs = {name: read_run(path).require_complete() for name, path in zip(names, paths, strict=True)}
    refuse_other_tasks(runs)
    if next(iter(runs.values())).multi_label:
        return compare_labels(runs, split)
    correct, shared = _on_the_same_photos(runs, split)
    order = sorted(names, key=lambda name: -correct[name].mean())
    groups = shared.groups
    refuse_few_groups(groups, split)
    found = {(a, b): difference(correct[a], correct[b], groups) for a, b in combinations(order, 2)}
    adjusted = holm([one.p for one in found.values()])
    pairs = [
        Pair(
            a=a,
            b=b,
            difference=one.difference,
            interval=[one.low, one.high],
            bootstrap=_bootstrap(correct[a], correct[b], groups),
            p=one.p,
            p_adjusted=p,
            words=compare_models(shown(a), shown(b), correct[a], correct[b], p=p, split=split, groups=groups),
        )
        for ((a, b), one), p in zip(found.items(), adjusted, strict=True)
    ]
    return {
        "split": split,
        "n": len(correct[order[0]]),
        "own": shared.own,
        "corrected": shared.corrected,
        "truth": shared.truth,
        "groups": 0 if groups.single else groups.num,
        "method": METHOD if groups.single else METHOD_OF_GROUPS,
        "runs": [_row(name, runs[name], correct[name], groups) for name in order],
        "pairs": pairs,
    }


def as_text(comparison: Comparison | LabelComparison) -> str:
    """Return a comparison as a table and sentences."""
    if "figure" in comparison:
        header, rows, kind = *label_table(comparison), "other labels in some runs; those"
    else:
        header, rows, kind = *_table(comparison), "another class in some runs; the one"
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [header, *rows]
    ]
    n, own = comparison["n"], comparison["own"]
    if any(number != n for number in own.values()):
        each = listing([f"{shown(run)} has {number:,}" for run, number in own.items()])
        lines += ["", f"Compared on the {count(n, comparison['split'] + ' photo')} that all have: {each}."]
    if comparison["corrected"]:
        many = (
            f"{count(comparison['corrected'], 'photo')} {'has' if comparison['corrected'] == 1 else 'have'}"
        )
        lines += [
            "",
            f"{many} {kind} of {shown(comparison['truth'])}, begun last, counts.",
        ]
    lines += ["", *(pair["words"] for pair in comparison["pairs"])]
    if comparison["split"] == "validation":
        lines.append("Validation photos also chose the epoch and the phase of each run.")
    return "\n".join(lines)


def _table(comparison: Comparison) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    rows: list[tuple[str, ...]] = [
        (
            shorten(shown(run["run"]), 40),
            shown(backbones_of(run["backbone"])),
            percent(run["accuracy"]),
            _interval(run["interval"]),
        )
        for run in comparison["runs"]
    ]
    return ("run", "backbone", comparison["split"], "95 % interval"), rows


def _on_the_same_photos(
    runs: dict[str, RunFiles], split: str
) -> tuple[dict[str, Bool[np.ndarray, "n"]], Shared]:
    """Return whether each run is right, for every photo that all have in the split, in one order; and which
    these are."""
    rows, shared = share_photos(runs, {name: run.predictions for name, run in runs.items()}, split, "class")
    correct = {
        name: np.array([_is_right(row, last.true) for row, last in zip(own, rows[shared.truth], strict=True)])
        for name, own in rows.items()
    }
    return correct, shared


def _is_right(row: PredictionRow, truth: str) -> bool:
    return row.correct if row.true == truth else row.predicted == truth


def _bootstrap(
    correct_a: Bool[np.ndarray, "n"], correct_b: Bool[np.ndarray, "n"], groups: Grouping
) -> list[float]:
    """Return the percentile interval of the difference over resamples of photos, or of whole groups."""
    if groups.single:
        return list(paired_bootstrap(correct_a, correct_b))
    gaps = groups.sums(correct_a.astype(float) - correct_b)
    sums = np.concatenate(list(resampled_sums(np.stack([gaps, groups.sizes], axis=1), 10_000, 0)))
    found = float(gaps.sum() / groups.sizes.sum())
    return list(bootstrap_interval(found, sums[:, 0] / sums[:, 1]))


def _row(name: str, run: RunFiles, correct: Bool[np.ndarray, "n"], groups: Grouping) -> RunRow:
    interval = share_interval(correct, groups)
    assert interval is not None, "few groups are refused"
    return {
        "run": name,
        "backbone": run.recipe.backbone.name,
        "accuracy": float(correct.mean()),
        "interval": list(interval),
    }


def _interval(interval: Sequence[float]) -> str:
    low, high = interval
    return f"{percent(low)} to {percent(high)}"
