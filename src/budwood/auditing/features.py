"""The features that an audit looks at: those of the recipe's backbone from the store, computed where they are missing.

Where the store, or a converted graph, has what is needed, Keras is not loaded.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from budwood.config.recipe import Recipe
from budwood.core.progress.base import Progress
from budwood.core.tensorflow import load_keras
from budwood.data.decoder.levels import as_range
from budwood.data.manifest import Photo
from budwood.features import fingerprint_cache
from budwood.features.engines.engine import Engine
from budwood.features.extract import Extraction
from budwood.features.extractor import FeatureExtractor, KnownModel
from budwood.features.fingerprint_cache import KnownFeatures


@contextmanager
def audited_features(
    recipe: Recipe, photos: Sequence[Photo], progress: Progress
) -> Iterator[tuple[FeatureExtractor, Extraction]]:
    """Yield the open features of photos at full precision, and what had to be computed.

    Raise BackboneError, WeightsError and RecipeError where a network is needed and cannot be made.
    """
    found = _known(recipe, progress) or _built(recipe, progress)
    with found as opened:
        yield opened, opened.compute(photos)


def _known(recipe: Recipe, progress: Progress) -> FeatureExtractor | None:
    """Return the features of a backbone whose fingerprint was found before; None where it was not."""
    known = fingerprint_cache.read(recipe)
    if known is None:
        return None

    def engine() -> Any:
        kept = (
            None if recipe.backbone.engine == "keras" else Engine.kept(known.fingerprint, (known.features,))
        )
        return kept or _built(recipe, progress).part

    return FeatureExtractor(
        KnownModel(known.fingerprint, (known.features,), engine),
        size=known.size,
        resize=recipe.data.resize,
        levels=as_range(recipe.data.levels),
        progress=progress,
    )


def _built(recipe: Recipe, progress: Progress) -> FeatureExtractor:
    load_keras()
    from budwood.pipeline.features import extractor
    from budwood.pipeline.prepare import prepare_networks

    prepared = prepare_networks(recipe)
    found = extractor(prepared.networks[0].model, prepared.recipe, "f32", progress)
    fingerprint_cache.write(recipe, KnownFeatures(found.fingerprint, found.shape[0], found.size))
    return found
