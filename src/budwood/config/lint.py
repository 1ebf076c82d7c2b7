"""What a user should hear of a recipe before it runs: settings that change nothing, and random weights that stay."""

from collections.abc import Iterator

from budwood.config.learning import Distill, Finetune, Frozen, Loss, Steps
from budwood.config.recipe import Augment, Backbone, Head, Recipe
from budwood.config.section import Section

TRANSFORMATIONS = set(Augment.model_fields) - {"views", "originals", "mixup", "cutmix", "rand_magnitude"}
"""The settings of [augment] that say what an augmented view shows."""
OF_GRADIENT_STEPS = set(Steps.model_fields)
OF_A_LINEAR_PROBE = {"l2_strengths", "folds", "views"}


def find_warnings(recipe: Recipe) -> list[str]:
    """Return a line for each reason why settings that differ from their defaults have no part in the
    training, and one where a part of the network would keep random weights.

    Args:
        recipe: with `frozen.fit` decided; while it is "auto", what depends on it is left out.

    >>> find_warnings(Recipe.from_dict({"augment": {"rotation": 0.1}, "frozen": {"fit": "gradient"}}))
    ['augment.rotation has no effect: augment.views = 0 draws no views; give augment.views = "per-epoch", or a number']
    """
    found: dict[str, list[str]] = {}
    for key, reason in _unused(recipe):
        found.setdefault(reason, []).append(key)
    lines = [
        f"{', '.join(keys)} {'has' if len(keys) == 1 else 'have'} no effect: {reason}"
        for reason, keys in found.items()
    ]
    if recipe.backbone.weights == "random" and not (
        recipe.finetune.epochs and recipe.finetune.unfreeze == "all" and recipe.finetune.parameters == "all"
    ):
        lines.append(
            'backbone.weights = "random": what is not unfrozen keeps random weights for good. To train from scratch, '
            'give finetune.unfreeze = "all", finetune.epochs and finetune.batch_norm = "train"'
        )
    plain = _changed("head", recipe.head, Head(), {"hidden", "batch_norm"})
    if plain and recipe.finetune.epochs and len(recipe.backbone.names) > 1:
        effect = "an effect in phase 1 alone" if recipe.frozen.epochs else "no effect"
        lines.append(
            f"{', '.join(plain)} {'has' if len(plain) == 1 else 'have'} {effect}: of several backbones each is "
            "fine-tuned with a linear head of its own"
        )
    return lines


def _unused(recipe: Recipe) -> Iterator[tuple[str, str]]:
    augment, frozen, finetune = recipe.augment, recipe.frozen, recipe.finetune
    draws = augment.views == "per-epoch" or augment.views > 1
    changes = _changed("augment", augment, Augment(), TRANSFORMATIONS)
    if not draws:
        why = f'augment.views = {augment.views} draws no views; give augment.views = "per-epoch", or a number'
        yield from ((key, why) for key in changes)
    elif not changes:
        yield "augment.views", "no change of the photos is asked for, such as augment.horizontal_flip = true"
    if not augment.rand_augment:
        why = "it is the strength of RandAugment, and augment.rand_augment = 0"
        yield from ((key, why) for key in _changed("augment", augment, Augment(), {"rand_magnitude"}))
    if not recipe.distill.run:
        why = "distill.run names no teacher"
        keys = set(Distill.model_fields) - {"run"}
        yield from ((key, why) for key in _changed("distill", recipe.distill, Distill(), keys))

    if not frozen.epochs:
        why = "frozen.epochs = 0, there is no phase 1"
        keys = set(Frozen.model_fields) - {"epochs", "fit"}
        yield from ((key, why) for key in _changed("frozen", frozen, Frozen(), keys))
    elif frozen.fit == "linear":
        why = 'phase 1 is a linear probe, which takes no gradient steps (frozen.fit = "gradient" does)'
        keys = OF_GRADIENT_STEPS - {"epochs"}
        yield from ((key, why) for key in _changed("frozen", frozen, Frozen(), keys))
        if frozen.l2_strengths != "auto" and len(frozen.l2_strengths) == 1:
            why = "there is one of frozen.l2_strengths, so that none is chosen"
            yield from ((key, why) for key in _changed("frozen", frozen, Frozen(), {"folds"}))
    elif frozen.fit == "gradient":
        why = "they belong to a linear probe, and frozen.fit is gradient"
        yield from ((key, why) for key in _changed("frozen", frozen, Frozen(), OF_A_LINEAR_PROBE))
    if not finetune.epochs:
        why = "finetune.epochs = 0, there is no phase 2"
        keys = set(Finetune.model_fields) - {"epochs"}
        yield from ((key, why) for key in _changed("finetune", finetune, Finetune(), keys))
        yield from (
            (key, why) for key in _changed("backbone", recipe.backbone, Backbone(), {"drop_connect_rate"})
        )
    for name, steps in (("frozen", frozen), ("finetune", finetune)):
        if steps.epochs and steps.schedule != "reduce_on_plateau" and _takes_steps(name, recipe):
            why = f'{name}.schedule is not "reduce_on_plateau"'
            keys = {"plateau_factor", "plateau_patience", "plateau_floor"}
            yield from ((key, why) for key in _changed(name, steps, type(steps)(), keys))

    if frozen.epochs and frozen.fit == "linear" and not finetune.epochs:
        why = (
            'a linear probe sees the original photos and their labels alone; phase 2 or frozen.fit = "gradient" has '
            "a use for it"
        )
        if draws and changes:
            yield "augment.views", why
            yield from ((key, why) for key in _changed("augment", augment, Augment(), {"originals"}))
        yield from ((key, why) for key in _changed("augment", augment, Augment(), {"mixup", "cutmix"}))
        yield from ((key, why) for key in _changed("head", recipe.head, Head(), {"dropout", "l2"}))
        keys = set(Loss.model_fields) - {"class_weights"}
        yield from ((key, why) for key in _changed("loss", recipe.loss, Loss(), keys))


def _takes_steps(phase: str, recipe: Recipe) -> bool:
    return phase == "finetune" or recipe.frozen.fit == "gradient"


def _changed(name: str, section: Section, defaults: Section, keys: set[str]) -> list[str]:
    """Those of the keys whose values are not the defaults, in the order of the section."""
    return [
        f"{name}.{key}"
        for key in type(section).model_fields
        if key in keys and getattr(section, key) != getattr(defaults, key)
    ]
