"""Phase "frozen": a head on the features of the frozen backbone, by a linear fit or by gradient steps."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import keras
import numpy as np
from jaxtyping import Int

from budwood.features.store import Rows
from budwood.progress import SILENT, Progress
from budwood.recipe import Recipe
from budwood.training.gradient import fit_gradient
from budwood.training.heads import apply, head_layers, head_model, linear_layers
from budwood.training.linear import fit_linear, linear_fits


@dataclass
class PhaseResult:
    """What a phase leaves behind."""

    layers: list[keras.layers.Layer]
    """The trained head, to be applied one after another to the features."""
    recipe: Recipe
    """The recipe with what the phase resolved."""
    history: list[dict[str, Any]]
    best_epoch: int
    seconds: float
    trainable_parameters: int
    linear_path: dict[str, Any] | None = field(default=None)


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
    """Trains the head that the recipe asks for on stored features.

    A linear fit that would need too much memory or time gives way to the gradient fit, and a note says so.
    """
    ...
