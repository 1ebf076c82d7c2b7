"""A trial of a linear probe alone: stored features in, figures out, without Keras.

Importing TensorFlow takes longer than such a fit. What is measured is what `budwood train` measures, up to the last
bits; no model is saved, for `budwood train` with the trial's recipe makes it in seconds.
"""

import numpy as np

from budwood.backbones.registry import get_backbone
from budwood.config.recipe import Recipe
from budwood.core.errors import RunError
from budwood.core.system import versions
from budwood.data.augment import Renderer
from budwood.data.decoder.levels import as_range
from budwood.data.manifest import PARTS, Photo
from budwood.data.sources import source_name
from budwood.data.split import divide
from budwood.data.taxonomy import Taxonomy, fitted
from budwood.data.taxonomy_table import read_taxonomy
from budwood.evaluation.phases import KEPT, PhaseEvaluation
from budwood.evaluation.task import MULTI_LABEL, TASKS, Task
from budwood.evaluation.taxonomy import LabelTree
from budwood.features.fingerprint_cache import features_key
from budwood.features.store.store import FeatureStore
from budwood.runs.directory import RunDirectory
from budwood.runs.figures import TrainedPhase
from budwood.runs.metrics import describe, label_paths, linear_path
from budwood.runs.schema import DataInfo, FeaturesInfo, Request
from budwood.runs.writing import (
    with_own_table,
    write_check,
    write_history,
    write_linear_path,
    write_metrics,
    write_predictions,
    write_recipe,
    write_split,
    write_taxonomy,
)
from budwood.studies.records import StoredFeatures, StudyFolder
from budwood.studies.spec import TrialSpec
from budwood.training.label_probe import LabelsFit, fit_labels_as_asked
from budwood.training.linear_probe import LinearFit, fit_as_asked, resolve_fit
from budwood.training.measured import MEASURE
from budwood.training.probe_size import linear_fits


def is_linear(recipe: Recipe, photos: int, classes: int) -> bool:
    """Return whether a trial is one linear probe on the features of one backbone, in memory, and nothing else."""
    if len(recipe.backbone.names) > 1 or recipe.finetune.epochs or not recipe.frozen.epochs:
        return False
    if recipe.evaluate.flip or recipe.distill.run or recipe.backbone.precision != "f32":
        return False
    features = get_backbone(recipe.backbone.names[0]).features
    is_probe = resolve_fit(recipe, photos, features, classes)[0].frozen.fit == "linear"
    return is_probe and linear_fits(photos, features, classes)


def fit_and_evaluate(spec: TrialSpec) -> None:
    """Write the run directory of a trial: everything that a training writes but a model."""
    recipe, study, run = spec.recipe, StudyFolder(spec.study), spec.folder.run
    table = study.read_photos()
    classes, known = list(table.classes), study.read_features().get(features_key(recipe))
    if known is None:
        raise RunError("the features of this trial were not computed. Run the study again with --resume")
    photos = divide(tuple(photo for photo in table.photos if photo.name not in known.failed), recipe)
    source = source_name(spec.data)
    requested = Request(data=source, recipe=recipe.model_dump(mode="json", exclude_none=True))
    command, task = f"budwood train DATA --recipe {run / 'recipe.toml'}", TASKS[table.task]
    directory = RunDirectory(run, requested, command, task=task, saves_model=False)
    with directory.running(overwrite=True):
        run = directory.folder
        write_check(run, table.check)
        data = DataInfo(root_name=source, photos=len(photos), classes=table.classes)
        directory.record(split=write_split(run, photos), data=data, versions=versions())
        taxonomy = _taxonomy(recipe, classes)
        if taxonomy is not None:
            write_taxonomy(run, taxonomy)
        _fit_and_evaluate(directory, recipe, task, classes, photos, known, taxonomy)


def _taxonomy(recipe: Recipe, classes: list[str]) -> Taxonomy | None:
    """Return the tree of labels that the recipe names a table of."""
    title = recipe.data.taxonomy
    if not title:
        return None
    found = read_taxonomy(title)
    # A class of which the check left no photos is in the table all the same.
    return fitted(found.only(label for label in classes if label in found.parents), classes, title)


def _fit_and_evaluate(
    directory: RunDirectory,
    recipe: Recipe,
    task: Task,
    classes: list[str],
    photos: tuple[Photo, ...],
    known: StoredFeatures,
    taxonomy: Taxonomy | None = None,
) -> None:
    folder = directory.folder
    parts: dict[str, list[Photo]] = {
        split: [photo for photo in photos if photo.split == split] for split in PARTS
    }
    labels = {split: task.encode([p.label for p in part], classes) for split, part in parts.items()}
    with directory.stage("features"):
        renderer = Renderer(known.size, recipe.data.resize, levels=as_range(recipe.data.levels))
        with FeatureStore().open(known.fingerprint, (known.features,)) as table:
            rows = {
                split: table.gather([renderer.key(p.sha256, 0) for p in part])
                for split, part in parts.items()
                if part
            }
        stored = FeaturesInfo(computed=0, found=len(photos), fingerprint=known.fingerprint, engine=None)
        directory.record(features=stored)
    with directory.stage("head"):
        recipe, _ = resolve_fit(recipe, len(parts["train"]), known.features, len(classes))
        groups = [photo.group for photo in parts["train"]]
        weights = np.array([photo.weight for photo in parts["train"]])
        fit = fit_labels_as_asked if task.name == MULTI_LABEL.name else fit_as_asked
        found = fit(recipe, rows["train"], labels["train"], classes, groups=groups, weights=weights)
        logits = {split: part @ found.kernel + found.bias for split, part in rows.items()}
        learned = MEASURE[task.name](logits["train"], labels["train"], False)
        validated = MEASURE[task.name](logits["validation"], labels["validation"], True)
        assert validated.scaling is not None, "asked to calibrate"
        scaling = validated.scaling
        shares = {split: task.probabilities(logits[split], scaling) for split in KEPT if split in logits}
        task = task.decide(shares["validation"], labels["validation"], classes, recipe.evaluate.thresholds)
        write_recipe(folder, with_own_table(recipe))
        write_linear_path(
            folder, linear_path(found) if isinstance(found, LinearFit) else label_paths(found, classes)
        )
        row = {"phase": "frozen", "epoch": 1, **learned.row(prefix=""), **validated.row()}
        write_history(folder, [row])
    with directory.stage("evaluate"):
        measured = [photo for split in shares for photo in parts[split]]
        write_predictions(folder, classes, measured, np.concatenate(list(shares.values())), task)
        evaluations = {"frozen": PhaseEvaluation(shares, scaling, task)}
        phases = [_phase(found)]
        write_metrics(
            folder,
            describe(
                classes,
                labels,
                evaluations,
                phases,
                "frozen",
                recipe,
                parts=parts,
                tree=None if taxonomy is None or taxonomy.is_flat else LabelTree(taxonomy, tuple(classes)),
            ),
        )


def _phase(found: LinearFit | LabelsFit) -> TrainedPhase:
    return TrainedPhase(
        name="frozen",
        seconds=round(found.seconds, 3),
        epochs=1,
        best_epoch=1,
        trainable_parameters=found.kernel.size + found.bias.size,
        unfrozen_layers=(),
    )
