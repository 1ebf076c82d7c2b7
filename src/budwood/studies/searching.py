"""A search under way: the trainings of its configurations, and what comes after each of them."""

from collections.abc import Sequence
from dataclasses import replace

from budwood.core.errors import BudwoodError
from budwood.core.text import shown
from budwood.data.split import divide
from budwood.studies.grid import Grid
from budwood.studies.progress_table import ProgressTable
from budwood.studies.records import Configuration, StudyRecord, TrialKind
from budwood.studies.runner import Runner, Todo, kind_of
from budwood.studies.search import Search, Tried
from budwood.studies.spec import TrialResult, read_result
from budwood.studies.trials import Trial, folder_name, plan_trials


class Searching:
    """Trains the configurations of a search, each on one split or fold after another, several at a time.

    Args:
        search: what is asked.
        number: configurations at most.
        record: of the study, which names what it consists of.
        runner: runs the trials.
    """

    def __init__(self, search: Search, number: int, record: StudyRecord, runner: Runner):
        self.search, self.number, self.record, self.runner = search, number, record, runner
        self.known: dict[str, tuple[Tried, list[Trial]]] = {}
        """Of every trial its configuration, and all trials of that."""
        self.waiting = [one for one in search.configurations if one.state == "running"]
        self.jobs = runner.jobs_for(kind_of_search(search.grid, runner))
        left = min(number, search.grid.size) - len(search.configurations) + len(self.waiting)
        total = max(0, int(left)) * search.replicates
        self.table = ProgressTable([], runner.progress, total=total, jobs=self.jobs)

    def run(self) -> StudyRecord:
        """Go on until so many configurations have come to an end; return what the study consists of."""
        if self.search.grid.size < self.number:
            self.runner.progress.say(
                f"there are {self.search.grid.size} configurations: each of them is tried"
            )
        with self.table as table, self.runner.executor(self.jobs) as executor:
            first = [todo for _ in range(self.jobs) for todo in self._begin()]
            self.runner.follow(executor, first, table, self._after)
        return self.record

    def _after(self, trial: Trial, result: TrialResult) -> list[Todo]:
        """Return what comes after a training: the next of its configuration, or the first of another one."""
        one, trials = self.known[trial.name]
        self._take(one, trial, result)
        return self._next(one, trials) or self._begin()

    def _begin(self) -> list[Todo]:
        """Return the first training of the next configuration; nothing where all have been asked for."""
        while (one := self._next_configuration()) is not None:
            trials = self._trials(one)
            if trials and (todo := self._next(one, trials)):
                return todo
        return []

    def _next_configuration(self) -> Tried | None:
        if self.waiting:
            return self.waiting.pop(0)
        return self.search.propose() if len(self.search.configurations) < self.number else None

    def _trials(self, one: Tried) -> list[Trial]:
        """Return the trials of a configuration; none where its values do not go together."""
        try:
            combination = self.search.grid.at(one.point)
            one.name = combination.configuration.name
            search, photos = self.search, self.runner.checked.photos
            found, _ = plan_trials([combination], photos, seeds=search.seeds, folds=search.folds)
            divide(photos, found[0].recipe)
        except BudwoodError as error:
            self.search.fail(one, str(error))
            self.runner.progress.say(f"{shown(one.name)}: failed: {shown(str(error))}")
            return []
        trials = [replace(trial, name=f"{one.number:03}-{folder_name(trial.replicate)}") for trial in found]
        self.known |= {trial.name: (one, trials) for trial in trials}
        self.table.add(trials)
        self.search.save()
        self._list(combination.configuration, trials)
        return trials

    def _next(self, one: Tried, trials: Sequence[Trial]) -> list[Todo]:
        """Return the next training of a configuration; what is complete on disk is taken as it is."""
        while one.state == "running":
            trial = trials[len(one.losses)]
            spec = self.runner.prepare(trial)
            if spec is None:
                self.table.found(trial)
                result = read_result(self.runner.study.trial(trial.name))
            elif spec.kind == "linear" and (why := self.runner.provide_features([trial.recipe])):
                spec.folder.update(state="failed", error=why)
                result = TrialResult(trial.name, error=why)
                self.table.end(trial, result)
            else:
                return [(trial, spec)]
            self._take(one, trial, result)
        return []

    def _take(self, one: Tried, trial: Trial, result: TrialResult) -> None:
        """Take what a training came to into its configuration."""
        if result.validation is not None:
            self.search.report(one, result.validation.loss, result.seconds or 0.0)
        else:
            self.search.fail(one, f"{trial.replicate}: {result.error}")
        if one.state in ("pruned", "failed"):
            self.table.prune(trial.configuration.name, one.why if one.state == "pruned" else None)

    def _list(self, configuration: Configuration, trials: Sequence[Trial]) -> None:
        """Write into study.json what the study consists of."""
        record = self.record.adding([configuration], [trial.name for trial in trials])
        if record != self.record:
            self.record = record
            self.runner.study.write(record)


def kind_of_search(grid: Grid, runner: Runner) -> TrialKind:
    """Return "linear" where no trial of a search needs Keras."""
    kinds = {kind_of(one.recipe, runner.checked, runner.keep_models) for one in grid.check()}
    return "training" if "training" in kinds else "linear"
