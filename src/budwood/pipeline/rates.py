"""How fast this machine is: seconds of a photo and of a gradient step, measured on a few of either."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np

from budwood.config.recipe import Head, Recipe
from budwood.core.progress.base import SILENT, Progress
from budwood.data.images import ImageLike
from budwood.data.manifest import Photo
from budwood.evaluation.task import Task
from budwood.features.extract import stream
from budwood.features.extractor import FeatureExtractor
from budwood.network.compose import PooledBackbone
from budwood.network.fold_batch_norm import fold_batch_norm
from budwood.network.graph import cut
from budwood.network.heads import apply, head_layers
from budwood.network.unfreeze import Unfrozen, unfreeze
from budwood.pipeline.features import extractor
from budwood.training.precision import precision_of
from budwood.training.tracing import train_on_batch

TRIED = 32
"""Photos sent through a feature extractor."""
ROUNDS = 2
"""How often: what else the machine does meanwhile makes a round slower, and none faster."""


@dataclass(frozen=True)
class Rates:
    """Seconds of one backbone at one size on this machine."""

    build: float
    """To build it, with its weights."""
    convert: float
    """To make a graph of it for the engine."""
    decode: float
    """To decode one photo."""
    forward: float
    """To send one photo through the whole backbone."""
    lower: float = 0.0
    """To send one photo through the part below what phase 2 trains."""
    step: float = 0.0
    """To train on one photo for one gradient step."""
    trace: float = 0.0
    """To trace the graph in the first gradient step."""

    def scaled(self, work: float) -> "Rates":
        """Return the rates of a backbone or size that has so many times the arithmetic."""
        return replace(self, forward=self.forward * work, lower=self.lower * work, step=self.step * work)

    def of_layers(self, times: float) -> "Rates":
        """Return the rates of a backbone that has so many times the layers: they are made one by one."""
        return replace(self, build=self.build * times, convert=self.convert * times, trace=self.trace * times)


def with_head(
    network: PooledBackbone, recipe: Recipe, head: Head, num_classes: int, task: Task
) -> tuple[keras.Model, Unfrozen]:
    """Return a backbone with a new head, as phase 2 would train it, and what trains of it."""
    layers = head_layers(head, num_classes, recipe.seed, task.activation)
    model = keras.Model(network.model.input, apply(layers, network.model.output))
    return model, unfreeze(model, network.backbone, recipe.finetune)


def below(
    model: keras.Model, unfrozen: Unfrozen, recipe: Recipe, progress: Progress = SILENT
) -> FeatureExtractor:
    """Return what yields the features from which phase 2 trains; not open."""
    part = cut(model, unfrozen.boundary)[0]
    return extractor(part, recipe, recipe.backbone.precision, progress, dtype="float16")


def sample_of(photos: Sequence[Photo]) -> list[ImageLike]:
    """Return the pictures of a few photos, from all over them."""
    return [photo.image for photo in photos[:: max(1, len(photos) // TRIED)][:TRIED]]


def timed_step(model: keras.Model, unfrozen: Unfrozen, recipe: Recipe) -> tuple[float, float]:
    """Return the seconds of the first gradient step of phase 2, in which the graph is compiled, and of a later one.

    Both are of random features.
    """
    batch = recipe.finetune.batch_size
    trainable = fold_batch_norm(
        cut(model, unfrozen.boundary)[1], precision_of(recipe.finetune), unfrozen.held
    )
    trainable.compile(optimizer="sgd", loss="mean_squared_error")
    features = np.random.default_rng(0).random((batch, *trainable.input.shape[1:]), np.float32)
    width = trainable.output.shape[-1]
    targets, weights = np.eye(width, dtype=np.float32)[np.arange(batch) % width], np.ones(batch, np.float32)
    # Its layers are those of the model.
    before = trainable.get_weights()
    seconds = []
    # The second step is slow too.
    for _ in range(5):
        started = time.perf_counter()
        train_on_batch(trainable, features, targets, weights)
        seconds.append(time.perf_counter() - started)
    trainable.set_weights(before)
    return seconds[0] + seconds[1], min(seconds[2:])


def seconds_per_photo(features: FeatureExtractor, photos: Sequence[Photo]) -> float:
    """Return the seconds of decoding and feature extraction, measured on a few photos once the engine is warm."""
    sample = sample_of(photos)
    run_over(features, sample[:1])
    return best_of(lambda: run_over(features, sample)) / len(sample)


def run_over(features: FeatureExtractor, pictures: Sequence[ImageLike]) -> None:
    """Send pictures through a feature extractor, and forget what it yields."""
    for _ in stream(
        pictures, features.part, size=features.size, resize=features.resize, levels=features.levels
    ):
        pass


def best_of(measured: Callable[[], None]) -> float:
    """Return the seconds of the faster of some rounds."""
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        measured()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
