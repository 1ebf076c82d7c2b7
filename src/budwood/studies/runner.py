"""Runs the trials of a study by an executor: writes down what is to be done, and follows what becomes of it."""

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass

from budwood.config.recipe import Recipe
from budwood.core.progress.base import Progress
from budwood.core.system import num_cores
from budwood.data.check import Check
from budwood.data.split import divide
from budwood.studies.executor import Executor
from budwood.studies.features import provide_features
from budwood.studies.linear_trial import is_linear
from budwood.studies.progress_table import ProgressTable
from budwood.studies.records import StudyFolder, TrialKind, TrialRecord
from budwood.studies.spec import TrialResult, TrialSpec
from budwood.studies.trials import Trial

CORES: dict[TrialKind, int] = {"linear": 1, "training": 2}
"""Of a trial, where there are as many."""
REFRESH_SECONDS = 0.25
Todo = tuple[Trial, TrialSpec]
After = Callable[[Trial, TrialResult], Sequence[Todo]]
Room = Callable[[TrialKind, int | None], int]
"""Says how many trials of a kind run at a time, given how many are asked for."""


def jobs_for(kind: TrialKind, jobs: int | None) -> int:
    """Return how many trials run at a time on this machine where nobody says."""
    return jobs or max(1, num_cores() // CORES[kind])


@dataclass(frozen=True)
class Runner:
    """What all trials of a study have in common."""

    study: StudyFolder
    data: str
    checked: Check
    executor: Callable[[int], Executor]
    """Makes an executor of so many trials at a time."""
    jobs: int | None
    keep_models: bool
    progress: Progress
    room: Room = jobs_for

    def jobs_for(self, kind: TrialKind) -> int:
        """Return how many trials run at a time."""
        return self.room(kind, self.jobs)

    def run_all(self, trials: Sequence[Trial]) -> None:
        """Run what is not complete yet, the linear trials first; what came of each lies in its file."""
        todo = [(trial, spec) for trial in trials if (spec := self.prepare(trial)) is not None]
        if not todo:
            self.progress.say("every trial that is asked for is complete: there is nothing to compute")
            return
        if len(todo) < len(trials):
            self.progress.say(f"{len(trials) - len(todo)} of {len(trials)} trials are complete already")
        linear = [(trial, spec) for trial, spec in todo if spec.kind == "linear"]
        others = [(trial, spec) for trial, spec in todo if spec.kind == "training"]
        if linear and (why := self.provide_features([spec.recipe for _, spec in linear])):
            for _, spec in linear:
                spec.folder.update(state="failed", error=why)
            linear = []
        kinds: list[tuple[TrialKind, list[Todo]]] = [("linear", linear), ("training", others)]
        with ProgressTable([trial for trial, _ in [*linear, *others]], self.progress) as table:
            for kind, some in kinds:
                if some:
                    table.jobs = self.jobs_for(kind)
                    with self.executor(table.jobs) as executor:
                        self.follow(executor, some, table)

    def prepare(self, trial: Trial) -> TrialSpec | None:
        """Write down what is to be done; None where the trial is complete already."""
        folder = self.study.trial(trial.name)
        before = folder.read()
        if before is None or before.recipe.model_dump() != trial.recipe.model_dump():
            shutil.rmtree(folder.run, ignore_errors=True)
        elif before.state == "complete" and (folder.run / "metrics.json").is_file():
            return None
        kind = kind_of(trial.recipe, self.checked, self.keep_models)
        folder.write(
            TrialRecord(
                configuration=trial.configuration.name,
                replicate=trial.replicate,
                kind=kind,
                recipe=trial.recipe,
            )
        )
        return TrialSpec(self.study.path, self.data, trial.name, kind, trial.recipe, self.keep_models)

    def provide_features(self, recipes: Sequence[Recipe]) -> str | None:
        """Have the features of linear trials in the store; return why there are none, if so."""
        return provide_features(self.data, self.study, recipes)

    def follow(
        self,
        executor: Executor,
        todo: Sequence[Todo],
        table: ProgressTable,
        after: After = lambda trial, result: (),
    ) -> None:
        """Run trials, and what `after` says is to be done once one of them has ended."""
        running: dict[Future[TrialResult], Trial] = {}
        queue = list(todo)
        while queue or running:
            running |= {executor.submit(spec): trial for trial, spec in queue}
            queue = []
            wait(running, REFRESH_SECONDS, FIRST_COMPLETED)
            for future in [one for one in running if one.running()]:
                table.start(running[future])
            # In the order in which they were begun, so that a search asks in the same order again.
            for future in [one for one in running if one.done()]:
                trial, result = running.pop(future), future.result()
                table.end(trial, result)
                queue += after(trial, result)
            table.refresh()


def kind_of(recipe: Recipe, checked: Check, keep_models: bool) -> TrialKind:
    """Return whether a trial needs Keras: a linear probe does where its model is to be kept."""
    if keep_models:
        return "training"
    train = sum(photo.split == "train" for photo in divide(checked.photos, recipe))
    return "linear" if is_linear(recipe, train, len(checked.classes)) else "training"
