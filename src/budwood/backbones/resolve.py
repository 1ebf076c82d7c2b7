"""A recipe beside the backbones that it names: the sizes that follow, and what cannot be, before anything is read."""

from collections.abc import Sequence

from budwood.backbones.backbone import Backbone
from budwood.backbones.registry import get_backbone
from budwood.backbones.weights import given_file
from budwood.config.recipe import Recipe
from budwood.core.errors import RecipeError


def resolve(recipe: Recipe, backbones: Sequence[Backbone]) -> tuple[Recipe, list[int]]:
    """Return the recipe with what depends on the backbones filled in, and the side of each one's own input in pixels.

    Raise RecipeError where a backbone would see more pixels than there are.
    """
    side = recipe.data.size
    sizes = [
        size or (backbone.size if side == "auto" else side)
        for (_, size), backbone in zip(recipe.backbone.sized, backbones, strict=True)
    ]
    largest = max(sizes)
    pixels = largest if side == "auto" else side
    if largest > pixels:
        name = backbones[sizes.index(largest)].name
        raise RecipeError(
            f"{name}@{largest} sees {largest} px, but data.size = {pixels} makes pictures smaller than that. "
            f'Give --set data.size={largest}, or leave it at "auto"'
        )
    names = [f"{backbone.name}@{size}" for backbone, size in zip(backbones, sizes, strict=True)]
    if len(names) == 1:
        names = [backbones[0].name] if sizes[0] == pixels else names
    resolved = {
        "data": recipe.data.model_copy(update={"size": pixels}),
        "backbone": recipe.backbone.model_copy(update={"name": names if len(names) > 1 else names[0]}),
    }
    return recipe.model_copy(update=resolved), sizes


def refuse_impossible(recipe: Recipe) -> None:
    """Refuse what can be seen from the recipe alone to be impossible; reads no photo and loads no TensorFlow.

    For a training that begins with a backbone. One that is initialised from a run takes sizes and weights from there.

    Raises:
        RecipeError: neither phase is to be trained, or a backbone would see more pixels than there are.
        BackboneError: an unknown backbone, a size that it cannot take, or stochastic depth that it does not have.
        WeightsError: a weights file that is not there.

    >>> refuse_impossible(Recipe.load("best").with_settings(["data.size=128"]))
    Traceback (most recent call last):
    budwood.core.errors.RecipeError: efficientnet_lite2@260 sees 260 px, but data.size = 128 makes pictures smaller ...
    """
    if not recipe.frozen.epochs and not recipe.finetune.epochs:
        raise RecipeError(
            "there is no phase 1 (frozen.epochs = 0), and the recipe has no phase 2. "
            "Give --set finetune.epochs=10, or a recipe that fine-tunes"
        )
    backbones = [get_backbone(name) for name in recipe.backbone.names]
    _, sizes = resolve(recipe, backbones)
    for backbone, size in zip(backbones, sizes, strict=True):
        backbone.refuse_impossible(size, recipe.backbone.drop_connect_rate)
        given_file(recipe.backbone.weights_of(backbone.name))
