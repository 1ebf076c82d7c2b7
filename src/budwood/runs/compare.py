"""Runs side by side: what each gives on the same photos, and which of them differ."""

import os
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple, TypedDict

import numpy as np
from jaxtyping import Bool

from budwood.core.errors import RunError
from budwood.core.text import count, listing, percent, shorten, shown
from budwood.evaluation.groups import MIN_GROUPS, Grouping, difference, share_interval
from budwood.evaluation.statistics import bootstrap_interval, holm, paired_bootstrap, resampled_sums
from budwood.evaluation.verdict import compare_models
from budwood.runs.files import RunFiles, read_run
from budwood.runs.schema import PredictionRow

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


class Shared(NamedTuple):
    """Which photos runs are compared on; the fields are those of `Comparison`, but for the groups themselves."""

    own: dict[str, int]
    corrected: int
    truth: str
    groups: Grouping


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


def compare(folders: Sequence[str | os.PathLike], *, split: str = "test") -> Comparison:
    """Compare complete runs on the photos of one split, photo by photo.

    Args:
        folders: two run directories or more, of the same classes. Compared is on the photos that all have in the
            split; where a photo's class was corrected between them, its latest is the truth for all.
        split: "test", or "validation" (whose photos also chose each run's epoch and phase).

    Returns:
        split, n (photos of all runs), own (photos of each), corrected and truth (photos whose class was corrected, and
        the run whose counts), groups (of photos that belong together, 0 where none do), method, runs (run, backbone,
        accuracy, interval; the best first) and pairs (a, b, difference of accuracy a minus b in [-1, 1], interval,
        bootstrap, p, p_adjusted, words).

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
    names = _names(paths)
    runs = {name: read_run(path).require_complete() for name, path in zip(names, paths, strict=True)}
    correct, shared = _on_the_same_photos(runs, split)
    order = sorted(names, key=lambda name: -correct[name].mean())
    groups = shared.groups
    _refuse_few_groups(groups, split)
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
            f"{many} another class in some runs; the one of {shown(comparison['truth'])}, begun last, counts.",
        ]
    lines += ["", *(pair["words"] for pair in comparison["pairs"])]
    if comparison["split"] == "validation":
        lines.append("Validation photos also chose the epoch and the phase of each run.")
    return "\n".join(lines)


def _names(paths: Sequence[Path]) -> list[str]:
    """Return the folders' own names, or as much of their paths as tells them apart."""
    parts = [path.resolve().parts for path in paths]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(own[-depth:]) for own in parts]
        if len(set(names)) == len(names):
            break
    return names


def _on_the_same_photos(
    runs: dict[str, RunFiles], split: str
) -> tuple[dict[str, Bool[np.ndarray, "n"]], Shared]:
    """Return whether each run is right, for every photo that all have in the split, in one order; and which
    these are."""
    first, *others = runs
    for other in others:
        _refuse_other_classes(first, runs[first].classes, other, runs[other].classes)
    predictions = {}
    for name, run in runs.items():
        # A photo that was moved to another folder is the same photo, and so is one that lies there twice.
        content = {row.name: row.sha256 or row.name for row in run.split}
        found = {content.get(row.name, row.name): row for row in run.predictions if row.split == split}
        if not found:
            raise RunError(
                f"{shown(name)} has no {split} photos to compare on: it was trained without them. "
                "Give --split validation, or train it again with a test split"
            )
        predictions[name] = found
    shared = [photo for photo in predictions[first] if all(photo in found for found in predictions.values())]
    if not shared:
        raise RunError(
            f"{listing([shown(name) for name in runs])} have no {split} photo in common, so nothing can be compared. "
            "Train them on the same data with the same split_seed"
        )
    last = max(runs, key=lambda name: runs[name].info.started)
    corrected = [photo for photo in shared if len({predictions[name][photo].true for name in runs}) > 1]
    if len(corrected) > len(shared) / 2:
        raise RunError(
            f"{listing([shown(name) for name in runs])} cannot be compared: {count(len(corrected), 'photo')} have "
            f"another class in each, such as {shown(predictions[first][corrected[0]].name)}"
        )
    correct = {
        name: np.array([_is_right(found[photo], predictions[last][photo].true) for photo in shared])
        for name, found in predictions.items()
    }
    groups = {row.sha256 or row.name: row.group for row in runs[last].split}
    return correct, Shared(
        {name: len(found) for name, found in predictions.items()},
        len(corrected),
        last,
        Grouping.of([groups.get(photo, "") for photo in shared]),
    )


def _is_right(row: PredictionRow, truth: str) -> bool:
    return row.correct if row.true == truth else row.predicted == truth


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


def _refuse_few_groups(groups: Grouping, split: str) -> None:
    if not groups.enough:
        raise RunError(
            f"the {len(groups.numbers):,} {split} photos that all runs have are of {count(groups.num, 'group')} of "
            f"photos that belong together, and {MIN_GROUPS} or more are needed to compare on. Compare on more photos, "
            "or train by --group none where they are independent"
        )


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
