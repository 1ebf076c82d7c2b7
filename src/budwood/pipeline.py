"""The whole training on one page, top to bottom in the order in which data flow."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from jaxtyping import Int

from budwood import files
from budwood.backbones.registry import get_backbone
from budwood.data.check import Check, check
from budwood.data.images import view
from budwood.data.manifest import Photo, Problem
from budwood.data.sources import read_source
from budwood.data.split import assign_splits
from budwood.errors import RunError
from budwood.evaluation.metrics import compute_metrics
from budwood.features.extract import Extraction
from budwood.features.frozen import FrozenFeatures, with_pooling
from budwood.model import Artifact, load_artifact, save_artifact, versions
from budwood.progress import Progress, choose_progress
from budwood.recipe import Recipe
from budwood.records import write_data, write_history, write_predictions
from budwood.report.page import write_report
from budwood.run import Run
from budwood.rundir import RunDirectory, next_free
from budwood.training.heads import apply
from budwood.training.phase import PhaseResult, refuse_bad_settings, train_frozen_phase

SPLITS = ("train", "validation", "test")
MEASURED = ("validation", "test")


def train(
    data: str | os.PathLike,
    output: str | os.PathLike | None = None,
    *,
    recipe: str | os.PathLike | Recipe = "auto",
    settings: Iterable[str] = (),
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
    command: str | None = None,
) -> Run:
    """Trains a classifier on a folder of labelled photos and measures what was saved.

    Args:
        data: a folder of class folders, or one with `train/`, `validation/` and `test/` inside.
        output: the run directory; by default the next free `runs/NAME-N`.
        recipe: the name of a shipped recipe, a TOML file, or a Recipe.
        settings: `"section.key=value"` laid over the recipe, values in TOML.
        overwrite: replace the run that `output` holds.
        resume: go on with an interrupted run in `output`; what was computed is found in the store.
        progress: what to tell meanwhile; by default bars in a terminal and plain lines elsewhere.
        command: how to reproduce it, for the report.

    Returns:
        The complete run: `run.metrics`, `run.predict(...)`, `run.model`.

    Raises:
        RecipeError, DataError, BackboneError, WeightsError, StoreError, RunError: all of them BudwoodError.

    >>> run = train("photos", settings=["backbone.name=mobilenet_v2"])    # doctest: +SKIP
    """
    progress = progress or choose_progress()
    asked = (recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)).with_settings(settings)
    backbone = get_backbone(asked.backbone.name)
    name = Path(data).resolve().name or "run"
    folder = Path(output) if output is not None else next_free(Path("runs"), name)
    command = command or f"budwood train {data} -o {folder}"
    directory = RunDirectory(folder, {"data": name, "recipe": asked.model_dump()}, command, progress)
    directory.refuse_unless_free(overwrite=overwrite, resume=resume)

    with directory.stage("check"):
        checked, photos = read_photos(data, asked, progress)

    with directory.stage("backbone"):
        resolved, size = resolve(asked, backbone.size)
        base = backbone.build(size, resolved.backbone.weights, resolved.seed)
        base.trainable = False
        frozen = with_pooling(base, resolved.head.pooling)
        num_train = sum(photo.split == "train" for photo in photos)
        refuse_bad_settings(resolved, num_train, frozen.output.shape[-1], len(checked.classes))

    # Whatever was wrong with the request has been said by now, and nothing on disk has been touched.
    with directory.running(overwrite=overwrite, resume=resume):
        write_data(folder, checked, photos)

        with open_features(frozen, resolved, size, progress) as (training, measured):
            with directory.stage("features"):
                checked, photos, extraction = compute_features(checked, photos, training, measured)
                directory.info["split"] = write_data(folder, checked, photos)
                describe(directory, name, checked, photos, measured, extraction)
                for line in dict.fromkeys([*training.notes, *measured.notes]):
                    directory.note(line)
            parts = {split: [photo for photo in photos if photo.split == split] for split in SPLITS}
            labels = {split: label_indices(part, checked.classes) for split, part in parts.items()}

            with directory.stage("head"):
                phase = train_frozen_phase(
                    resolved,
                    training.rows(parts["train"]),
                    labels["train"],
                    measured.rows(parts["validation"]),
                    labels["validation"],
                    num_classes=len(checked.classes),
                    progress=progress,
                    note=directory.note,
                )
                write_phase(folder, phase)

            with directory.stage("save"):
                model = keras.Model(frozen.input, apply(phase.layers, frozen.output), name=backbone.name)
                save_artifact(
                    folder / "model",
                    model,
                    classes=checked.classes,
                    size=size,
                    resize=resolved.data.resize,
                    backbone=backbone.name,
                    fingerprint=measured.fingerprint,
                )
                artifact = load_artifact(folder / "model")
                refuse_changed_model(artifact, measured, photos, extraction)

            with directory.stage("evaluate"):
                opened = [split for split in MEASURED if parts[split]]
                shown = [photo for split in opened for photo in parts[split]]
                probabilities = {
                    split: artifact.probabilities(measured.rows(parts[split])) for split in opened
                }
                write_predictions(
                    folder, checked.classes, shown, np.concatenate(list(probabilities.values()))
                )
                write_metrics(folder, checked.classes, labels, probabilities, phase)

        with directory.stage("report"):
            directory.save()
            write_report(folder, {photo.name: photo.image for photo in photos})
    return Run(folder)


def read_photos(
    data: str | os.PathLike, recipe: Recipe, progress: Progress
) -> tuple[Check, tuple[Photo, ...]]:
    """What is usable in the data, and its photos with a split each."""
    checked = check(read_source(data), max_bad=recipe.data.max_bad, progress=progress)
    photos = assign_splits(
        checked.photos, shares=tuple(recipe.data.split), seed=recipe.split_seed, test=recipe.evaluate.test
    )
    if not recipe.evaluate.test:
        # Asked not to open a test split: one that the data bring is left closed.
        photos = tuple(photo for photo in photos if photo.split != "test")
    return checked, photos


def resolve(recipe: Recipe, native_size: int) -> tuple[Recipe, int]:
    """The recipe with what depends on the backbone filled in, and the side of its input in pixels."""
    size = native_size if recipe.data.size == "auto" else recipe.data.size
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"size": size})}), size


@contextmanager
def open_features(
    frozen: keras.Model, recipe: Recipe, size: int, progress: Progress
) -> Iterator[tuple[FrozenFeatures, FrozenFeatures]]:
    """The features to train on and the features to measure with.

    What is measured is what is saved, so validation and test are computed at full precision always;
    `precision = "bf16"` holds for the training photos.
    """

    def features(precision: str) -> FrozenFeatures:
        return FrozenFeatures(
            frozen,
            size=size,
            resize=recipe.data.resize,
            precision=precision,
            engine=recipe.backbone.engine,
            progress=progress,
        )

    with features("f32") as exact:
        if recipe.backbone.precision == "f32":
            yield exact, exact
        else:
            with features(recipe.backbone.precision) as fast:
                yield fast, exact


def compute_features(
    checked: Check,
    photos: Sequence[Photo],
    training: FrozenFeatures,
    measured: FrozenFeatures,
) -> tuple[Check, tuple[Photo, ...], Extraction]:
    """Computes what the store does not hold; a photo that fails is moved to the problems."""
    if training is measured:
        extraction = measured.compute(photos)
    else:
        extraction = training.compute([photo for photo in photos if photo.split == "train"])
        extraction += measured.compute([photo for photo in photos if photo.split != "train"])
    failed = extraction.failed
    problems = tuple(Problem(name, "unreadable", detail) for name, detail in failed.items())
    checked = replace(
        checked,
        photos=tuple(photo for photo in checked.photos if photo.name not in failed),
        problems=checked.problems + problems,
        num_bad=checked.num_bad + len(problems),
    )
    return checked, tuple(photo for photo in photos if photo.name not in failed), extraction


def describe(
    directory: RunDirectory,
    name: str,
    checked: Check,
    photos: Sequence[Photo],
    features: FrozenFeatures,
    extraction: Extraction,
) -> None:
    """What run.json tells of the data and of the frozen part."""
    directory.info["data"] = {"root_name": name, "photos": len(photos), "classes": list(checked.classes)}
    directory.info["features"] = {
        "computed": extraction.num_computed,
        "found": extraction.num_found,
        "fingerprint": features.fingerprint,
        "engine": features.part.engine if extraction.num_computed else None,
    }
    directory.info["versions"] = versions()


def label_indices(photos: Sequence[Photo], classes: Sequence[str]) -> Int[np.ndarray, "n"]:
    """The class of each photo as its place in `classes`."""
    places = {label: place for place, label in enumerate(classes)}
    return np.array([places[photo.label] for photo in photos], dtype=np.int64)


def refuse_changed_model(
    artifact: Artifact, features: FrozenFeatures, photos: Sequence[Photo], extraction: Extraction
) -> None:
    """Holds the model that was read back against the features that it is measured with.

    Its frozen part must be the one that they were computed by, to the last bit; where photos were computed,
    the whole model on pixels must give what its head gives on their features.
    """
    if artifact.features().fingerprint != features.fingerprint:
        raise RunError(
            "the model read back from disk is not the one that was saved. Please report this as a bug"
        )
    if not extraction.num_computed:
        return
    sample = photos[:: max(1, len(photos) // 4)][:4]
    pixels = np.stack([view(photo.image, artifact.size, artifact.resize) for photo in sample]).astype(
        np.float32
    )
    whole = keras.ops.convert_to_numpy(artifact.model(pixels, training=False))
    difference = float(np.abs(whole - artifact.probabilities(features.array(sample))).max())
    if difference > 1e-2:
        raise RunError(
            f"the saved model and the {features.part.engine} engine disagree by {difference:.2g} in a probability. "
            "Train with --set backbone.engine=keras, and please report this as a bug"
        )


def write_phase(folder: Path, phase: PhaseResult) -> None:
    """`recipe.toml`, `history.csv` and, for a linear fit, `linear_path.json`."""
    files.write_text(folder / "recipe.toml", phase.recipe.to_toml())
    write_history(folder, "frozen", phase.history)
    if phase.linear_path is not None:
        files.write_json(folder / "linear_path.json", phase.linear_path)


def write_metrics(
    folder: Path,
    classes: Sequence[str],
    labels: dict[str, np.ndarray],
    probabilities: dict[str, np.ndarray],
    phase: PhaseResult,
) -> None:
    """`metrics.json`: validation and test of the reloaded model, and what each phase gave."""
    settings = {"resamples": phase.recipe.evaluate.resamples, "seed": phase.recipe.seed}
    parts = {
        split: compute_metrics(labels[split], shares, classes, **settings)
        for split, shares in probabilities.items()
    }
    accuracy = {split: parts[split]["accuracy"] if split in parts else None for split in MEASURED}
    frozen: dict[str, Any] = {
        "name": "frozen",
        "seconds": round(phase.seconds, 3),
        "epochs": len(phase.history),
        "best_epoch": phase.best_epoch,
        "validation_accuracy": accuracy["validation"],
        "test_accuracy": accuracy["test"],
        "trainable_parameters": phase.trainable_parameters,
        "unfrozen_layers": [],
    }
    verdict: dict[str, Any] = dict.fromkeys(["difference", "interval", "p", "method", "n"])
    verdict["words"] = "Only the frozen phase was trained, so there is nothing to compare."
    files.write_json(
        folder / "metrics.json",
        {
            "validation": parts.get("validation"),
            "test": parts.get("test"),
            "phases": [frozen],
            "chosen_phase": "frozen",
            "verdict": verdict,
        },
    )
