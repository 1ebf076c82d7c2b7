"""The backbones of one training: built with their weights, and the features of the photos under each of them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import keras
import numpy as np

from budwood.backbones.backbone import Backbone
from budwood.backbones.input_range import check_input_range
from budwood.config.recipe import Recipe
from budwood.core.errors import RecipeError
from budwood.core.notes import Note
from budwood.core.progress.base import SILENT, Progress
from budwood.core.tensorflow import usual_keras
from budwood.data.check import Check
from budwood.data.decoder.levels import as_range
from budwood.data.images import view
from budwood.data.manifest import Photo, Problem
from budwood.features.ensemble import ExtractorEnsemble
from budwood.features.extract import Extraction
from budwood.features.extractor import FeatureExtractor, KnownModel, with_pooling
from budwood.network.compose import PooledBackbone
from budwood.network.graph import cut
from budwood.network.unfreeze import unfreeze
from budwood.runs.schema import FeaturesInfo, InputRangeInfo

CHECKED_VIEWS = 64
"""Photos on which the input range is checked."""


@dataclass(frozen=True)
class OpenFeatures:
    """The open features of all backbones."""

    training: ExtractorEnsemble
    """At the recipe's precision: what is trained on."""
    exact: ExtractorEnsemble
    """At full precision: what is measured with; the same object where that is the recipe's."""

    @property
    def notes(self) -> list[Note]:
        """Return what a user should know of them."""
        return list(dict.fromkeys([*self.training.notes, *self.exact.notes]))

    def compute(self, photos: Sequence[Photo], *, claimed: bool = False) -> Extraction:
        """Compute what the store does not hold; see `FeatureExtractor.compute` for `claimed`."""
        found = Extraction()
        for part, own in self.parts(photos):
            found += part.compute(own, claimed=claimed)
        return found

    def lacking(self, photos: Sequence[Photo]) -> list[Photo]:
        """Return the photos of which the store lacks features, one of each content."""
        return [photo for part, own in self.parts(photos) for photo in part.lacking(own)]

    @property
    def shares(self) -> bool:
        """Return whether claims hold for all machines: the shared store answers, or there is none."""
        return self.training.shares and self.exact.shares

    @contextmanager
    def claim(self, photos: Sequence[Photo], most: int) -> Iterator[list[Photo]]:
        """Claim at most so many photos (of each precision) that are lacking for the time of a `with`; yields those
        that no other process computes now."""
        with ExitStack() as claims:
            yield [
                photo
                for part, own in self.parts(photos)
                for photo in claims.enter_context(part.claim(own, most))
            ]

    def parts(self, photos: Sequence[Photo]) -> list[tuple[ExtractorEnsemble, Sequence[Photo]]]:
        """Return the features of each precision, and the photos of which they are wanted."""
        if self.training is self.exact:
            return [(self.exact, photos)]
        return [
            (self.training, [photo for photo in photos if photo.split == "train"]),
            (self.exact, [photo for photo in photos if photo.split != "train"]),
        ]

    def flush(self) -> None:
        """Write what was computed, so that it outlives this process."""
        for part in dict.fromkeys([*self.training.parts, *self.exact.parts]):
            part.flush()

    def info(self, extraction: Extraction) -> FeaturesInfo:
        """Return what run.json says of them, of what was computed now."""
        engine = self.exact.part.engine if extraction.num_computed else None
        return FeaturesInfo(
            computed=extraction.num_computed,
            found=extraction.num_found,
            fingerprint=self.exact.fingerprint,
            engine=engine,
        )


