"""int8 features of training photos: tried on some, and taken where they are faster and the head hardly loses.

Validation and test photos are measured at full precision, and so is the model that is saved. The head therefore learns
from int8 features and is asked with those of f32, in the trial as later.
"""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from budwood.config.recipe import Recipe
from budwood.core.cache import GRAPHS, cache_dir
from budwood.core.errors import ImageError, RecipeError
from budwood.core.files import read_json, write_json
from budwood.core.notes import Note
from budwood.core.progress.base import SILENT, Progress
from budwood.core.text import count
from budwood.data.manifest import Photo
from budwood.evaluation.task import MULTI_LABEL, Task
from budwood.features.engines.engine import Engine, choose_engine
from budwood.features.engines.graphs import convert_model, read_kept
from budwood.features.engines.int8 import calibration_key, quantize
from budwood.features.extract import stream_views
from budwood.features.extractor import FeatureExtractor, KnownModel, Pixels
from budwood.network.compose import PooledBackbone
from budwood.network.graph import fingerprint
from budwood.pipeline.features import extractor
from budwood.training.cross_validation import assign_folds
from budwood.training.linear_probe import fit_linear
from budwood.training.probe_size import linear_fits

FEWEST = 20_000
"""Training photos below which the trial takes longer than int8 saves. Measured: 30 s, beside 1.5 ms a photo."""
KNOWN = 0.25
"""Share of the training photos of which the store may have f32 features."""
TRIED, TRIED_OF_A_CLASS = 1_000, 5
"""Photos of the trial, in all and in the mean of a class: with more classes both this and `FEWEST` grow."""
CALIBRATED_ON = 100
"""Of these, the photos that the ranges of values are taken from, and on which both are timed, in turns."""
ROUNDS = 3
DEALS = 3
"""How often the sample is dealt into folds: what one deal says of the loss is off by 0.3 points."""
FASTER, MOST_LOST = 1.5, 0.002
"""How many times as fast as f32 int8 has to be, and the share of right answers that the head may lose by it."""

Picture = UInt8[np.ndarray, "size size 3"]


