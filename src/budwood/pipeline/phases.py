"""The phases: a head on the features of the frozen backbone, then the upper layers of the backbone with it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from jaxtyping import Float, Float32, Int

from budwood.config.recipe import Recipe
from budwood.core.errors import RecipeError
from budwood.core.notes import TakesNotes, ignore
from budwood.core.progress.base import SILENT, Progress
from budwood.core.scaling import Scaling
from budwood.evaluation.task import MULTI_LABEL
from budwood.features.store.store import Rows
from budwood.network.graph import cut
from budwood.network.heads import (
    LOGITS,
    head_layers,
    head_model,
    linear_layers,
    refuse_bad_head,
    to_logits,
)
from budwood.network.unfreeze import Unfrozen
from budwood.runs.figures import LinearPath
from budwood.runs.metrics import label_paths, linear_path
from budwood.training.batches import TrainingData
from budwood.training.checkpoints import Row
from budwood.training.class_weights import refuse_unknown_classes
from budwood.training.label_probe import LabelsFit, fit_labels_as_asked
from budwood.training.linear_probe import LinearFit, resolve_fit
from budwood.training.loop import Before, Fitted, fit
from budwood.training.measured import Measured
from budwood.training.mirrored import devices_of
from budwood.training.optimizers import make_optimizer
from budwood.training.sharded_probe import OpenMap, fit_rows_as_asked, over_threads
from budwood.training.validation import validate


@dataclass(frozen=True)
class PhaseResult:
    """What a phase leaves behind."""

    layers: list[keras.layers.Layer]
    """The trained head, to be applied to the features one after another; of phase "finetune" it is in the model."""
    recipe: Recipe
    """The recipe with what the phase resolved."""
    history: list[Row]
    """A row an epoch; one for a linear probe, without a rate."""
    best_epoch: int
    seconds: float
    trainable_parameters: int
    scaling: Scaling
    """By which the logits of the weights that were kept are to be calibrated."""
    linear_path: LinearPath | None = None
    """The strengths tried and the one chosen, for a linear probe."""
    stopped: str | None = None
    """Why it ended before its last epoch, in words."""

    @property
    def best_val_loss(self) -> float:
        """Validation loss of the weights that were kept."""
        return min(row["val_loss"] for row in self.history)


def refuse_bad_settings(
    recipe: Recipe, photos: int, features: int, classes: Sequence[str], *, multi_label: bool = False
) -> None:
    """Raise RecipeError for an optimizer that does not exist or settings that do not go together, in either
    phase.

    Said before hours of features, not after.
    """
    refuse_bad_head(recipe.head, len(classes))
    refuse_unknown_classes(recipe.loss, classes)
    resolved = resolve_fit(recipe, photos, features, len(classes), multi_label=multi_label)[0]
    if resolved.distill.run and resolved.frozen.fit == "linear" and not resolved.finetune.epochs:
        raise RecipeError(
            "a linear probe learns from the labels alone, and there is no phase 2: the teacher (distill.run) would "
            "have no part. Give --set frozen.fit=gradient or --set finetune.epochs=10, or leave the teacher out"
        )
    if resolved.frozen.fit == "gradient":
        _refuse_cutmix_of_vectors(resolved)
        make_optimizer(resolved.frozen, steps_per_epoch=math.ceil(photos / resolved.frozen.batch_size))
    if resolved.finetune.epochs:
        make_optimizer(resolved.finetune, steps_per_epoch=math.ceil(photos / resolved.finetune.batch_size))
        devices_of(resolved.finetune)


def train_frozen_phase(
    recipe: Recipe,
    data: TrainingData,
    train: Rows | np.ndarray,
    train_labels: Int[np.ndarray, "n"] | Float32[np.ndarray, "n labels"],
    groups: Sequence[str | None] | None = None,
    weights: Float[np.ndarray, "n"] | None = None,
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    open_map: OpenMap = over_threads,
    progress: Progress = SILENT,
    note: TakesNotes = ignore,
) -> PhaseResult:
    """Train the head that the recipe asks for.

    Args:
        recipe: its [head], [loss], [distill] and [frozen] decide, and of [augment] the mixing.
        data: for gradient steps, vectors `(features,)` of the training photos and their views; for either fit those of
            the validation photos, and the classes.
        train, train_labels: for a linear probe, the vectors `(n, features)` of the views to learn from, and targets.
        groups: for a linear probe, which training photos belong together.
        weights: for a linear probe, how much the data say that each training photo counts, from 0 up.
        callbacks: of gradient steps, see `budwood.training.loop.fit`.
        open_map: for a linear probe that memory does not hold, what goes through the shards of its rows.
        progress: told of the stage "head" of a linear probe.
        note: told what the user should know, such as a linear probe that gave way to gradient steps.

    Raise RecipeError, DataError and RunError as `fit` and `fit_linear` do.
    """
    several = data.task.name == MULTI_LABEL.name
    resolved, reason = resolve_fit(recipe, len(train), train.shape[1], len(data.classes), multi_label=several)
    if reason:
        note(reason, "settings")
    if resolved.frozen.fit == "linear":
        if resolved.distill.run:
            note(
                "the linear probe of the head learns from the labels alone; phase 2 from the teacher too",
                "teacher",
            )
        found: LinearFit | LabelsFit
        if several:
            found = fit_labels_as_asked(
                *(resolved, train[:], train_labels, data.classes),
                groups=groups,
                weights=weights,
                progress=progress,
            )
        else:
            found = fit_rows_as_asked(
                *(resolved, train, train_labels, data.classes),
                groups=groups,
                weights=weights,
                open_map=open_map,
                progress=progress,
            )
        return _linear(resolved, data, train, train_labels, found)
    _refuse_cutmix_of_vectors(resolved)
    mixed = resolved
    if resolved.augment.cutmix:
        note("augment.cutmix needs height and width: it has no part in the training of the head", "settings")
        mixed = resolved.model_copy(update={"augment": resolved.augment.model_copy(update={"cutmix": 0.0})})
    layers = head_layers(resolved.head, len(data.classes), resolved.seed, data.task.activation)
    model = head_model(to_logits(layers), train.shape[1])
    return _of_gradient(fit(model, data, mixed, "frozen", callbacks=callbacks), layers, resolved, model, data)


def train_finetune_phase(
    recipe: Recipe,
    model: keras.Model,
    unfrozen: Unfrozen,
    data: TrainingData,
    before: Before,
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> PhaseResult:
    """Train what `unfreeze` made trainable of a flat model, which then holds the weights of the best epoch.

    Args:
        recipe: its [finetune], [loss] and [distill] decide, and of [augment] the mixing.
        model: raw pixels `(None, S, S, 3)` in, probabilities out, its head trained.
        unfrozen: what trains, and the boundary from which the features are.
        data: features at the boundary, of the training photos and their views and of the validation photos.
        before: what went before this phase.
        callbacks: see `budwood.training.loop.fit`.

    Raise RecipeError, DataError and RunError as `fit` does.
    """
    pixels_to_logits, _ = cut(model, LOGITS)
    _, trainable = cut(pixels_to_logits, unfrozen.boundary)
    rates = {name: recipe.finetune.depth_decay**depth for name, depth in unfrozen.depth.items()}
    fitted = fit(
        *(trainable, data, recipe, "finetune"),
        before=before,
        rates=rates,
        held=unfrozen.held,
        callbacks=callbacks,
    )
    return _of_gradient(fitted, [], recipe, trainable, data)


def _linear(
    recipe: Recipe,
    data: TrainingData,
    features: Rows | np.ndarray,
    labels: np.ndarray,
    found: LinearFit | LabelsFit,
) -> PhaseResult:
    layers = linear_layers(found, recipe.head, recipe.seed, data.task.activation)
    model = head_model(to_logits(layers), features.shape[1])
    validated = _validated(model, data)
    row: Row = {
        "epoch": 1,
        **validate(model, features, labels, task=data.task).row(prefix=""),
        **validated.row(),
    }
    path = linear_path(found) if isinstance(found, LinearFit) else label_paths(found, data.classes)
    parameters = _trainable_parameters(model)
    return PhaseResult(layers, recipe, [row], 1, found.seconds, parameters, _scaling(validated), path)


def _validated(model: keras.Model, data: TrainingData) -> Measured:
    return validate(model, data.validation, data.validation_labels, calibrate=True, task=data.task)


def _scaling(validated: Measured) -> Scaling:
    assert validated.scaling is not None, "asked to calibrate"
    return validated.scaling


def _of_gradient(
    fitted: Fitted, layers: list, recipe: Recipe, model: keras.Model, data: TrainingData
) -> PhaseResult:
    # A history has room for a temperature, not for the scaling of each label.
    best = min(fitted.history, key=lambda row: row["val_loss"])
    scaling = best["temperature"] if "temperature" in best else _scaling(_validated(model, data))
    return PhaseResult(
        layers,
        recipe,
        fitted.history,
        fitted.best_epoch,
        fitted.seconds,
        _trainable_parameters(model),
        scaling,
        stopped=fitted.stopped,
    )


def _trainable_parameters(model: keras.Model) -> int:
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def _refuse_cutmix_of_vectors(recipe: Recipe) -> None:
    """Refuse cutmix where there is no fine-tuning, in which it could have its part."""
    if recipe.augment.cutmix and not recipe.finetune.epochs:
        raise RecipeError(
            "augment.cutmix cuts rectangles, but a head is trained on features without height and width. "
            "Take augment.mixup, or fine-tune (finetune.epochs)"
        )