def build_backbones(
    recipe: Recipe, backbones: Sequence[Backbone], sizes: Sequence[int]
) -> list[PooledBackbone]:
    """Return the backbones with their weights, frozen, down to one vector a photo."""
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
    """Return where each backbone that is to be fine-tuned will be cut in phase 2, by its name.

    Raise RecipeError where `finetune.unfreeze` asks for what a backbone does not have.
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
    *,
    fetch: bool = True,
    rounded: Mapping[str, KnownModel] = {},
) -> Iterator[OpenFeatures]:
    """Open the features to train on and the features to measure with.

    What is measured is what is saved, so validation and test are computed at full precision always;
    `precision = "bf16"` and "int8" hold for the training photos. The backbones that are int8 are `rounded`, by name;
    the others are at full precision.

    Where phase 2 will want the original views at a boundary lower down, by the backbone's name in `boundaries`, they
    are kept as they come by. Without `fetch` features are computed for others: what a shared store holds stays there.
    """
    precisions = list(dict.fromkeys([recipe.backbone.precision, "f32"]))
    wants_plain = recipe.augment.views != "per-epoch" or recipe.augment.originals
    with ExitStack() as opened:

        def features_of(network: PooledBackbone, precision: str) -> FeatureExtractor:
            if precision == "int8":
                size, model = network.model.input.shape[1], rounded.get(network.name, network.model)
                return extractor(model, recipe, "f32", progress, fetch=fetch, size=size)
            lower = None
            # Phase 2 trains on, and validates with, features of the recipe's own precision.
            if network.name in boundaries and precision == precisions[0] and wants_plain:
                part, _ = cut(network.model, boundaries[network.name])
                below = extractor(part, recipe, precision, progress, dtype="float16", fetch=fetch)
                lower = None if below.is_pixels else opened.enter_context(below)
            return extractor(network.model, recipe, precision, progress, lower=lower, fetch=fetch)

        found = [
            opened.enter_context(ExtractorEnsemble([features_of(network, precision) for network in networks]))
            for precision in precisions
        ]
        yield OpenFeatures(found[0], found[-1])


@usual_keras()
def extractor(
    model: keras.Model | KnownModel,
    recipe: Recipe,
    precision: str,
    progress: Progress = SILENT,
    *,
    dtype: str = "float32",
    lower: FeatureExtractor | None = None,
    fetch: bool = True,
    size: int | None = None,
) -> FeatureExtractor:
    """Return what yields the features of a model as a recipe has photos read, drawn and computed; not open.

    For `dtype`, `lower` and `fetch`, see `FeatureExtractor`; `size` is that of the model by default.

    Raises:
        RecipeError: for "int8", which a training alone makes of a backbone (`pipeline.int8_features`).
    """
    if precision == "int8":
        raise RecipeError(
            'backbone.precision = "int8" is for budwood train and budwood features on one machine. Say "f32" or "bf16"'
        )
    if size is None:
        assert not isinstance(model, KnownModel), "of which the size has to be given"
        size = model.input.shape[1]
    return FeatureExtractor(
        model,
        size=size,
        resize=recipe.data.resize,
        levels=as_range(recipe.data.levels),
        precision=precision,
        engine=recipe.backbone.engine,
        dtype=dtype,
        augment=recipe.augment,
        seed=recipe.seed,
        lower=lower,
        fetch=fetch,
        progress=progress,
    )


def move_failed(
    checked: Check, photos: Sequence[Photo], extraction: Extraction
) -> tuple[Check, tuple[Photo, ...]]:
    """Return check and photos without the photos whose features could not be computed: they are problems now."""
    failed = extraction.failed
    problems = tuple(Problem(name, "unreadable", detail) for name, detail in failed.items())
    checked = replace(
        checked,
        photos=tuple(photo for photo in checked.photos if photo.name not in failed),
        problems=checked.problems + problems,
        num_unreadable=checked.num_unreadable + len(problems),
    )
    return checked, tuple(photo for photo in photos if photo.name not in failed)


def input_ranges(
    networks: Sequence[PooledBackbone], recipe: Recipe, photos: Sequence[Photo]
) -> tuple[InputRangeInfo | dict[str, InputRangeInfo] | None, list[Note]]:
    """Return in which range some photos look as if they came to the first layers of a backbone, of several by its name,
    and a note for each that seems to get them in the wrong one. Random weights say nothing of it."""
    pretrained = [one for one in networks if recipe.backbone.weights_of(one.name) != "random"]
    if not pretrained:
        return None, []
    size = networks[0].model.input.shape[1]
    sample = photos[:: max(1, len(photos) // CHECKED_VIEWS)][:CHECKED_VIEWS]
    levels = as_range(recipe.data.levels)
    views = np.stack([view(photo.image, size, recipe.data.resize, levels) for photo in sample])
    found, notes = {}, []
    for network in pretrained:
        checked = check_input_range(network.model, views)
        found[network.name] = InputRangeInfo(likely=checked.likely, suspicious=checked.suspicious)
        if checked.suspicious:
            text = f"{network.name}: {checked.words}" if len(networks) > 1 else checked.words
            notes.append(Note(text, "input_range"))
    return found if len(found) > 1 else next(iter(found.values())), notes
