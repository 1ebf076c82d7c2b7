"""A trial of a linear fit alone: stored features in, figures out, without Keras.

Importing TensorFlow takes longer than such a fit. What is measured is what `budwood train` measures, up to the last
bits; no model is saved, for `budwood train` with the trial's recipe makes it in seconds.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from budwood.backbones.registry import get_backbone
from budwood.config.recipe import Recipe
from budwood.core.errors import RunError
from budwood.core.files import read_json, write_json
from budwood.data.augment import Renderer
from budwood.data.manifest import Photo
from budwood.data.split import SPLITS, divide
from budwood.evaluation.calibration import fit_temperature
from budwood.evaluation.phases import MEASURED, PhaseEvaluation
from budwood.features.store.store import FeatureStore
from budwood.runs.directory import RunDirectory
from budwood.runs.files import (
    write_check,
    write_history,
    write_linear_path,
    write_metrics,
    write_predictions,
    write_recipe,
    write_split,
)
from budwood.runs.metrics import describe
from budwood.runs.schema import (
    CheckReport,
    DataInfo,
    EpochRow,
    FeaturesInfo,
    LinearPath,
    Request,
    TrainedPhase,
)
from budwood.studies.trial import Place, die_with_parent, outcome, stay_on
from budwood.training.linear_probe import LinearFit, fit_as_asked, resolve_fit

PHOTOS, FEATURES = "photos.json", "features.json"


def is_light(recipe: Recipe, photos: int, classes: int) -> bool:
    """Whether a trial is one linear fit on the features of one backbone, and nothing else."""
    if len(recipe.backbone.names) > 1 or recipe.finetune.epochs or not recipe.frozen.epochs:
        return False
    if recipe.evaluate.flip or recipe.distill.run or recipe.backbone.precision != "f32":
        return False
    features = get_backbone(recipe.backbone.names[0]).features
    return resolve_fit(recipe, photos, features, classes)[0].frozen.fit == "linear"


def features_key(recipe: Recipe) -> str:
    """Equal for trials whose linear fits stand on the same features."""
    parts = (
        recipe.backbone.model_dump(),
        recipe.data.size,
        recipe.data.resize,
        recipe.head.pooling,
        recipe.seed,
    )
    # The seed matters to random weights alone.
    return json.dumps(parts if recipe.backbone.weights == "random" else parts[:-1], sort_keys=True)


def features_are_here(study: Path, known: dict[str, Any], recipe: Recipe) -> bool:
    """Whether the store holds what was computed for a recipe's linear trials."""
    found = known.get(features_key(recipe))
    if found is None:
        return False
    _, photos, _ = read_photos(study)
    renderer = Renderer(found["size"], recipe.data.resize)
    keys = [renderer.key(photo.sha256, 0) for photo in photos if photo.name not in found["failed"]]
    with FeatureStore().open(found["fingerprint"], (found["features"],)) as table:
        return not table.missing(keys)


def write_photos(study: Path, photos: Sequence[Photo], classes: Sequence[str], report: CheckReport) -> None:
    """What the trials of a study know of the photos."""
    rows = [[p.name, p.label, p.split, p.sha256, p.width, p.height, p.group] for p in photos]
    write_json(study / PHOTOS, {"classes": list(classes), "check": report.to_json(), "photos": rows})


def read_photos(study: Path) -> tuple[list[str], tuple[Photo, ...], CheckReport]:
    """Classes, photos (without their pixels), and what the check found."""
    found = read_json(study / PHOTOS)
    photos = tuple(
        Photo(b"", name, label, split, sha256, width, height, group)
        for name, label, split, sha256, width, height, group in found["photos"]
    )
    return found["classes"], photos, CheckReport.model_validate(found["check"])


def run(study: str, name: str, cores: list[int], settings: Mapping[str, str]) -> None:
    """One trial, in this process, which is a copy of one that knew other environment variables."""
    die_with_parent()
    stay_on(cores)
    os.environ.update(settings)
    place = Place(Path(study), name)
    with outcome(place):
        fit_and_measure(place)


