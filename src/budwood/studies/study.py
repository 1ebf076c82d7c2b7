"""Many trainings compared: every trial in a process of its own, all of them on one feature store.

STUDY/study.json      state, what was asked, what varies
STUDY/photos.json     the photos as the check found them
STUDY/trials/         a run directory and a .json for each trial
STUDY/results.json    what it came to
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from budwood import __version__
from budwood.backbones.registry import get_backbone
from budwood.data.check import Check, check
from budwood.data.manifest import Photo
from budwood.data.sources import read_source, source_name
from budwood.data.split import divide, lacking
from budwood.errors import RunError, WeightsError
from budwood.files import read_json, write_json
from budwood.progress import Progress, choose_progress
from budwood.recipe import Recipe
from budwood.rundir import lock
from budwood.studies import features, light
from budwood.studies.plan import Trial, configurations, plan
from budwood.studies.pool import Pool
from budwood.studies.remembered import recall
from budwood.studies.results import Results, read_results
from budwood.studies.trial import Place, environment

OUR_FILES = {
    *("study.json", light.PHOTOS, light.FEATURES, features.WANTED),
    *("trials", "results.json", "features.log"),
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
        test: measure on test photos too; without, nothing but validation is looked at.
        jobs: trials at a time, the cores shared out; by default one for every two cores.
        keep_models: keep every trial's model, tens of megabytes each.
        overwrite: replace the study in `output`.
        resume: go on with the study in `output`: trials that are complete stay, failed ones are tried again, and
            recipes, seeds or values may have been added.
        progress: told of every trial as it ends.
        command: how to reproduce it.

    Returns:
        What it came to, which also lies in `results.json`.

    Raises:
        RecipeError, DataError, RunError: nothing could be begun; all of them BudwoodError.

    >>> results = study("photos", "studies/first", recipes=["frozen-linear", "quick"])       # doctest: +SKIP
    """
    progress = progress or choose_progress()
    folder = Path(output)
    given = configurations(
        recipes,
        backbones=backbones,
        grid=grid,
        sizes=sizes,
        settings=[*settings, *([] if test else ["evaluate.test=false"])],
        weights=weights,
    )
    _refuse_unless_free(folder, overwrite=overwrite, resume=resume)
    checked = check(
        read_source(data, progress=progress),
        max_bad=max(one.recipe.data.max_bad for one in given),
        progress=progress,
    )
    trials, varied = plan(given, checked.photos, seeds=list(seeds), folds=folds)
    for trial in trials:
        # Said before the first training, not after the last.
        divide(checked.photos, trial.recipe)
        _refuse_bad_backbones(trial.recipe)
    for line in lacking(divide(checked.photos, trials[0].recipe), checked.classes):
        progress.say(line)
    with _own(folder, overwrite=overwrite):
        info: dict[str, Any] = {
            "state": "running",
            "budwood": __version__,
            "command": command or f"budwood study {data} -o {folder}",
            "data": source_name(data),
            "photos": _identity(checked.photos),
            "varied": varied,
            "configurations": [
                {"name": name, "photos": number}
                for name, number in dict.fromkeys((t.configuration, _photos_of(t)) for t in trials)
            ],
            "trials": [trial.name for trial in trials],
        }
        if resume and not overwrite:
            _go_on_from(folder, info)
        write_json(folder / "study.json", info)
        light.write_photos(folder, checked.photos, checked.classes, checked.to_json())
        _run_all(os.fspath(data), folder, trials, checked, jobs, keep_models, progress)
        write_json(folder / "study.json", {**info, "state": "complete"})
        results = read_results(folder)
        write_json(folder / "results.json", results.to_json())
    return results


def _run_all(
    data: str,
    folder: Path,
    trials: Sequence[Trial],
    checked: Check,
    jobs: int | None,
    keep_models: bool,
    progress: Progress,
) -> None:
    """Trains what is not complete yet."""
    todo = []
    for trial in trials:
        place = Place(folder, trial.name)
        before, asked = place.read(), trial.recipe.model_dump(mode="json", exclude_none=True)
        same = before.get("recipe") == asked
        if same and before["state"] == "complete" and (place.run / "metrics.json").is_file():
            continue
        if not same:
            shutil.rmtree(place.run, ignore_errors=True)
        train = sum(photo.split == "train" for photo in divide(checked.photos, trial.recipe))
        kind = "light" if light.is_light(trial.recipe, train, len(checked.classes)) else "full"
        place.write(trial, kind)
        todo.append((trial, kind))
    if not todo:
        progress.say("every trial is complete: there is nothing to compute")
        return
    if len(todo) < len(trials):
        progress.say(f"{len(trials) - len(todo)} of {len(trials)} trials are complete already")
    wanted = [trial.recipe for trial, kind in todo if kind == "light"]
    failure = _compute_features(data, folder, wanted) if wanted else None
    if failure:
        for trial, kind in todo:
            if kind == "light":
                Place(folder, trial.name).update(state="failed", error=failure)
        todo = [(trial, kind) for trial, kind in todo if kind != "light"]
    Pool(data, folder, jobs, keep_models, progress).run(todo)


def _compute_features(data: str, folder: Path, recipes: Sequence[Recipe]) -> str | None:
    """Features of the linear trials, by a process that has Keras; returns why there are none."""
    by_key = {light.features_key(recipe): recipe for recipe in recipes}
    known = read_json(folder / light.FEATURES) if (folder / light.FEATURES).is_file() else {}
    values = [recipe.model_dump(mode="json", exclude_none=True) for recipe in by_key.values()]
    write_json(folder / features.WANTED, values)
    for key, recipe in by_key.items():
        if key not in known and (found := recall(recipe)) is not None:
            known[key] = found
    if all(light.features_are_here(folder, known, recipe) for recipe in by_key.values()):
        write_json(folder / light.FEATURES, known)
        return None
    done = subprocess.run(
        [sys.executable, "-m", "budwood.studies.features", data, os.fspath(folder)],
        env=environment(os.environ),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return None
    try:
        return str(json.loads(done.stdout.strip().splitlines()[-1])["error"])
    except (ValueError, KeyError, IndexError, TypeError):
        return f"the process that computes features ended with status {done.returncode}"


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


def _refuse_bad_backbones(recipe: Recipe) -> None:
    for name in recipe.backbone.names:
        get_backbone(name)
        weights = recipe.backbone.weights_of(name)
        if weights not in ("imagenet", "random") and not Path(weights).is_file():
            raise WeightsError(f"there is no weights file {weights} for {name}. Give the path of one")


def _go_on_from(folder: Path, info: dict[str, Any]) -> None:
    """Takes the configurations and trials that the study knows already into `info`.

    Raises RunError where it was begun with other photos, or with units of another kind.
    """
    try:
        before = read_json(folder / "study.json")
        photos, varied = before["photos"], before["varied"]
        configurations, trials = before["configurations"], before["trials"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if photos != info["photos"]:
        raise RunError(
            f"the study in {folder} was begun with other photos, so its trials cannot stand beside new ones. "
            "Put the photos back, or give --overwrite or another directory"
        )
    if varied != info["varied"]:
        raise RunError(
            f"the study in {folder} has a {varied} for each trial, and this one would have a {info['varied']}. "
            "Ask for the same, or give --overwrite or another directory"
        )
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