@dataclass(frozen=True)
class Trial:
    """Speed and loss of accuracy of one backbone's int8 features, measured on a sample of the training photos."""

    photos: int
    faster: float
    """Time of the network in f32 over its time in int8; decoding of photos is not counted."""
    lost: float
    """Cross-validated accuracy of a head trained on f32 features minus that of one trained on int8 features, both
    measured on f32 features; the mean of several assignments to folds, in [-1, 1]. Negative where int8 is
    better."""

    @property
    def is_good(self) -> bool:
        """Return whether int8 is taken."""
        return self.faster >= FASTER and self.lost <= MOST_LOST + 1e-9

    @property
    def words(self) -> str:
        """Return the figures in words.

        >>> Trial(1000, 1.93, 0.001).words
        '1.93 times as fast, 0.10 points fewer right of 1,000 training photos'
        """
        points = f"{abs(100 * self.lost):.2f} points {'fewer' if self.lost >= 0 else 'more'} right"
        return f"{self.faster:.2f} times as fast, {points} of {self.photos:,} training photos"


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
    if reason := _why_not(recipe, task, _learned(photos)):
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

    What a trial found is kept beside the graph that it made: the same photos are not tried twice on one machine, and
    decide alike.

    Args:
        recipe: see `with_possible_precision`.
        networks: its backbones, with their weights.
        photos: each with its split.
        progress: told of the features of the sample, and what came of it.
    """
    plain, learned = in_f32(recipe), _learned(photos)
    sample = _sample(learned, _tried(learned))
    chosen = {photo.sha256 for photo in sample}
    others = [photo for photo in learned if photo.sha256 not in chosen]
    taken: dict[str, KnownModel] = {}
    notes = []
    for network in networks:
        with extractor(network.model, plain, "f32", progress) as exact:
            # Some it has of every training, and those of the sample from another trial.
            known = len(others) - exact.missing(others)
            if known > KNOWN * len(others):
                reason = f"the store has f32 features of {count(known, 'training photo')} already"
            elif not linear_fits(len(sample), network.features, len({photo.label for photo in sample})):
                reason = "with so many classes to try int8 takes too long"
            elif exact.part.engine != "openvino":
                reason = f"OpenVINO does not know all layers of {network.name}"
            else:
                rounded, trial = _try(network, exact, sample, recipe)
                if trial.is_good:
                    taken[network.name] = rounded
                    progress.say(f"int8 features{_of(network, networks)}: {trial.words}")
                    continue
                wanted = f"wanted: {FASTER:g} times, and at most {100 * MOST_LOST:g} points"
                reason = f"int8 is {trial.words} ({wanted})"
            notes.append(_refusal(reason, _of(network, networks)))
    return (recipe if taken else plain), taken, tuple(notes)


def _learned(photos: Sequence[Photo]) -> list[Photo]:
    """Return the training photos, one of each content, by their hashes: in one order whatever that of the photos."""
    found = {photo.sha256: photo for photo in photos if photo.split == "train"}
    return [found[key] for key in sorted(found)]


def _tried(learned: Sequence[Photo]) -> int:
    return max(TRIED, TRIED_OF_A_CLASS * len({photo.label for photo in learned}))


def _fewest(learned: Sequence[Photo]) -> int:
    return FEWEST * _tried(learned) // TRIED


def _sample(learned: Sequence[Photo], number: int) -> list[Photo]:
    """Return about so many of the photos, of each class its share and two at least."""
    of_label: dict[str, list[Photo]] = {}
    for photo in learned:
        of_label.setdefault(photo.label, []).append(photo)
    share = min(1.0, number / len(learned))
    return [photo for own in of_label.values() for photo in own[: max(2, round(share * len(own)))]]


def _why_not(recipe: Recipe, task: Task, learned: Sequence[Photo]) -> str:
    """Return why int8 is not even tried, or an empty string."""
    if recipe.finetune.epochs or recipe.distill.run or not recipe.frozen.epochs:
        return "int8 is for a head alone on a frozen network, for other phases learn from what f32 yields on the way"
    if task.name == MULTI_LABEL.name:
        return "what int8 costs was measured with one class a photo alone"
    if choose_engine(recipe.backbone.engine) != "openvino":
        return "int8 needs OpenVINO on a CPU"
    if len(learned) < _fewest(learned):
        few = count(len(learned), "training photo")
        return f"with {few}, fewer than {_fewest(learned):,}, to try int8 takes longer than it saves"
    return ""


def _refusal(reason: str, of: str = "") -> Note:
    return Note(f"{reason}: features{of} are computed in f32", "precision")


def _of(network: PooledBackbone, networks: Sequence[PooledBackbone]) -> str:
    return f" of {network.name}" if len(networks) > 1 else ""


def _try(
    network: PooledBackbone, exact: FeatureExtractor, sample: Sequence[Photo], recipe: Recipe
) -> tuple[KnownModel, Trial]:
    """Return a backbone in int8, and what came of it."""
    failed = exact.compute(sample).failed
    usable = [photo for photo in sample if photo.name not in failed]
    # From all classes, for the sample has one after the other.
    pictures = _pictures(exact, usable[:: max(1, len(usable) // CALIBRATED_ON)][:CALIBRATED_ON])
    rounded = _rounded(network, exact, pictures)
    names, labels = np.unique([photo.label for photo in usable], return_inverse=True)
    # Another seed deals other folds.
    asked = hashlib.sha256(f"{[photo.sha256 for photo in usable]} {labels.tolist()} {recipe.seed}".encode())
    file = _folder(rounded.fingerprint) / "trial.json"
    if (kept := _read(file)) is not None and kept["asked"] == asked.hexdigest():
        return rounded, Trial(kept["photos"], kept["faster"], kept["lost"])
    with extractor(rounded, in_f32(recipe), "f32", exact.progress, size=exact.size) as approximate:
        approximate.compute(usable)
        of_f32, of_int8 = exact.array(usable), approximate.array(usable)
        faster = _times_as_fast(
            *(
                lambda part=part: deque(part.run(pictures), maxlen=0)
                for part in (exact.part, approximate.part)
            )
        )
    groups = [photo.group for photo in usable]
    strength = fit_linear(
        of_f32,
        labels,
        len(names),
        strengths=recipe.frozen.l2_strengths,
        folds=recipe.frozen.folds,
        seed=recipe.seed,
        groups=groups,
    ).strength
    seeds = range(recipe.seed, recipe.seed + DEALS)
    by_f32, by_int8 = (
        np.mean(
            [
                _right_in_folds(rows, of_f32, labels, groups, strength, recipe.frozen.folds, seed)
                for seed in seeds
            ]
        )
        for rows in (of_f32, of_int8)
    )
    trial = Trial(len(usable), faster, float(by_f32 - by_int8))
    with suppress(OSError):
        write_json(file, {"asked": asked.hexdigest(), **asdict(trial)})
    return rounded, trial


def _read(file: Path) -> dict[str, Any] | None:
    try:
        return read_json(file)
    except (OSError, ValueError):
        return None


def _folder(fingerprint: str) -> Path:
    return cache_dir() / GRAPHS / fingerprint


def _rounded(network: PooledBackbone, exact: FeatureExtractor, pictures: list[Picture]) -> KnownModel:
    """Return a backbone in int8: another one for other pictures to take the ranges of values from."""
    key = calibration_key(pictures)
    name = fingerprint(network.model, size=exact.size, resize=exact.resize, precision=f"int8 {key}")

    def engine() -> Engine:
        folder = _folder(name)
        if read_kept(folder)[0] is None:
            own = _folder(exact.fingerprint)
            graph, _ = read_kept(own)
            quantize(convert_model(network.model, own) if graph is None else graph, pictures, folder)
        return Engine.of_graph(folder, exact.shape)

    return KnownModel(name, exact.shape, engine, network.name)


def _pictures(of: FeatureExtractor, photos: Sequence[Photo]) -> list[Picture]:
    """Return what a feature extractor sees of the photos that can still be read and are what they were."""
    found: list[Picture] = []
    for photo in photos:
        with suppress(ImageError):
            found += stream_views([photo], [0], Pixels((of.size, of.size, 3)), of.renderer)
    return found


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
    groups: Sequence[str | None],
    strength: float,
    folds: int,
    seed: int,
) -> Bool[np.ndarray, "n"]:
    """Return which photos a head gets right that has learned from the photos of the other folds."""
    fold_of = assign_folds(labels, folds, seed, groups)
    # The only photo of a class is always learned from, and says nothing.
    right = fold_of < 0
    number = int(labels.max()) + 1
    for fold in range(folds):
        out = fold_of == fold
        fit = fit_linear(learned_from[~out], labels[~out], number, strengths=[strength], seed=seed)
        right[out] = np.argmax(asked[out] @ fit.kernel + fit.bias, axis=1) == labels[out]
    return right
