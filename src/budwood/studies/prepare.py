"""What has to be done before a trial can be started: its file, and the features that a linear one stands on."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from budwood.config.recipe import Recipe
from budwood.core.files import read_json, write_json
from budwood.data.check import Check
from budwood.data.split import divide
from budwood.studies import compute_features as features
from budwood.studies import linear_trial as light
from budwood.studies.fingerprint_cache import recall
from budwood.studies.plan import Trial
from budwood.studies.trial import Place, environment


def prepare(folder: Path, trial: Trial, checked: Check) -> str | None:
    """Writes down what is to be done; "light" or "full", or None where the trial is complete already."""
    place = Place(folder, trial.name)
    before, asked = place.read(), trial.recipe.model_dump(mode="json", exclude_none=True)
    same = before.get("recipe") == asked
    if same and before["state"] == "complete" and (place.run / "metrics.json").is_file():
        return None
    if not same:
        shutil.rmtree(place.run, ignore_errors=True)
    train = sum(photo.split == "train" for photo in divide(checked.photos, trial.recipe))
    kind = "light" if light.is_light(trial.recipe, train, len(checked.classes)) else "full"
    place.write(trial, kind)
    return kind


def compute_features(data: str, folder: Path, recipes: Sequence[Recipe]) -> str | None:
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
        [sys.executable, "-m", "budwood.studies.compute_features", data, os.fspath(folder)],
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
