"""Phase "frozen": a head on the features of the frozen backbone, by a linear fit or by gradient steps."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
from jaxtyping import Int

from budwood.features.store import Rows
from budwood.progress import SILENT, Progress
from budwood.recipe import Recipe
from budwood.training.gradient import fit_gradient, make_optimizer
from budwood.training.heads import head_layers, head_model, linear_layers
from budwood.training.linear import fit_linear, linear_fits


@dataclass(frozen=True)
class PhaseResult:
    """What a phase leaves behind."""

    layers: list[keras.layers.Layer]
    """The trained head, to be applied to the features one after another."""
    recipe: Recipe
    """The recipe with what the phase resolved."""
    history: list[dict[str, Any]]
    best_epoch: int
    seconds: float
    linear_path: dict[str, Any] | None = None
    """The strengths tried and the one chosen, for a linear fit."""

    @property
    def trainable_parameters(self) -> int:
        return sum(int(np.prod(weight.shape)) for layer in self.layers for weight in layer.trainable_weights)


def resolve_fit(recipe: Recipe, photos: int, features: int, classes: int) -> tuple[Recipe, str | None]:
    """The recipe with `frozen.fit` decided, and a line that says why where the user could be surprised.

    A linear fit that would need too much memory or time gives way to the gradient fit.
    """
    head, fit, reason = recipe.head, recipe.frozen.fit, None
    if fit == "auto":
        fit = "gradient" if head.hidden or head.batch_norm or head.dropout else "linear"
    if fit == "linear" and not linear_fits(photos, features, classes):
        fit = "gradient"
        reason = (
            f"{photos:,} photos x {features:,} features x {classes:,} classes are too many for the linear fit: "
            "the head is trained by gradient steps instead"
        )
    return recipe.model_copy(update={"frozen": recipe.frozen.model_copy(update={"fit": fit})}), reason


def refuse_bad_settings(recipe: Recipe, photos: int, features: int, classes: int) -> None:
    """Raises RecipeError for an optimizer that does not exist or settings that do not go together.

    Said before hours of features, not after.
    """
    settings = resolve_fit(recipe, photos, features, classes)[0].frozen
    if settings.fit == "gradient":
        make_optimizer(settings, steps_per_epoch=math.ceil(photos / settings.batch_size))


def train_frozen_phase(
    recipe: Recipe,
    train: Rows,
    train_labels: Int[np.ndarray, "n"],
    validation: Rows,
    validation_labels: Int[np.ndarray, "m"],
    *,
    num_classes: int,
    progress: Progress = SILENT,
    note: Callable[[str], None] = lambda line: None,
) -> PhaseResult:
    """Trains the head that the recipe asks for on stored features `(n, features)` and labels in [0, num_classes).

    `note` is told what the user should know, such as a linear fit that gave way to the gradient fit.
    """
    recipe, reason = resolve_fit(recipe, len(train), train.shape[1], num_classes)
    if reason:
        note(reason)
    fit = _linear if recipe.frozen.fit == "linear" else _gradient
    return fit(recipe, train, train_labels, validation, validation_labels, num_classes, progress)


def _linear(recipe, train, train_labels, validation, validation_labels, num_classes, progress) -> PhaseResult:
    settings = recipe.frozen
    features = train[:]
    fit = fit_linear(
        features,
        train_labels,
        num_classes,
        strengths=settings.strengths,
        folds=settings.folds,
        seed=recipe.seed,
        progress=progress,
    )
    layers = linear_layers(fit)
    row = {"epoch": 1, "seconds": round(fit.seconds, 3)}
    row["loss"], row["accuracy"] = _quality(layers, features, train_labels)
    row["val_loss"], row["val_accuracy"] = _quality(layers, validation[:], validation_labels)
    path = {"chosen": fit.strength, "path": [asdict(point) for point in fit.path]}
    return PhaseResult(layers, recipe, [row], 1, fit.seconds, path)


def _gradient(
    recipe, train, train_labels, validation, validation_labels, num_classes, progress
) -> PhaseResult:
    layers = head_layers(recipe.head, num_classes, recipe.seed)
    head = head_model(layers, train.shape[1])
    fit = fit_gradient(
        head,
        train,
        train_labels,
        validation,
        validation_labels,
        recipe.frozen,
        seed=recipe.seed,
        progress=progress,
    )
    return PhaseResult(layers, recipe, fit.history, fit.best_epoch, fit.seconds)


def _quality(layers, features, labels) -> tuple[float, float]:
    """Mean negative log-likelihood and accuracy of a head on features in memory."""
    shares = keras.ops.convert_to_numpy(head_model(layers, features.shape[1])(features, training=False))
    likelihood = shares[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(likelihood, 1e-15)).mean()), float(
        (shares.argmax(axis=1) == labels).mean()
    )