def fit_and_measure(place: Place) -> None:
    """Write the run directory of a trial: everything that a training writes but a model."""
    recipe = Recipe.from_dict(place.read()["recipe"])
    classes, photos, report = read_photos(place.study)
    known = read_json(place.study / FEATURES).get(features_key(recipe))
    if known is None:
        raise RunError("the features of this trial were not computed. Run the study again with --resume")
    photos = tuple(photo for photo in photos if photo.name not in known["failed"])
    photos = divide(photos, recipe)
    source = read_json(place.study / "study.json")["data"]
    requested = Request(data=source, recipe=recipe.model_dump(mode="json", exclude_none=True))
    command = f"budwood train DATA --recipe {place.run / 'recipe.toml'}"
    directory = RunDirectory(place.run, requested, command, saves_model=False)
    with directory.running(overwrite=True):
        write_check(place.run, report)
        directory.record_split(write_split(place.run, photos))
        directory.record_data(DataInfo(root_name=source, photos=len(photos), classes=tuple(classes)))
        _fit_and_measure(directory, recipe, classes, photos, known)


def _fit_and_measure(
    directory: RunDirectory,
    recipe: Recipe,
    classes: list[str],
    photos: tuple[Photo, ...],
    known: Mapping[str, Any],
) -> None:
    folder = directory.folder
    parts = {split: [photo for photo in photos if photo.split == split] for split in SPLITS}
    numbers = {label: number for number, label in enumerate(classes)}
    labels = {split: np.array([numbers[p.label] for p in part]) for split, part in parts.items()}
    with directory.stage("features"):
        renderer = Renderer(known["size"], recipe.data.resize)
        with FeatureStore().open(known["fingerprint"], (known["features"],)) as table:
            rows = {
                split: table.gather([renderer.key(p.sha256, 0) for p in part])
                for split, part in parts.items()
                if part
            }
        directory.record_features(
            FeaturesInfo(computed=0, found=len(photos), fingerprint=known["fingerprint"], engine=None)
        )
    with directory.stage("head"):
        recipe, _ = resolve_fit(recipe, len(parts["train"]), known["features"], len(classes))
        found = fit_as_asked(recipe, rows["train"], labels["train"], classes)
        logits = {split: part @ found.kernel + found.bias for split, part in rows.items()}
        temperature = fit_temperature(logits["validation"].astype(np.float64), labels["validation"])
        shares = {split: _softmax(logits[split] / temperature) for split in MEASURED if split in logits}
        write_recipe(folder, recipe)
        write_linear_path(folder, LinearPath.model_validate(found.to_json()))
        row = EpochRow(
            phase="frozen",
            epoch=1,
            **_loss_and_accuracy("", _softmax(logits["train"]), labels["train"]),  # type: ignore[typeddict-item]
            **_loss_and_accuracy("val_", shares["validation"], labels["validation"]),  # type: ignore[typeddict-item]
            temperature=temperature,
        )
        write_history(folder, [row])
    with directory.stage("evaluate"):
        measured = [photo for split in shares for photo in parts[split]]
        write_predictions(folder, classes, measured, np.concatenate(list(shares.values())))
        evaluations = {"frozen": PhaseEvaluation(shares, temperature)}
        phases = [_phase(found)]
        write_metrics(folder, describe(classes, labels, evaluations, phases, "frozen", recipe))


def _phase(found: LinearFit) -> TrainedPhase:
    return TrainedPhase(
        name="frozen",
        seconds=round(found.seconds, 3),
        epochs=1,
        best_epoch=1,
        trainable_parameters=found.kernel.size + found.bias.size,
        unfrozen_layers=(),
    )


def _softmax(logits: Float[np.ndarray, "n classes"]) -> Float[np.ndarray, "n classes"]:
    from scipy.special import softmax

    return softmax(logits.astype(np.float64), axis=1)


def _loss_and_accuracy(prefix: str, shares: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    of_label = np.log(np.maximum(shares[np.arange(len(labels)), labels], np.finfo(np.float64).tiny))
    return {
        f"{prefix}loss": float(-of_label.mean()),
        f"{prefix}accuracy": float((shares.argmax(axis=1) == labels).mean()),
    }
