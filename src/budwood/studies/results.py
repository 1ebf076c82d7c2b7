"""What a study came to: each configuration with its standard deviation and interval, every pair with its test."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from budwood.core.errors import RunError
from budwood.core.files import read_json
from budwood.core.text import count, shown
from budwood.evaluation.statistics import (
    corrected_resampled_t,
    holm,
    paired_bootstrap,
    paired_difference,
    paired_permutation,
    photos_needed,
    wilson_interval,
)
from budwood.evaluation.verdict import compare_means
from budwood.runs.files import read_run
from budwood.runs.schema import Metrics, SplitMetrics
from budwood.studies.learning_curve import Curve, fit_curve
from budwood.studies.search import SEARCH
from budwood.studies.trial import Place
from budwood.studies.words import as_text

METHODS = {
    "split": "corrected resampled t-test over random splits (Nadeau and Bengio 2003)",
    "fold": "corrected resampled t-test over folds (Nadeau and Bengio 2003)",
    "shared": "exchange within photos (Fisher 1935) and percentile bootstrap over photos (Efron 1979)",
    "one": "McNemar's exact test (1947); score interval of Tango (1998)",
}


@dataclass(frozen=True)
class Measured:
    """A trial that is complete."""

    replicate: str
    metrics: Metrics
    seconds: float
    train_photos: int
    correct: dict[str, dict[str, bool]]
    """By split, of each photo whether it was classified correctly."""

    @property
    def test(self) -> SplitMetrics | None:
        return self.metrics.test

    def of(self, split: str) -> SplitMetrics:
        """Return the figures of a split, which must have photos."""
        found = self.metrics.of(split)
        if found is None:
            raise RunError(f"a trial has no {split} photos: its metrics.json is damaged. Train it again")
        return found


@dataclass(frozen=True)
class Listed:
    """One trial, whatever became of it."""

    name: str
    configuration: str
    replicate: str
    state: str
    """"planned" where it was not begun, or did not come to its end, "complete" or "failed"."""
    why: str | None
    """Of one that failed."""
    seconds: float | None
    validation: float | None
    """Accuracy in [0, 1], like `test`."""
    validation_loss: float | None
    test: float | None
    train_photos: int | None


@dataclass(frozen=True)
class Estimate:
    """An accuracy over the trials of a configuration, in [0, 1]."""

    mean: float
    standard_deviation: float | None
    """Standard deviation between trials."""
    low: float
    high: float
    photos: int
    """Measured on in one trial."""


@dataclass(frozen=True)
class Summary:
    """One configuration."""

    name: str
    complete: int
    planned: int
    validation: Estimate | None
    validation_loss: float | None
    test: Estimate | None
    seconds: float | None
    """Of one trial, in the mean."""
    train_photos: float | None


@dataclass(frozen=True)
class Pair:
    """Two configurations on what both were measured on."""

    a: str
    b: str
    difference: float
    """Mean accuracy of a minus that of b, in [-1, 1]."""
    low: float
    high: float
    p: float
    p_adjusted: float
    """For the number of pairs (Holm 1979)."""
    trials: int
    method: str
    words: str


@dataclass(frozen=True)
class Results:
    """A study read from its directory."""

    folder: Path
    replicate_kind: str
    split: str
    """On which photos the pairs were compared: "test", or "validation" where no test split was opened."""
    summaries: list[Summary]
    """The best first, by validation loss."""
    pairs: list[Pair]
    curves: list[Curve]
    failures: dict[str, str]
    """Of each trial that failed, why."""
    test_evaluations: int
    """How often a test split was looked at: once by every trial."""
    pruned: dict[str, str]
    """Of each configuration that a search pruned, why."""
    search: dict[str, Any] | None = None
    """Of a search: what was asked for and what mattered; None for a study of every combination."""
    trials: list[Listed] = field(default_factory=list)
    """In the order in which they were planned."""

    @property
    def best(self) -> str | None:
        """The configuration with the lowest validation loss among those whose trials are all complete."""
        whole = [one for one in self.summaries if one.complete == one.planned]
        return whole[0].name if whole else None

    def to_json(self) -> dict[str, Any]:
        """The content of results.json."""
        return {
            "replicate_kind": self.replicate_kind,
            "split": self.split,
            "best": self.best,
            "configurations": [asdict(one) for one in self.summaries],
            "pairs": [asdict(one) for one in self.pairs],
            "curves": [one.to_json() for one in self.curves],
            "failures": self.failures,
            "test_evaluations": self.test_evaluations,
            "pruned": self.pruned,
            "search": self.search,
        }

    def as_text(self) -> str:
        """A table and sentences."""
        return as_text(self)

    def __repr__(self) -> str:
        return self.as_text()


def load_study(folder: str | os.PathLike) -> Results:
    """What a study on disk came to, also of one that is under way. It loads no TensorFlow.

    Args:
        folder: the study's directory, as `budwood.study` wrote it.

    Raises:
        RunError: it holds no study.

    >>> load_study("studies/first").best       # doctest: +SKIP
    'frozen-linear'
    """
    return read_results(Path(folder))


def read_results(folder: Path) -> Results:
    """What the trials of a study say, as far as they are complete.

    Raises RunError where the folder holds no study.
    """
    try:
        info = read_json(folder / "study.json")
        names, replicate_kind = info["trials"], info["replicate_kind"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{folder} is no study: {error}. Give the directory that `budwood study -o` wrote"
        ) from error
    trials: dict[str, list[Measured]] = {one["name"]: [] for one in info["configurations"]}
    planned = dict.fromkeys(trials, 0)
    failures: dict[str, str] = {}
    pruned: dict[str, str] = {}
    listed: list[Listed] = []
    search = _search(folder, info)
    for name in names:
        place = Place(folder, name)
        found = place.read()
        configuration = found.get("configuration", "?")
        planned[configuration] = planned.get(configuration, 0) + 1
        one = _measured(place, found) if found.get("state") == "complete" else None
        listed.append(_listed(name, found, one))
        if one is not None:
            trials.setdefault(configuration, []).append(one)
        elif found.get("state") == "failed" and search is None:
            failures[f"{configuration}, {found.get('replicate')}"] = str(found.get("error"))
    if search is not None:
        for one in search["configurations"]:
            # Of one that was pruned the trials that were left out count too.
            planned[one["name"]] = search["replicates"]
        failures, pruned = (
            {one["name"]: str(one["why"]) for one in search["configurations"] if one["state"] == state}
            for state in ("failed", "pruned")
        )
    done = [one for some in trials.values() for one in some]
    split = "test" if done and all(one.test for one in done) else "validation"
    summaries = [_summary(name, some, planned[name]) for name, some in trials.items()]
    summaries.sort(key=lambda one: (one.validation_loss is None, one.validation_loss, one.name))
    order = [one.name for one in summaries if one.complete]
    return Results(
        folder=folder,
        replicate_kind=replicate_kind,
        split=split,
        summaries=summaries,
        # The best of many, held against the others, would be flattered by every pair.
        pairs=_pairs(order, trials, replicate_kind, split) if search is None else [],
        curves=_curves(info["configurations"], trials, split),
        failures=failures,
        test_evaluations=sum(1 for one in done if one.test),
        pruned=pruned,
        search=search,
        trials=listed,
    )


def _search(folder: Path, info: dict[str, Any]) -> dict[str, Any] | None:
    """Of a search its configurations, what mattered, where the photos are, and whether they bring test photos."""
    if info.get("search") is None or not (folder / SEARCH).is_file():
        return None
    return read_json(folder / SEARCH) | {key: info[key] for key in ("source", "test_is_given")}


def _measured(place: Place, found: dict[str, Any]) -> Measured:
    files = read_run(place.run)
    correct: dict[str, dict[str, bool]] = {"validation": {}, "test": {}}
    for row in files.predictions:
        correct[row.split][row.name] = row.correct
    train = sum(row.split == "train" for row in files.split)
    return Measured(found["replicate"], files.metrics, float(found["seconds"]), train, correct)


def _listed(name: str, found: dict[str, Any], one: Measured | None) -> Listed:
    return Listed(
        name,
        str(found.get("configuration", "?")),
        str(found.get("replicate", "?")),
        str(found.get("state", "planned")),
        None if found.get("error") is None else str(found["error"]),
        None if found.get("seconds") is None else float(found["seconds"]),
        one.of("validation").accuracy if one else None,
        one.of("validation").loss if one else None,
        one.of("test").accuracy if one and one.test else None,
        one.train_photos if one else None,
    )


def _summary(name: str, trials: Sequence[Measured], planned: int) -> Summary:
    if not trials:
        return Summary(name, 0, planned, None, None, None, None, None)
    return Summary(
        name,
        len(trials),
        planned,
        _estimate(trials, "validation"),
        float(np.mean([one.of("validation").loss for one in trials])),
        _estimate(trials, "test") if all(one.test for one in trials) else None,
        float(np.mean([one.seconds for one in trials])),
        float(np.mean([one.train_photos for one in trials])),
    )


def _accuracy(one: Measured, split: str) -> float:
    return one.of(split).accuracy


def _estimate(trials: Sequence[Measured], split: str) -> Estimate:
    """Student's t over the trials, corrected for the overlap of what they learn from as the pairs are."""
    values = [_accuracy(one, split) for one in trials]
    n = trials[0].of(split).n
    mean = float(np.mean(values))
    standard_deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    if not standard_deviation or len({frozenset(one.correct[split]) for one in trials}) == 1:
        # The same photos every time, or the same figure on others: what is not known of them does not grow less with
        # the trainings.
        low, high = wilson_interval(round(mean * n), n)
    else:
        train = float(np.mean([one.train_photos for one in trials]))
        _, low, high, _ = corrected_resampled_t(values, round(train), n)
    return Estimate(mean, standard_deviation, max(0.0, low), min(1.0, high), n)


