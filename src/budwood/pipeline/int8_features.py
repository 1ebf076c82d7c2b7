"""int8 features of training photos: tried on some, and taken where they are faster and the head loses nothing.

Validation and test photos are measured at full precision, and so is the model that is saved. The head therefore learns
from int8 features and is asked with those of f32, in the trial as later.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from budwood.config.recipe import Recipe
from budwood.core.cache import GRAPHS, cache_dir
from budwood.core.errors import RecipeError
from budwood.core.notes import Note
from budwood.core.progress.base import SILENT, Progress
from budwood.core.text import count
from budwood.data.images import view
from budwood.data.manifest import Photo
from budwood.evaluation.task import MULTI_LABEL, Task
from budwood.features.engines.engine import Engine, choose_engine
from budwood.features.engines.graphs import read_kept
from budwood.features.engines.int8 import calibration_key, quantize
from budwood.features.extractor import FeatureExtractor, KnownModel
from budwood.network.compose import PooledBackbone
from budwood.network.graph import fingerprint
from budwood.pipeline.features import extractor
from budwood.training.cross_validation import assign_folds
from budwood.training.linear_probe import fit_linear

FEWEST = 15_000
"""Training photos below which the trial takes longer than int8 saves. Measured: 17 s, beside 1.5 ms a photo."""
TRIED, TRIED_OF_A_CLASS = 1_000, 5
"""Photos of the trial, in all and in the mean of a class."""
CALIBRATED_ON = 100
"""Of these, the photos that the ranges of values are taken from."""
TIMED = 128
"""Of these, the photos on which both are timed, in turns."""
ROUNDS = 3
FASTER, MOST_LOST = 1.5, 0.002
"""How many times as fast as f32 int8 has to be, and the share of right answers that the head may lose by it."""

Pictures = Sequence[UInt8[np.ndarray, "size size 3"]]


@dataclass(frozen=True)
class Trial:
    """What int8 came to with one backbone, on a sample of the training photos."""

    photos: int
    faster: float
    """How many times as fast as f32, without the decoding of photos."""
    lost: float
    """Of the photos, the share that the head gets right by learning from f32 features alone; of both, asked with f32
    ones, on the same folds. Negative where int8 gets more right."""

    @property
    def is_good(self) -> bool:
        """Return whether int8 is taken."""
        return self.faster >= FASTER and self.lost <= MOST_LOST + 1e-9

    @property
    def words(self) -> str:
        """Return the figures in words.

        >>> Trial(1000, 1.93, 0.001).words
        '1.9 times as fast, 0.1 points fewer right of 1,000 training photos'
        """
        points = f"{abs(100 * self.lost):.1f} points {'fewer' if self.lost >= 0 else 'more'} right"
        return f"{self.faster:.1f} times as fast, {points} of {self.photos:,} training photos"


def with_possible_precision(
    recipe: Recipe, photos: Sequence[Photo], task: Task
) -> tuple[Recipe, tuple[Note, ...]]:
    """Return a recipe that asks for int8 only where that may be of use, and a note where it did otherwise.

    Args:
        recipe: one that does not ask for int8 is returned as it is.
        photos: each with its split.
        task: of the labels.

    Raises:
        RecipeError: int8 may be of use, and its extra is not installed.
    """
    if recipe.backbone.precision != "int8":
        return recipe, ()
    if reason := _why_not(recipe, task, len(_learned(photos))):
        return in_f32(recipe), (_refusal(reason),)
    if find_spec("nncf") is None:
        raise RecipeError(
            'backbone.precision = "int8" needs the package nncf: pip install "budwood[int8]", or say '
            'backbone.precision = "f32"'
        )
    return recipe, ()


def in_f32(recipe: Recipe) -> Recipe:
    """Return a recipe whose features are computed at full precision."""
    return recipe.model_copy(update={"backbone": recipe.backbone.model_copy(update={"precision": "f32"})})


def try_int8(
    recipe: Recipe, networks: Sequence[PooledBackbone], photos: Sequence[Photo], progress: Progress = SILENT
) -> tuple[Recipe, dict[str, KnownModel], tuple[Note, ...]]:
    """Return a recipe that asks for int8 with the arithmetic that its features will have, the backbones that are
    int8 by name, and what a user should know of it.

    Args:
        recipe: see `with_possible_precision`.
        networks: its backbones, with their weights.
        photos: each with its split.
        progress: told of the features of the sample, and what came of it.
    """
    plain, learned = in_f32(recipe), _learned(photos)
    # The first by their hashes: whatever the order of the photos, the same ones.
    labels = {photo.label for photo in learned}
    number = max(TRIED, TRIED_OF_A_CLASS * len(labels))
    learned = sorted({photo.sha256: photo for photo in learned}.values(), key=lambda photo: photo.sha256)
    sample, others = learned[:number], learned[number:]
    taken: dict[str, KnownModel] = {}
    notes = []
    for network in networks:
        exact = extractor(network.model, plain, "f32", progress)
        with exact:
            # Of the sample it may have them from another trial.
            lacking = exact.missing(others)
            if len(sample) + lacking < FEWEST:
                known = count(len(others) - lacking, "training photo")
                reason = f"the store has f32 features of {known} already"
                notes.append(_refusal(reason, network, networks))
                continue
            rounded = _rounded(network, plain, exact, sample[:CALIBRATED_ON])
            trial = _try(exact, extractor(rounded, plain, "f32", progress, size=exact.size), sample, recipe)
        if trial.is_good:
            taken[network.name] = rounded
            progress.say(f"int8 features{_of(network, networks)}: {trial.words}")
        else:
            wanted = f"wanted: {FASTER:g} times, and at most {100 * MOST_LOST:g} points"
            notes.append(_refusal(f"int8 is {trial.words} ({wanted})", network, networks))
    return (recipe if taken else plain), taken, tuple(notes)


def _learned(photos: Sequence[Photo]) -> list[Photo]:
    return [photo for photo in photos if photo.split == "train"]


def _why_not(recipe: Recipe, task: Task, learned: int) -> str:
    """Return why int8 is not even tried, or an empty string."""
    if recipe.finetune.epochs or recipe.distill.run or not recipe.frozen.epochs:
        return (
            "int8 is for a head alone on a frozen network: other phases learn from what f32 yields on the way"
        )
    if task.name == MULTI_LABEL.name:
        return "what int8 costs was measured with one class a photo alone"
    if choose_engine(recipe.backbone.engine) != "openvino":
        return "int8 needs OpenVINO on a CPU"
    if learned < FEWEST:
        return f"with {count(learned, 'training photo')}, fewer than {FEWEST:,}, to try int8 takes longer than it saves"
    return ""


def _refusal(
    reason: str, network: PooledBackbone | None = None, networks: Sequence[PooledBackbone] = ()
) -> Note:
    of = _of(network, networks) if network else ""
    return Note(f"{reason}: features{of} are computed in f32", "precision")


def _of(network: PooledBackbone, networks: Sequence[PooledBackbone]) -> str:
    return f" of {network.name}" if len(networks) > 1 else ""


def _rounded(
    network: PooledBackbone, recipe: Recipe, exact: FeatureExtractor, calibrated_on: Sequence[Photo]
) -> KnownModel:
    """Return a backbone in int8: another one for other photos to take the ranges of values from."""
    key = calibration_key([photo.sha256 for photo in calibrated_on])
    name = fingerprint(network.model, size=exact.size, resize=exact.resize, precision=f"int8 {key}")

    def engine() -> Engine:
        folder = cache_dir() / GRAPHS / name
        if read_kept(folder)[0] is None:
            # Its own graph is there once it has run.
            _ = exact.part
            graph, _ = read_kept(cache_dir() / GRAPHS / exact.fingerprint)
            quantize(graph, _pictures(exact, calibrated_on), folder)
        kept = Engine.kept(name, exact.shape)
        assert kept is not None, "it was kept a moment ago"
        return kept

    return KnownModel(name, exact.shape, engine, network.name)


def _pictures(of: FeatureExtractor, photos: Sequence[Photo]) -> Pictures:
    return [view(photo.image, of.size, of.resize, of.levels) for photo in photos]


def _try(
    exact: FeatureExtractor, rounded: FeatureExtractor, sample: Sequence[Photo], recipe: Recipe
) -> Trial:
    with rounded:
        failed = {**exact.compute(sample).failed, **rounded.compute(sample).failed}
        usable = [photo for photo in sample if photo.name not in failed]
        of_f32, of_int8 = exact.array(usable), rounded.array(usable)
    pictures = _pictures(exact, usable[:TIMED])
    faster = _times_as_fast(
        *(lambda part=part: sum(1 for _ in part.run(pictures)) for part in (exact.part, rounded.part))
    )
    names, labels = np.unique([photo.label for photo in usable], return_inverse=True)
    strength = fit_linear(of_f32, labels, len(names), folds=recipe.frozen.folds, seed=recipe.seed).strength
    right = [
        _right_in_folds(learned_from, of_f32, labels, strength, recipe) for learned_from in (of_f32, of_int8)
    ]
    return Trial(len(usable), faster, float(np.mean(right[0].astype(float) - right[1])))


def _times_as_fast(slow: Callable[[], object], fast: Callable[[], object]) -> float:
    """Return how many times as fast the second one is, each in its fastest round."""
    seconds: tuple[list[float], list[float]] = [], []
    for _ in range(ROUNDS):
        for run, own in zip((slow, fast), seconds, strict=True):
            started = time.perf_counter()
            run()
            own.append(time.perf_counter() - started)
    return min(seconds[0]) / min(seconds[1])


def _right_in_folds(
    learned_from: Float32[np.ndarray, "n features"],
    asked: Float32[np.ndarray, "n features"],
    labels: Int[np.ndarray, "n"],
    strength: float,
    recipe: Recipe,
) -> Bool[np.ndarray, "n"]:
    """Return which photos a head gets right that has learned from the photos of the other folds."""
    fold_of = assign_folds(labels, recipe.frozen.folds, recipe.seed)
    # The only photo of a class is always learned from, and says nothing.
    right = fold_of < 0
    for fold in range(recipe.frozen.folds):
        out = fold_of == fold
        number = int(labels.max()) + 1
        fit = fit_linear(learned_from[~out], labels[~out], number, strengths=[strength], seed=recipe.seed)
        right[out] = np.argmax(asked[out] @ fit.kernel + fit.bias, axis=1) == labels[out]
    return right
