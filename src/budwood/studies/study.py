"""Many trainings compared: every trial in a process of its own, all of them on one feature store.

STUDY/study.json      state, what was asked, what varies
STUDY/photos.json     the photos as the check found them
STUDY/trials/         a run directory and a .json for each trial
STUDY/results.json    what it came to; for a search, see `studies.search`
STUDY/report.html     the same as a page
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from budwood._version import __version__
from budwood.backbones.registry import get_backbone
from budwood.config.recipe import Recipe
from budwood.core.errors import RecipeError, RunError, WeightsError
from budwood.core.files import read_json, write_json
from budwood.core.locks import lock
from budwood.core.progress import choose_progress
from budwood.core.progress.base import Progress
from budwood.core.system import versions
from budwood.data.check import Check, check
from budwood.data.manifest import Photo
from budwood.data.sources import read_source, source_name
from budwood.data.split import divide, lacking
from budwood.runs.directory import now
from budwood.runs.schema import CheckReport
from budwood.studies import compute_features as features
from budwood.studies import linear_trial as light
from budwood.studies.executor import Pool
from budwood.studies.plan import Trial, configurations, plan
from budwood.studies.prepare import compute_features, prepare
from budwood.studies.report.page import REPORT, write_study_report
from budwood.studies.results import Results, read_results
from budwood.studies.search import BEST, SEARCH, Search, Searching, import_optuna
from budwood.studies.space import read_space
from budwood.studies.trial import Place

OUR_FILES = {
    *("study.json", light.PHOTOS, light.FEATURES, features.WANTED),
    *("trials", "results.json", REPORT, "features.log", SEARCH, BEST),
}


def study(
    data: str | os.PathLike,
    output: str | os.PathLike,
    *,
    recipes: Sequence[str | Recipe],
    backbones: Sequence[str] = (),
    grid: Iterable[str] = (),
    sizes: Sequence[int | Literal["all"]] = (),
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
) -> Results:
    """Trains every combination of recipe, backbone, grid value, number of photos and seed, and compares them.

    Each trial is what `budwood train` does, in a process of its own; those of a linear fit alone need no Keras. A
    trial that fails is listed with its error, and the others go on.

    Args:
        data: a folder of labelled photos, or `tfds:NAME`.
        output: the study's directory.
        recipes, backbones, grid, sizes, settings, weights: see `studies.plan.configurations`.
        seeds: a random split for each; where the data bring train, validation and test, a seed of the training.
        folds: k-fold instead of random splits.
        search: so many configurations at most, which Optuna chooses, in place of every combination; a `grid` may then
            hold ranges, see `studies.space.read_space`. No test split is opened. `best.toml` is the recipe of the best.
        test: measure on test photos too; without, nothing but validation is looked at.
        jobs: trials at a time, the cores shared out; by default one for every two cores.
        keep_models: keep every trial's model, tens of megabytes each.
        overwrite: replace the study in `output`.
        resume: go on with the study in `output`: trials that are complete stay, failed ones are tried again, and
            recipes, seeds or values may have been added.
        progress: told of every trial as it ends.
        command: how to reproduce it.

    Returns:
        What it came to, which also lies in `results.json`, and as a page in `report.html`.

    Raises:
        RecipeError, DataError, RunError: nothing could be begun; all of them BudwoodError.

    >>> results = study("photos", "studies/first", recipes=["frozen-linear", "quick"])       # doctest: +SKIP
    """
    progress = progress or choose_progress()
    folder = Path(output)
    settings = [*settings, *([] if test and search is None else ["evaluate.test=false"])]
    space = None
    if search is None:
        given = configurations(
            recipes, backbones=backbones, grid=grid, sizes=sizes, settings=settings, weights=weights
        )
    else:
        _refuse_bad_search(search, sizes)
        space = read_space(recipes, backbones=backbones, grid=grid, settings=settings, weights=weights)
        given = space.check()
    _refuse_unless_free(folder, overwrite=overwrite, resume=resume)
    checked = check(
        read_source(data, progress=progress),
        max_bad=max(one.recipe.data.max_unreadable for one in given),
        progress=progress,
    )
    trials, replicate_kind = plan(given, checked.photos, seeds=list(seeds), folds=folds)
    for trial in trials:
        # Said before the first training, not after the last.
        divide(checked.photos, trial.recipe)
        _refuse_bad_backbones(trial.recipe)
    for line in lacking(divide(checked.photos, trials[0].recipe), checked.classes):
        progress.say(line)
    began = time.perf_counter()
    with _own(folder, overwrite=overwrite):
        info: dict[str, Any] = {
            "state": "running",
            "budwood": __version__,
            "command": command or f"budwood study {data} -o {folder}",
            "earlier_commands": [],
            "started": now(),
            "finished": None,
            "seconds": None,
            "versions": versions(),
            "data": source_name(data),
            "source": os.fspath(data),
            "test_is_given": any(photo.split == "test" for photo in checked.photos),
            "photos": _identity(checked.photos),
            "replicate_kind": replicate_kind,
            "search": search,
            "configurations": [],
            "trials": [],
        }
        if space is None:
            pairs = dict.fromkeys((t.configuration, _photos_of(t)) for t in trials)
            info["configurations"] = [{"name": name, "photos": number} for name, number in pairs]
            info["trials"] = [trial.name for trial in trials]
        searched = None if space is None else Search(folder, space, seeds=seeds, folds=folds)
        if resume and not overwrite:
            _go_on_from(folder, info)
            if searched is not None:
                searched.go_on()
        write_json(folder / "study.json", info)
        known = [photo for photo in checked.photos if space is None or photo.split != "test"]
        light.write_photos(folder, known, checked.classes, CheckReport.model_validate(checked.to_json()))
        pool = Pool(os.fspath(data), folder, jobs, keep_models, progress)
        if searched is None or search is None:
            _run_all(pool, trials, checked)
        else:
            Searching(searched, search, checked, info, pool).run()
            searched.finish()
        info |= {"finished": now(), "seconds": round(time.perf_counter() - began, 3)}
        write_json(folder / "study.json", {**info, "state": "complete"})
        results = read_results(folder)
        write_json(folder / "results.json", results.to_json())
        write_study_report(folder, results)
    return results


def _run_all(pool: Pool, trials: Sequence[Trial], checked: Check) -> None:
    """Trains what is not complete yet."""
    data, folder, progress = pool.data, pool.study, pool.progress
    todo = []
    for trial in trials:
        kind = prepare(folder, trial, checked)
        if kind is not None:
            todo.append((trial, kind))
    if not todo:
        progress.say("every trial that is asked for is complete: there is nothing to compute")
        return
    if len(todo) < len(trials):
        progress.say(f"{len(trials) - len(todo)} of {len(trials)} trials are complete already")
    wanted = [trial.recipe for trial, kind in todo if kind == "light"]
    failure = compute_features(data, folder, wanted) if wanted else None
    if failure:
        for trial, kind in todo:
            if kind == "light":
                Place(folder, trial.name).update(state="failed", error=failure)
        todo = [(trial, kind) for trial, kind in todo if kind != "light"]
    pool.run(todo)


def _photos_of(trial: Trial) -> int | None:
    number = trial.recipe.data.train_photos
    return None if number == "all" else number


def _identity(photos: Sequence[Photo]) -> str:
    rows = sorted((p.name, p.label, p.split or "", p.sha256) for p in photos)
    return hashlib.sha256(json.dumps(rows).encode("utf-8", "surrogateescape")).hexdigest()


def _refuse_unless_free(folder: Path, *, overwrite: bool, resume: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file. Give a directory that does not exist yet")
    content = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if not content:
        return
    foreign = sorted(name for name in content - OUR_FILES if not name.startswith("."))
    if "study.json" not in content or foreign:
        what = f"it holds {foreign[0]}" if foreign else "it holds no study.json"
        raise RunError(
            f"{folder} is not a study of Budwood ({what}), so it is left as it is. Give another directory"
        )
    if not (overwrite or resume):
        raise RunError(
            f"{folder} holds a study. Give --resume to go on with it, --overwrite to replace it, or another directory"
        )


def _refuse_bad_search(number: int, sizes: Sequence[int | str]) -> None:
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


def _refuse_bad_backbones(recipe: Recipe) -> None:
    for name in recipe.backbone.names:
        get_backbone(name)
        weights = recipe.backbone.weights_of(name)
        if weights not in ("imagenet", "random") and not Path(weights).is_file():
            raise WeightsError(f"there is no weights file {weights} for {name}. Give the path of one")


def _go_on_from(folder: Path, info: dict[str, Any]) -> None:
    """Takes the configurations and trials that the study knows already into `info`.

    Raises RunError where it was begun with other photos, or with replicates of another kind.
    """
    try:
        before = read_json(folder / "study.json")
        photos, replicate_kind = before["photos"], before["replicate_kind"]
        configurations, trials = before["configurations"], before["trials"]
        searched = before.get("search") is not None
    except (OSError, ValueError, KeyError, TypeError):
        return
    if photos != info["photos"]:
        raise RunError(
            f"the study in {folder} was begun with other photos, so its trials cannot stand beside new ones. "
            "Put the photos back, or give --overwrite or another directory"
        )
    if replicate_kind != info["replicate_kind"]:
        raise RunError(
            f"the study in {folder} has a {replicate_kind} for each trial, and this one would have a "
            f"{info['replicate_kind']}. Ask for the same, or give --overwrite or another directory"
        )
    if searched != (info["search"] is not None):
        raise RunError(
            f"{folder} holds a study {'with' if searched else 'without'} --search, and this one is "
            f"{'without' if searched else 'with'}. Ask for the same, or give another directory"
        )
    commands = [*before.get("earlier_commands", []), before.get("command")]
    info["earlier_commands"] = [one for one in commands if one and one != info["command"]]
    info["started"] = before.get("started", info["started"])
    info["configurations"] = [
        *configurations,
        *(one for one in info["configurations"] if one not in configurations),
    ]
    info["trials"] = [*trials, *(one for one in info["trials"] if one not in trials)]


@contextmanager
def _own(folder: Path, *, overwrite: bool):
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