@dataclass(frozen=True)
class _Found:
    """What the comparison of two configurations gave, before the number of pairs is known."""

    difference: float
    low: float
    high: float
    p: float
    method: str
    where: str
    trials: int
    needed: int | None


def _pairs(
    order: Sequence[str], trials: dict[str, list[Measured]], replicate_kind: str, split: str
) -> list[Pair]:
    found: dict[tuple[str, str], _Found] = {}
    for a, b in combinations(order, 2):
        ones, others = ({one.replicate: one for one in trials[name]} for name in (a, b))
        both = [(one, others[replicate]) for replicate, one in ones.items() if replicate in others]
        # Of two that were divided in other ways nothing can be said.
        if both and all(one.correct[split].keys() == other.correct[split].keys() for one, other in both):
            found[a, b] = _compare(both, replicate_kind, split)
    adjusted = holm([one.p for one in found.values()]) if found else []
    pairs = []
    for ((a, b), one), p in zip(found.items(), adjusted, strict=True):
        words = compare_means(
            shown(a),
            shown(b),
            one.difference,
            (one.low, one.high),
            p,
            where=one.where,
            photos=split,
            needed=one.needed,
            adjusted=len(found) > 1,
        )
        method = METHODS[one.method]
        pairs.append(Pair(a, b, one.difference, one.low, one.high, one.p, p, one.trials, method, words))
    return pairs


