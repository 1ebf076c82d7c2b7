"""The backbones of one training: built with their weights, and the features of the photos under each of them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from budwood.backbones.contract import Backbone
from budwood.features.cut import cut
from budwood.features.frozen import FrozenFeatures, with_pooling
from budwood.features.side_by_side import SideBySide
from budwood.progress import Progress
from budwood.recipe import Recipe
from budwood.training.compose import Trunk
from budwood.training.unfreeze import unfreeze


def build_trunks(recipe: Recipe, backbones: Sequence[Backbone], sizes: Sequence[int]) -> list[Trunk]:
    """The frozen backbones with their weights, down to one vector per photo."""
    settings = recipe.backbone
    trunks = []
    for backbone, size in zip(backbones, sizes, strict=True):
        weights = settings.weights_of(backbone.name)
        pixels = None if recipe.data.size == "auto" else recipe.data.size
        model = backbone.build(size, weights, recipe.seed, settings.drop_connect_rate, pixels)
        model.trainable = False
        trunks.append(Trunk(backbone, with_pooling(model, recipe.head.pooling)))
    return trunks


def find_boundaries(recipe: Recipe, trunks: Sequence[Trunk]) -> dict[str, str]:
    """Where each backbone that is to be fine-tuned will be cut in phase 2, by its name.

    Raises RecipeError where `finetune.unfreeze` asks for what a backbone does not have.
    """
    return {
        trunk.name: unfreeze(trunk.model, trunk.backbone, recipe.finetune).boundary
        for trunk in trunks
        if recipe.finetune.trains(trunk.name)
    }


@contextmanager
def open_features(
    trunks: Sequence[Trunk], recipe: Recipe, progress: Progress, boundaries: Mapping[str, str] = {}
) -> Iterator[tuple[SideBySide, SideBySide]]:
    """The features to train on and the features to measure with.

    What is measured is what is saved, so validation and test are computed at full precision always;
    `precision = "bf16"` holds for the training photos.

    Where phase 2 will want the plain views at a boundary lower down, by the backbone's name in `boundaries`, they are
    kept as they come by.
    """
    precisions = list(dict.fromkeys([recipe.backbone.precision, "f32"]))
    wants_plain = recipe.augment.views != "per-epoch" or recipe.augment.originals
    with ExitStack() as opened:

        def features_of(trunk: Trunk, precision: str) -> FrozenFeatures:
            settings: dict[str, Any] = {
                "size": trunk.model.input.shape[1],
                "resize": recipe.data.resize,
                "precision": precision,
                "engine": recipe.backbone.engine,
                "augment": recipe.augment,
                "seed": recipe.seed,
                "progress": progress,
            }
            lower = None
            # Phase 2 trains on, and validates with, features of the recipe's own precision.
            if trunk.name in boundaries and precision == precisions[0] and wants_plain:
                below = FrozenFeatures(
                    cut(trunk.model, boundaries[trunk.name])[0], dtype="float16", **settings
                )
                lower = None if below.is_pixels else opened.enter_context(below)
            return FrozenFeatures(trunk.model, lower=lower, **settings)

        found = [
            opened.enter_context(SideBySide([features_of(trunk, precision) for trunk in trunks]))
            for precision in precisions
        ]
        yield found[0], found[-1]
