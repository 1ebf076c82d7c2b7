"""The arithmetic of gradient steps: what a recipe's `precision` stands for on this machine."""

import keras

from budwood.config.learning import Finetune, Frozen
from budwood.config.recipe import Recipe
from budwood.core.notes import Note
from budwood.core.tensorflow import accelerators
from budwood.features.engines.graphs import has_bf16
from budwood.network.low_precision import Precision


def precision_of(settings: Frozen | Finetune) -> Precision:
    """Return the arithmetic of a phase's gradient steps on this machine; that of a head is always f32."""
    if isinstance(settings, Frozen) or settings.precision != "bf16" or _why_not():
        return "f32"
    return "bf16"


def with_precision(recipe: Recipe) -> tuple[Recipe, tuple[Note, ...]]:
    """Return a recipe with the arithmetic that phase 2 can have here, and a note where it is not what was asked for."""
    settings = recipe.finetune
    if not settings.epochs:
        return recipe, ()
    decided = precision_of(settings)
    notes: tuple[Note, ...] = ()
    if settings.precision == "bf16" != decided:
        notes = (Note(f"{_why_not()}: gradient steps are computed in f32", "precision"),)
    return _with(recipe, decided), notes


def with_fastest_precision(recipe: Recipe) -> Recipe:
    """Return a recipe with the arithmetic that is fastest here, where it leaves that open."""
    open_here = recipe.finetune.precision == "auto" and not _why_not()
    return _with(recipe, "bf16") if open_here else recipe


def _with(recipe: Recipe, precision: Precision) -> Recipe:
    return recipe.model_copy(update={"finetune": recipe.finetune.model_copy(update={"precision": precision})})


def _why_not() -> str:
    if keras.backend.backend() != "tensorflow":
        return "finetune.precision = bf16 needs TensorFlow as Keras's backend"
    if accelerators():
        return "finetune.precision = bf16 is for CPUs, and TensorFlow sees an accelerator"
    if not has_bf16():
        return "this CPU has no bf16 arithmetic"
    return ""