def _compare(both: Sequence[tuple[Measured, Measured]], replicate_kind: str, split: str) -> _Found:
    photos = [sorted(one.correct[split]) for one, _ in both]
    rights = [
        (
            np.array([one.correct[split][name] for name in names], bool),
            np.array([other.correct[split][name] for name in names], bool),
        )
        for (one, other), names in zip(both, photos, strict=True)
    ]
    only_a = float(np.mean([(a & ~b).mean() for a, b in rights]))
    only_b = float(np.mean([(b & ~a).mean() for a, b in rights]))
    needed = photos_needed(only_a, only_b)
    differences = [float(a.mean() - b.mean()) for a, b in rights]
    shared = all(names == photos[0] for names in photos)
    where, number = count(len(both), replicate_kind), len(both)
    # Equal differences say nothing of how they vary, and photos of which none differs nothing of others: then the
    # photos of one trial do.
    if number == 1 or not (any((a != b).any() for a, b in rights) if shared else np.ptp(differences)):
        pair = paired_difference(*rights[0])
        if number > 1:
            where = f"{both[0][0].replicate} alone, for the difference is the same in all {number}"
        return _Found(pair.difference, pair.low, pair.high, pair.p, "one", where, 1, needed)
    if shared:
        share_a, share_b = (np.mean([right[side] for right in rights], axis=0) for side in (0, 1))
        low, high = paired_bootstrap(share_a, share_b)
        p = paired_permutation(share_a, share_b)
        return _Found(float((share_a - share_b).mean()), low, high, p, "shared", where, number, needed)
    num_train = round(float(np.mean([one.train_photos for one, _ in both])))
    num_test = round(float(np.mean([len(names) for names in photos])))
    mean, low, high, p = corrected_resampled_t(differences, num_train, num_test)
    # Student's t knows nothing of what a difference of shares can be.
    return _Found(mean, max(-1.0, low), min(1.0, high), p, replicate_kind, where, number, needed)


def _curves(
    configurations: Sequence[dict[str, Any]], trials: dict[str, list[Measured]], split: str
) -> list[Curve]:
    """Of every configuration that was tried with several numbers of training photos."""
    by_base: dict[str, list[Measured]] = {}
    sizes: dict[str, set] = {}
    for given in configurations:
        base = given["name"].removesuffix(f", {given['photos']} photos")
        by_base.setdefault(base, []).extend(trials[given["name"]])
        sizes.setdefault(base, set()).add(given["photos"])
    curves = []
    for base, some in by_base.items():
        if len(sizes[base]) > 1 and some:
            of_size: dict[int, list[Measured]] = {}
            for one in some:
                # Sizes that differ by rounding alone are one.
                near = [n for n in of_size if abs(n - one.train_photos) <= 0.02 * n]
                of_size.setdefault((near or [one.train_photos])[0], []).append(one)
            judged = "test" if split == "test" and all(one.test for one in some) else "validation"
            estimates = {number: _estimate(group, judged) for number, group in of_size.items()}
            curves.append(
                fit_curve(
                    base,
                    {number: [_accuracy(one, judged) for one in group] for number, group in of_size.items()},
                    {number: (found.low, found.high) for number, found in estimates.items()},
                )
            )
    return curves
