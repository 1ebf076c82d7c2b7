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
    if isinstance(settings, Frozen) or settings.precision == "f32" or _why_not():
        return "f32"
    return "bf16"


def with_precision(recipe: Recipe) -> tuple[Recipe, tuple[Note, ...]]:
    """Return a recipe with the arithmetic that phase 2 can have here, and a note where it is not what was asked for."""
    settings = recipe.finetune
    if not settings.epochs or precision_of(settings) == settings.precision:
        return recipe, ()
    note = Note(f"{_why_not()}: gradient steps are computed in f32", "precision")
    decided = settings.model_copy(update={"precision": "f32"})
    return recipe.model_copy(update={"finetune": decided}), (note,)


def _why_not() -> str:
    if keras.backend.backend() != "tensorflow":
        return "finetune.precision = bf16 needs TensorFlow as Keras's backend"
    if accelerators():
        return "finetune.precision = bf16 is for CPUs, and TensorFlow sees an accelerator"
    if not has_bf16():
        return "this CPU has no bf16 arithmetic"
    return ""
