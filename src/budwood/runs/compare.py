"""Runs side by side: what each gives on the same photos, and which of them differ."""

import os
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TypedDict

import numpy as np
from jaxtyping import Bool

from budwood.core.errors import RunError
from budwood.core.text import count, listing, percent, shorten, shown
from budwood.evaluation.statistics import holm, paired_bootstrap, paired_difference, wilson_interval
from budwood.evaluation.verdict import compare_models
from budwood.runs.files import RunFiles, read_run

METHOD = (
    "McNemar's exact test (1947), two-sided, adjusted for the number of pairs (Holm 1979); score interval of "
    "Tango (1998) and percentile bootstrap over photos (Efron 1979), 95 %"
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


class Comparison(TypedDict):
    """What `compare` returns."""

    split: str
    n: int
    method: str
    runs: list[RunRow]
    pairs: list[Pair]


def compare(folders: Sequence[str | os.PathLike], *, split: str = "test") -> Comparison:
    """Compare complete runs on the photos of one split, photo by photo.

    Args:
        folders: two run directories or more, of the same classes and with the same photos in the split.
        split: "test", or "validation" (whose photos also chose each run's epoch and phase).

    Returns:
        split, n (photos), method, runs (run, backbone, accuracy, interval; the best first) and pairs (a, b,
        difference of accuracy a minus b in [-1, 1], interval, bootstrap, p, p_adjusted, words).

    Raises:
        RunError: a folder is no run, or the runs cannot be compared; it says what differs.

    >>> compare(["runs/first", "runs/second"])["pairs"][0]["words"]        # doctest: +SKIP
    'Cannot tell first from second: the difference is between -1.1 and 1.9 points on 367 test photos ...'
    """
    paths = [Path(folder) for folder in folders]
    if len({path.resolve() for path in paths}) < max(2, len(paths)):
        raise RunError("comparing takes two runs or more, each given once")
    if split not in ("test", "validation"):
        raise RunError(f"split `{split}` is neither test nor validation")
    names = _names(paths)
    runs = {name: read_run(path).require_complete() for name, path in zip(names, paths, strict=True)}
    correct = _on_the_same_photos(runs, split)
    order = sorted(names, key=lambda name: -correct[name].mean())
    found = {(a, b): paired_difference(correct[a], correct[b]) for a, b in combinations(order, 2)}
    adjusted = holm([one.p for one in found.values()])
    pairs = [
        Pair(
            a=a,
            b=b,
            difference=one.difference,
            interval=[one.low, one.high],
            bootstrap=list(paired_bootstrap(correct[a], correct[b])),
            p=one.p,
            p_adjusted=p,
            words=compare_models(shown(a), shown(b), correct[a], correct[b], p=p, split=split),
        )
        for ((a, b), one), p in zip(found.items(), adjusted, strict=True)
    ]
    return {
        "split": split,
        "n": len(correct[order[0]]),
        "method": METHOD,
        "runs": [_row(name, runs[name], correct[name]) for name in order],
        "pairs": pairs,
    }


def as_text(comparison: Comparison) -> str:
    """Return a comparison as a table and sentences."""
    rows = [
        (
            shorten(shown(run["run"]), 40),
            shown(run["backbone"]),
            percent(run["accuracy"]),
            _interval(run["interval"]),
        )
        for run in comparison["runs"]
    ]
    header = ("run", "backbone", comparison["split"], "95 % interval")
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(4)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [header, *rows]
    ]
    lines += ["", *(pair["words"] for pair in comparison["pairs"])]
    if comparison["split"] == "validation":
        lines.append("Validation photos also chose the epoch and the phase of each run.")
    return "\n".join(lines)


def _names(paths: Sequence[Path]) -> list[str]:
    """The folders' own names, or as much of their paths as tells them apart."""
    parts = [path.resolve().parts for path in paths]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(own[-depth:]) for own in parts]
        if len(set(names)) == len(names):
            break
    return names


def _on_the_same_photos(runs: dict[str, RunFiles], split: str) -> dict[str, Bool[np.ndarray, "n"]]:
    """Whether each run is right, for every photo of the split, in one order."""
    first, *others = runs
    for other in others:
        _refuse_other_classes(first, runs[first].classes, other, runs[other].classes)
    predictions = {}
    for name, run in runs.items():
        found = {row.name: row for row in run.predictions if row.split == split}
        if not found:
            raise RunError(
                f"{shown(name)} has no {split} photos to compare on: it was trained without them. "
                "Give --split validation, or train it again with a test split"
            )
        predictions[name] = found
    truth = {photo: row.true for photo, row in predictions[first].items()}
    for other in others:
        own = {photo: row.true for photo, row in predictions[other].items()}
        shared = truth.keys() & own.keys()
        if shared < truth.keys() | own.keys():
            raise RunError(
                f"{shown(first)} and {shown(other)} cannot be compared: of their {len(truth):,} and {len(own):,} "
                f"{split} photos {len(shared):,} are the same. Train both on the same data with the same "
                f"split_seed; here it is {_split_seed(runs[first])} and {_split_seed(runs[other])}"
            )
        moved = sorted(photo for photo in shared if truth[photo] != own[photo])
        if moved:
            raise RunError(
                f"{shown(first)} and {shown(other)} cannot be compared: {count(len(moved), 'photo')} "
                f"have another class in each, such as {shown(moved[0])}"
            )
    return {name: np.array([rows[photo].correct for photo in truth]) for name, rows in predictions.items()}


def _refuse_other_classes(first: str, classes: Sequence[str], other: str, own: Sequence[str]) -> None:
    if set(classes) == set(own):
        return
    missing = [shown(label) for label in classes if label not in own]
    added = [shown(label) for label in own if label not in classes]
    differences = [
        f"only {shown(name)} knows {listing(some[:5])}{' and more' if len(some) > 5 else ''}"
        for name, some in ((first, missing), (other, added))
        if some
    ]
    raise RunError(f"{shown(first)} and {shown(other)} have other classes: {'; '.join(differences)}")


def _split_seed(run: RunFiles) -> int:
    return run.recipe.split_seed


def _row(name: str, run: RunFiles, correct: Bool[np.ndarray, "n"]) -> RunRow:
    return {
        "run": name,
        "backbone": run.recipe.backbone.name,
        "accuracy": float(correct.mean()),
        "interval": list(wilson_interval(int(correct.sum()), len(correct))),
    }


def _interval(interval: Sequence[float]) -> str:
    low, high = interval
    return f"{percent(low)} to {percent(high)}"
