"""Many trainings compared: every trial in a process of its own, all of them on one feature store.

STUDY/report.html         what it came to, as a page; for all other files, see `studies.records`
"""

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from budwood.backbones.resolve import refuse_impossible
from budwood.config.data import Data
from budwood.config.recipe import Recipe
from budwood.config.task_rules import refuse_for_multi_label, refuse_for_single_label
from budwood.core.errors import RecipeError, RunError
from budwood.core.files import write_json
from budwood.core.locks import lock
from budwood.core.progress import choose_progress
from budwood.core.progress.base import SILENT, Progress, step
from budwood.data.check import check
from budwood.data.sources import read_source
from budwood.data.split import divide, lacking
from budwood.evaluation.task import task_of
from budwood.report.page import REPORT
from budwood.report.reading import understood_as_lines
from budwood.runs.directory import now
from budwood.runs.schema import CheckReport
from budwood.studies.beginning import go_on_from, new_record
from budwood.studies.executor import Executor, LocalExecutor
from budwood.studies.features import FAILURE, WANTED
from budwood.studies.grid import Combination, Sizes
from budwood.studies.plan import StudyPlan
from budwood.studies.records import PhotoTable, StudyFolder
from budwood.studies.report.page import write_study_report
from budwood.studies.request import StudyRequest
from budwood.studies.results import Results, read_results
from budwood.studies.runner import Room, Runner, jobs_for
from budwood.studies.search import BEST, SEARCH, Search, import_optuna
from budwood.studies.searching import Searching
from budwood.studies.timing import Stopwatch
from budwood.studies.trials import plan_trials
from budwood.studies.workload import summary, workload

OUR_FILES = {
    *("study.json", "photos.jsonl", "photos.json", "features.json", WANTED, FAILURE),
    *("trials", "results.json", REPORT, "features.log", SEARCH, BEST),
}
READ_ALIKE = (
    *("layout", "split_folders", "columns", "root", "min_photos", "task", "label_separator", "label_columns"),
)
"""Keys of [data] by which photos are listed: the same for all recipes of a study."""
ESTIMATE_SECONDS = 15.0
"""That are spent at most on the question of how long a study will take, beside loading Keras."""


def study(
    data: str | os.PathLike,
    output: str | os.PathLike,
    *,
    recipes: Sequence[str | Recipe],
    backbones: Sequence[str] = (),
    grid: Iterable[str] = (),
    sizes: Sizes = (),
    seeds: Sequence[int] = range(5),
    folds: int = 0,
    search: int | None = None,
    settings: Sequence[str] = (),
    weights: Sequence[str] = (),
    test: bool = True,
    jobs: int | None = None,
    keep_models: bool = False,
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
    command: str | None = None,
    executor: Callable[[int], Executor] = LocalExecutor,
) -> Results:
    """Train every combination of recipe, backbone, grid value, number of photos and seed, and compare them.

    Each trial is what `budwood train` does, in a process of its own; those of a linear probe alone need no Keras. A
    trial that fails is listed with its error, and the others go on.

    Args:
        data: a folder of labelled photos, or `tfds:NAME`.
        output: the study's directory.
        recipes, backbones, grid, settings, weights: see `studies.grid.read_grid`.
        sizes: numbers of training photos, "all" for as many as there are.
        seeds: a random split for each; where the data bring train, validation and test, a seed of the training.
        folds: k-fold instead of random splits.
        search: so many configurations at most, which Optuna chooses, in place of every combination; a `grid` may then
            hold ranges. No test split is opened. `best.toml` is the recipe of the best.
        test: measure on test photos too; without, on validation photos alone.
        jobs: trials at a time, the cores shared out; by default one for every two cores.
        keep_models: keep every trial's model, tens of megabytes each; a linear probe is then a training of
            `budwood train` too, for without Keras there is no model.
        overwrite: replace the study in `output`.
        resume: go on with the study in `output`: trials that are complete stay, failed ones are tried again, and
            recipes, seeds or values may have been added.
        progress: told of every trial as it ends.
        command: how to reproduce it.
        executor: makes what runs so many trials at a time; by default processes on this machine.

    Returns:
        What it came to, which also lies in `results.json`, and as a page in `report.html`.

    Raises:
        RecipeError, DataError, RunError: nothing could be begun; all of them BudwoodError.

    >>> results = study("photos", "studies/first", recipes=["frozen-linear", "quick"])       # doctest: +SKIP
    """
    request = StudyRequest(
        data=data,
        output=output,
        recipes=recipes,
        backbones=backbones,
        grid=list(grid),
        sizes=sizes,
        seeds=seeds,
        folds=folds,
        search=search,
        settings=settings,
        weights=weights,
        test=test,
        keep_models=keep_models,
        overwrite=overwrite,
        resume=resume,
    )
    return run_study(
        request, jobs=jobs, progress=progress or choose_progress(), command=command, executor=executor
    )


