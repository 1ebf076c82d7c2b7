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
    if isinstance(settings, Frozen) or settings.precision != "bf16" or _why_not(settings):
        return "f32"
    return "bf16"


def with_precision(recipe: Recipe) -> tuple[Recipe, tuple[Note, ...]]:
    """Return a recipe with the arithmetic that phase 2 can have here, and a note where it is not what was asked for."""
    settings = recipe.finetune
    if not settings.epochs or settings.precision != "bf16" or precision_of(settings) == "bf16":
        return recipe, ()
    note = Note(f"{_why_not(settings)}: gradient steps are computed in f32", "precision")
    return _with(recipe, "f32"), (note,)


def with_fastest_precision(recipe: Recipe) -> Recipe:
    """Return a recipe with bf16 where it leaves the arithmetic of phase 2 open and this machine has that."""
    settings = recipe.finetune
    if not settings.epochs or settings.precision != "auto" or _why_not(settings):
        return recipe
    return _with(recipe, "bf16")


def _with(recipe: Recipe, precision: Precision) -> Recipe:
    return recipe.model_copy(update={"finetune": recipe.finetune.model_copy(update={"precision": precision})})


def _why_not(settings: Finetune) -> str:
    if settings.batch_norm != "frozen":
        return 'finetune.precision = bf16 needs finetune.batch_norm = "frozen"'
    if settings.parameters != "all":
        return 'finetune.precision = bf16 needs finetune.parameters = "all"'
    if keras.backend.backend() != "tensorflow":
        return "finetune.precision = bf16 needs TensorFlow as Keras's backend"
    if accelerators():
        return "finetune.precision = bf16 is for CPUs, and TensorFlow sees an accelerator"
    if not has_bf16():
        return "this CPU has no bf16 arithmetic"
    return ""
