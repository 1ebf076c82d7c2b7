"""The backbones of one training: built with their weights, and the features of the photos under each of them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from budwood.backbones.backbone import Backbone
from budwood.config.recipe import Recipe
from budwood.core.progress.base import Progress
from budwood.features.ensemble import ExtractorEnsemble
from budwood.features.extractor import FeatureExtractor, with_pooling
from budwood.network.compose import PooledBackbone
from budwood.network.graph import cut
from budwood.network.unfreeze import unfreeze


def build_backbones(
    recipe: Recipe, backbones: Sequence[Backbone], sizes: Sequence[int]
) -> list[PooledBackbone]:
    """The frozen backbones with their weights, down to one vector per photo."""
    settings = recipe.backbone
    networks = []
    for backbone, size in zip(backbones, sizes, strict=True):
        weights = settings.weights_of(backbone.name)
        pixels = None if recipe.data.size == "auto" else recipe.data.size
        model = backbone.build(size, weights, recipe.seed, settings.drop_connect_rate, pixels)
        model.trainable = False
        networks.append(PooledBackbone(backbone, with_pooling(model, recipe.head.pooling)))
    return networks


def find_boundaries(recipe: Recipe, networks: Sequence[PooledBackbone]) -> dict[str, str]:
    """Where each backbone that is to be fine-tuned will be cut in phase 2, by its name.

    Raises RecipeError where `finetune.unfreeze` asks for what a backbone does not have.
    """
    return {
        network.name: unfreeze(network.model, network.backbone, recipe.finetune).boundary
        for network in networks
        if recipe.finetune.trains(network.name)
    }


@contextmanager
def open_features(
    networks: Sequence[PooledBackbone],
    recipe: Recipe,
    progress: Progress,
    boundaries: Mapping[str, str] = {},
) -> Iterator[tuple[ExtractorEnsemble, ExtractorEnsemble]]:
    """The features to train on and the features to measure with.

    What is measured is what is saved, so validation and test are computed at full precision always;
    `precision = "bf16"` holds for the training photos.

    Where phase 2 will want the plain views at a boundary lower down, by the backbone's name in `boundaries`, they are
    kept as they come by.
    """
    precisions = list(dict.fromkeys([recipe.backbone.precision, "f32"]))
    wants_plain = recipe.augment.views != "per-epoch" or recipe.augment.originals
    with ExitStack() as opened:

        def features_of(network: PooledBackbone, precision: str) -> FeatureExtractor:
            settings: dict[str, Any] = {
                "size": network.model.input.shape[1],
                "resize": recipe.data.resize,
                "precision": precision,
                "engine": recipe.backbone.engine,
                "augment": recipe.augment,
                "seed": recipe.seed,
                "progress": progress,
            }
            lower = None
            # Phase 2 trains on, and validates with, features of the recipe's own precision.
            if network.name in boundaries and precision == precisions[0] and wants_plain:
                below = FeatureExtractor(
                    cut(network.model, boundaries[network.name])[0],
                    dtype="float16",
                    **settings,
                )
                lower = None if below.is_pixels else opened.enter_context(below)
            return FeatureExtractor(network.model, lower=lower, **settings)

        found = [
            opened.enter_context(ExtractorEnsemble([features_of(network, precision) for network in networks]))
            for precision in precisions
        ]
        yield found[0], found[-1]
