"""What a study came to: each configuration with its standard deviation and interval, every pair with its test."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from budwood.core.errors import RunError
from budwood.runs.figures import LabelSplitMetrics
from budwood.runs.files import RunFiles, read_run
from budwood.runs.label_predictions import LabelPredictions
from budwood.studies.comparison import compare_all, estimate_beside, estimate_mean, measured_on
from budwood.studies.figure import ACCURACY, FIGURES, Figure
from budwood.studies.figures import LabelFigures, ListedTrial, SearchResults, StudyFigures, Summary
from budwood.studies.label_comparison import standard_error
from budwood.studies.learning_curve import Curve, fit_curve
from budwood.studies.outcomes import CompleteTrial, Estimate
from budwood.studies.records import (
    Configuration,
    StudyFolder,
    StudyRecord,
    TrialFolder,
    TrialRecord,
)
from budwood.studies.search import read_search
from budwood.studies.words import as_text


class Results(StudyFigures):
    """A study read from its directory."""

    def as_text(self) -> str:
        """Return a table and sentences."""
        return as_text(self)

    def __repr__(self) -> str:
        return self.as_text()


def load_study(folder: str | os.PathLike, *, target: float | None = None) -> Results:
    """Return what a study on disk came to, also of one that is under way. It loads no TensorFlow.

    Args:
        folder: the study's directory, as `budwood.study` wrote it.
        target: the accuracy (of several labels, the mean average precision) of which learning curves say how many
            photos it would take; by default the next round one.

    Raises:
        RunError: it holds no study.

    >>> load_study("studies/first").best       # doctest: +SKIP
    'frozen-linear'
    """
    if target is not None and not 0 < target < 1:
        raise RunError(f"{target:g} cannot be asked for. Give a share above 0 and below 1, such as 0.98")
    return read_results(Path(folder), target)


def read_results(folder: Path, target: float | None = None) -> Results:
    """Return what the trials of a study say, as far as they are complete.

    Its learning curves say how many photos a figure of `target` would take, by default the next round one.

    Raise RunError where the folder holds no study.
    """
    study = StudyFolder(folder)
    record = study.read()
    search = _search(folder, record)
    configurations = {one.name: one for one in record.configurations}
    trials: dict[str, list[CompleteTrial]] = {name: [] for name in configurations}
    planned = dict.fromkeys(trials, 0)
    failures: dict[str, str] = {}
    pruned: dict[str, str] = {}
    listed: list[ListedTrial] = []
    linear = False
    for name in record.trials:
        trial = study.trial(name)
        found = trial.read()
        complete = found is not None and found.state == "complete"
        one = _complete(trial, found, FIGURES[record.task]) if found is not None and complete else None
        listed.append(_listed(name, found, one))
        if found is None:
            continue
        planned[found.configuration] = planned.get(found.configuration, 0) + 1
        if one is not None:
            linear |= found.kind == "linear"
            trials.setdefault(found.configuration, []).append(one)
        elif found.state == "failed" and search is None:
            failures[f"{found.configuration}, {found.replicate}"] = str(found.error)
    if search is not None:
        # Of one that was pruned the trials that were left out count too.
        planned |= {one.name: search.replicates for one in search.configurations}
        failures, pruned = (
            {one.name: str(one.why) for one in search.configurations if one.state == state}
            for state in ("failed", "pruned")
        )
    done = [one for some in trials.values() for one in some]
    split = "test" if done and all(one.test for one in done) else "validation"
    summaries = [_summary(name, some, planned[name], split) for name, some in trials.items()]
    summaries.sort(key=lambda one: (one.validation_loss is None, one.validation_loss, one.name))
    order = [one.name for one in summaries if one.complete]
    return Results(
        folder=folder,
        replicate_kind=record.replicate_kind,
        split=split,
        summaries=summaries,
        # The best of many, held against the others, would be flattered by every pair.
        pairs=compare_all(order, trials, record.replicate_kind, split) if search is None else [],
        curves=_curves(record.configurations, trials, split, target),
        failures=failures,
        test_evaluations=sum(1 for one in done if one.test),
        pruned=pruned,
        search=search,
        trials=listed,
        configurations=configurations,
        near_twins=max((_near_twins(one, split) for one in done), default=0),
        linear=linear,
        task=record.task,
    )


def _near_twins(trial: CompleteTrial, split: str) -> int:
    measured = trial.metrics.figures_of(split)
    return measured.without_twins.twins if measured and measured.without_twins else 0


def _search(folder: Path, record: StudyRecord) -> SearchResults | None:
    if record.search is None:
        return None
    found = read_search(folder)
    return SearchResults(**vars(found), source=record.source, test_is_given=record.test_is_given)


def _complete(trial: TrialFolder, record: TrialRecord, figure: Figure) -> CompleteTrial:
    files = read_run(trial.run)
    if FIGURES[files.info.task] != figure:
        raise RunError(
            f"the trial in {trial.run} has another task than its study ({files.info.task}), so its figures cannot "
            "stand beside the others. Copy the study again, or give --overwrite to start anew"
        )
    said = files.label_predictions if files.multi_label else None
    correct: dict[str, dict[str, bool]] = {"validation": {}, "test": {}}
    for name, split, right in _answers(files, said):
        if split in correct:
            correct[split][name] = right
    train = sum(row.split == "train" for row in files.split)
    groups = {row.name: row.group for row in files.split if row.group}
    return CompleteTrial(
        record.replicate, files.metrics, record.seconds or 0.0, train, correct, groups, figure, said
    )


def _answers(files: RunFiles, said: LabelPredictions | None) -> Iterable[tuple[str, str, bool]]:
    """Return of every photo that was measured on its name, its split and whether it was answered rightly."""
    if said is None:
        return ((row.name, row.split, row.correct) for row in files.predictions)
    right = said.task.correct(said.probabilities, said.targets)
    return zip(said.names, said.splits, right.tolist(), strict=True)


def _listed(name: str, record: TrialRecord | None, one: CompleteTrial | None) -> ListedTrial:
    measured = one is not None and one.test is not None
    return ListedTrial(
        name,
        record.configuration if record else None,
        record.replicate if record else None,
        record.state if record else "planned",
        record.error if record else None,
        record.seconds if record else None,
        one.value("validation") if one else None,
        one.of("validation").loss if one else None,
        one.value("test") if one and measured else None,
        one.train_photos if one else None,
        _label_figures(one, "validation") if one else None,
        _label_figures(one, "test") if one and measured else None,
    )


def _label_figures(trial: CompleteTrial, split: str) -> LabelFigures | None:
    found = trial.of(split)
    return LabelFigures(found.macro_f1, found.exact_match) if isinstance(found, LabelSplitMetrics) else None


def _summary(name: str, trials: Sequence[CompleteTrial], planned: int, split: str) -> Summary:
    if not trials:
        return Summary(name, 0, planned, None, None, None, None, None)
    return Summary(
        name,
        len(trials),
        planned,
        estimate_mean(trials, "validation"),
        float(np.mean([one.of("validation").loss for one in trials])),
        estimate_mean(trials, "test") if all(one.test for one in trials) else None,
        float(np.mean([one.seconds for one in trials])),
        float(np.mean([one.train_photos for one in trials])),
        estimate_beside(trials, split),
    )


def _curves(
    configurations: Sequence[Configuration],
    trials: Mapping[str, Sequence[CompleteTrial]],
    split: str,
    target: float | None,
) -> list[Curve]:
    """Return a curve for every configuration that was tried with several numbers of training photos."""
    by_base: dict[str, list[CompleteTrial]] = {}
    sizes: dict[str, set[int | None]] = {}
    for given in configurations:
        by_base.setdefault(given.base, []).extend(trials[given.name])
        sizes.setdefault(given.base, set()).add(given.photos)
    curves = []
    for base, some in by_base.items():
        if len(sizes[base]) == 1 or not some:
            continue
        of_size: dict[int, list[CompleteTrial]] = {}
        for one in some:
            # Sizes that differ by rounding alone are one.
            near = [n for n in of_size if abs(n - one.train_photos) <= 0.02 * n]
            of_size.setdefault((near or [one.train_photos])[0], []).append(one)
        evaluated_on = "test" if split == "test" and all(one.test for one in some) else "validation"
        estimates = {number: estimate_mean(group, evaluated_on) for number, group in of_size.items()}
        known = {number: found for number, found in estimates.items() if found is not None}
        if known:
            curves.append(_curve(base, of_size, known, evaluated_on, target))
    return curves


def _curve(
    name: str,
    of_size: Mapping[int, Sequence[CompleteTrial]],
    estimates: Mapping[int, Estimate],
    split: str,
    target: float | None,
) -> Curve:
    """Return the curve of one configuration, from its trials by their number of training photos."""
    values = {
        number: [value for one in of_size[number] if (value := one.value(split)) is not None]
        for number in estimates
    }
    intervals = {number: found.ends for number, found in estimates.items()}
    largest = max(estimates)
    last, few = of_size[largest], estimates[largest].few_groups
    figure = last[0].figure
    if figure == ACCURACY:
        measured = measured_on(last, split)
        return fit_curve(name, values, intervals, target=target, measured=measured, few_groups=few)
    photos = len({name for one in last for name in one.correct[split]})
    spread = standard_error(last, split, photos)
    return fit_curve(name, values, intervals, figure=figure, target=target, spread=spread, few_groups=few)