def run_study(
    request: StudyRequest,
    *,
    jobs: int | None = None,
    progress: Progress,
    command: str | None = None,
    executor: Callable[[int], Executor] = LocalExecutor,
    room: Room = jobs_for,
) -> Results:
    """Do what is asked for, as many trials at a time as `room` says.

    For the other arguments, what is returned and what is raised, see `study`.
    """
    folder, search = StudyFolder(request.folder), request.search
    plan = plan_study(request, progress)
    # Of a study that is replaced nothing is known any more.
    known = folder if request.goes_on else StudyFolder(folder.path / "nothing")
    # Timed on this machine, for whoever is told.
    if progress is not SILENT and executor is LocalExecutor:
        with step(progress, "estimate"):
            found = workload(plan, known, jobs, Stopwatch(jobs, ESTIMATE_SECONDS, features=False))
        progress.say(summary(plan, found))
    began = time.perf_counter()
    with _own(folder.path, overwrite=request.overwrite):
        record = new_record(plan, command or f"budwood study {request.data} -o {folder.path}")
        searched = None
        if search is not None:
            searched = Search(folder.path, plan.grid, seeds=request.seeds, folds=request.folds)
        if request.goes_on:
            record = go_on_from(folder, record)
            if searched is not None:
                searched.go_on()
        folder.write(record)
        checked = plan.checked
        listed = tuple(photo for photo in checked.photos if search is None or photo.split != "test")
        folder.write_photos(
            PhotoTable(
                tuple(checked.classes), listed, CheckReport.model_validate(checked.to_json()), plan.task
            )
        )
        runner = Runner(
            folder, os.fspath(request.data), checked, executor, jobs, request.keep_models, progress, room
        )
        if searched is None or search is None:
            runner.run_all(plan.trials)
        else:
            record = Searching(searched, search, record, runner).run()
            searched.finish()
        seconds = round(time.perf_counter() - began, 3)
        folder.write(record.model_copy(update={"state": "complete", "finished": now(), "seconds": seconds}))
        results = read_results(folder.path)
        write_json(folder.path / "results.json", results.to_json())
        write_study_report(folder.path, results)
    return results


def plan_study(request: StudyRequest, progress: Progress) -> StudyPlan:
    """Return what a study would do, its photos checked and every split tried, and do nothing.

    For what is raised, see `study`. What is wrong with the request is said before a photo is read.
    """
    grid = request.read_grid()
    if request.search is not None:
        _refuse_bad_search(request.search, request.sizes)

    def combine() -> list[Combination]:
        return grid.combinations(request.sizes) if request.search is None else grid.check()

    given = combine()
    for one in given:
        refuse_impossible(one.recipe)
    _refuse_unless_free(request.folder, overwrite=request.overwrite, resume=request.resume)
    manifest = read_source(request.data, _read_alike([one.recipe for one in given]), progress=progress)
    for one in given:
        (refuse_for_multi_label if manifest.multi_label else refuse_for_single_label)(one.recipe)
    for line in understood_as_lines(manifest.understood()):
        progress.say(line)
    checked = check(
        manifest,
        max_unreadable=max(one.recipe.data.max_unreadable for one in given),
        min_photos=given[0].recipe.data.fewest,
        progress=progress,
    )
    if checked.values.range is not None and all(one.recipe.data.levels is None for one in given):
        # Decided once, so that all trials see the same pictures, and their features are shared.
        low, high = checked.values.range.low, checked.values.range.high
        grid = replace(grid, settings=[*grid.settings, f"data.range=[{low!r},{high!r}]"])
        given = combine()
    for line in checked.warnings:
        progress.say(line)
    trials, kind = plan_trials(given, checked.photos, seeds=list(request.seeds), folds=request.folds)
    for trial in trials:
        # Said before the first training, not after the last.
        divide(checked.photos, trial.recipe)
    for line in lacking(divide(checked.photos, trials[0].recipe), checked.classes):
        progress.say(line)
    return StudyPlan(request, grid, checked, trials, kind, task_of(manifest.multi_label).name)


def _read_alike(recipes: Sequence[Recipe]) -> Data:
    """Return the [data] by which the photos are listed, once for all trials. Raise RecipeError where recipes differ."""
    first = recipes[0].data
    for key in READ_ALIKE:
        if any(getattr(one.data, key) != getattr(first, key) for one in recipes):
            raise RecipeError(
                f"recipes of one study read the photos alike, and data.{key} differs. Give it once"
            )
    return first


def _refuse_unless_free(folder: Path, *, overwrite: bool, resume: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file. Give a directory that does not exist yet")
    content = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if not content:
        return
    others = sorted(name for name in content - OUR_FILES if not name.startswith("."))
    if "study.json" not in content or others:
        what = f"it holds {others[0]}" if others else "it holds no study.json"
        raise RunError(
            f"{folder} is not a study of Budwood ({what}), so it is left as it is. Give another directory"
        )
    if not (overwrite or resume):
        raise RunError(
            f"{folder} holds a study. Give --resume to go on with it, --overwrite to replace it, or another directory"
        )


def _refuse_bad_search(number: int, sizes: Sizes) -> None:
    if number < 1:
        raise RecipeError(
            f"--search {number}: give how many configurations are tried at most, such as --search 30"
        )
    if sizes:
        raise RecipeError(
            "--sizes and --search do not go together: with more photos everything is better. Search first, then give "
            "best.toml to a study with --sizes"
        )
    import_optuna()


@contextmanager
def _own(folder: Path, *, overwrite: bool) -> Iterator[None]:
    with lock(folder, "study"):
        if overwrite and folder.exists():
            for name in OUR_FILES:
                path = folder / name
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        try:
            (folder / "trials").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                f"cannot make the directory {folder}: {error.strerror}. Give one in a folder that you may write"
            ) from error
        yield
