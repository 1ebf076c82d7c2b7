"""A training within a given time: what fits is planned from what this machine does in the first seconds.

A plan is a recipe. Plans stand in the order of what they cost, and the last one that fits is taken; then as many epochs
as still fit, at most those of the next. What a plan costs is reckoned from three rates that are measured on the user's
own photos: decoding, a forward pass and a gradient step.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import keras

from budwood.backbones.registry import get_backbone
from budwood.backbones.resolve import resolve
from budwood.config.learning import Finetune
from budwood.config.recipe import Augment, Head, Recipe
from budwood.config.section import Section
from budwood.core.errors import BackboneError, RecipeError
from budwood.core.text import count, duration
from budwood.core.threads import num_cores
from budwood.data.images import view
from budwood.data.manifest import Photo
from budwood.features.extractor import FeatureExtractor
from budwood.features.twins import NEIGHBOURS, most_pairs
from budwood.network.compose import PooledBackbone
from budwood.pipeline.features import build_backbones, extractor
from budwood.pipeline.rates import below, sample_of, seconds_per_photo, timed_step, with_head
from budwood.pipeline.request import TrainingRequest, with_recipe
from budwood.runs.schema import BudgetInfo
from budwood.training.linear_probe import fit_seconds

TAKEN = 0.95
"""Part of the time that a plan may take: rates of some seconds foretell those of minutes within a few percent."""
SIZES = (128, 160, 192, 224, 256)
"""Sides at which the head alone is planned where the time does not suffice for more."""
STEPS = ((1, 2), (2, 4), (3, 6), (4, 8), (5, 10))
"""Views and epochs of phase 2, from the least to those of `auto`."""
MULTIPLY_ADDS = {"efficientnet_lite0": (407, 224), "efficientnet_lite2": (899, 260)}
"""Millions of multiply-adds of a forward pass, and the side at which: from the README of EfficientNet-Lite."""
FINISH = 7.0
"""Seconds of evaluation, saving and report for each second that it takes to build a backbone; both are Keras's work."""
PAIR = 5.0
"""How many times as long as decoding a photo it takes to compare two photos that may be copies."""
EPOCH = 1.1
"""How many times as long as its steps an epoch takes: it also reads features from disk and keeps a checkpoint."""


@dataclass(frozen=True)
class Rates:
    """What one backbone at one size takes on this machine, in seconds."""

    build: float
    """To build it, with its weights."""
    convert: float
    """To make a graph of it for the engine."""
    decode: float
    """To decode a photo."""
    forward: float
    """Of the whole backbone, a photo."""
    lower: float = 0.0
    """Of its part below what phase 2 trains, a photo."""
    step: float = 0.0
    """Of a gradient step, a photo."""
    trace: float = 0.0
    """Of the first gradient step beyond the others."""

    def scaled(self, work: float) -> "Rates":
        """Return the rates of a backbone or size that has so many times the arithmetic."""
        return replace(self, forward=self.forward * work, lower=self.lower * work, step=self.step * work)


@dataclass(frozen=True)
class Photos:
    """How many photos there are of each kind."""

    train: int
    validation: int
    test: int
    classes: int

    @property
    def all(self) -> int:
        return self.train + self.validation + self.test


@dataclass(frozen=True)
class Network:
    """What one backbone of a plan takes, in seconds."""

    features: float
    views: float = 0.0
    epoch: float = 0.0
    start: float = 0.0
    """Of its phase 2, before the first epoch."""


@dataclass(frozen=True)
class Cost:
    """What a plan takes, in seconds."""

    networks: tuple[Network, ...]
    head: float
    """Of phase 1, and of the look for copies before it."""
    finish: float

    def seconds(self, epochs: int) -> float:
        """Return the whole, with so many epochs of phase 2."""
        return (
            self.head
            + self.finish
            + sum(
                one.features + (one.start + one.views + epochs * one.epoch if epochs else 0.0)
                for one in self.networks
            )
        )


def cost_of(recipe: Recipe, rates: Sequence[Rates], features: Sequence[int], photos: Photos) -> Cost:
    """Return what a recipe takes, with the rates of each of its backbones and the length of its features.

    >>> rates = Rates(build=1.0, convert=2.0, decode=0.002, forward=0.008, lower=0.006, step=0.003, trace=2.0)
    >>> found = cost_of(Recipe.load("quick"), [rates], [1280], Photos(800, 100, 100, 5))
    >>> round(found.networks[0].features, 2), round(found.networks[0].views, 2), round(found.networks[0].epoch, 2)
    (12.0, 6.4, 2.75)
    """
    augment, tuned = recipe.augment, bool(recipe.finetune.epochs)
    networks = []
    for one in rates:
        anew = augment.views == "per-epoch"
        bank = 0 if anew or not isinstance(augment.views, int) else max(0, augment.views - 1) * photos.train
        rows = photos.train * (2 if augment.originals else 1)
        networks.append(
            Network(
                one.convert + photos.all * (one.decode + one.forward),
                bank * (one.decode + one.lower) if tuned else 0.0,
                # A forward pass is about a third of a step.
                EPOCH * one.step * (rows + photos.validation / 3)
                + (photos.train * (one.decode + one.lower) if anew else 0.0)
                if tuned
                else 0.0,
                # The part below is converted too, and what comes of it is saved and measured beside the head.
                one.trace + one.convert + one.build if tuned else 0.0,
            )
        )
    pairs = sum(min(NEIGHBOURS * number, most_pairs(number)) for number in (photos.validation, photos.test))
    head = PAIR * rates[0].decode * pairs
    if recipe.frozen.fit == "gradient":
        # Steps on vectors take hardly any time; the views do.
        drawn = recipe.frozen.epochs if augment.views == "per-epoch" else max(0, augment.views - 1)
        head += sum(one.decode + one.forward for one in rates) * drawn * photos.train
    elif recipe.frozen.epochs:
        head += fit_seconds(photos.train, sum(features), photos.classes, recipe)
    finish = FINISH * sum(one.build for one in rates)
    if tuned:
        # What was fine-tuned is converted once more, and asked about what is measured.
        measured = photos.validation + photos.test
        finish += sum(one.convert + measured * (one.decode + one.forward) for one in rates)
    if recipe.evaluate.flip:
        finish += (photos.validation + photos.test) * sum(one.forward for one in rates)
    return Cost(tuple(networks), head, finish)


def plans(recipe: Recipe) -> list[Recipe]:
    """Return what may become of a recipe, from what takes least to what takes most; the limit of time is left out.

    >>> [(one.data.size, one.augment.views, one.finetune.epochs) for one in plans(Recipe.load("quick"))]
    [(224, 0, 0), (224, 1, 2), (224, 2, 4)]
    """
    recipe = recipe.without_budget()
    auto = Recipe.load("auto")
    parts = ("augment", "backbone", "head", "loss", "frozen", "finetune")
    free = recipe.data.size == auto.data.size and all(
        getattr(recipe, part) == getattr(auto, part) for part in parts
    )
    if not free:
        if not recipe.finetune.epochs:
            return [recipe]
        # Without phase 1 there is no head alone.
        return [*([_head_alone(recipe)] if recipe.frozen.epochs else []), *_steps(recipe)]
    best = Recipe.load("best")
    two = recipe.model_copy(
        update={
            "data": recipe.data.model_copy(update={"size": best.data.size}),
            "backbone": best.backbone,
            "finetune": best.finetune,
            "evaluate": recipe.evaluate.model_copy(update={"flip": best.evaluate.flip}),
        }
    )
    return [
        *(_head_alone(_with(recipe, size=size)) for size in SIZES),
        _steps(_with(recipe, size=224))[0],
        _head_alone(two),
        _steps(_with(recipe, size=224))[1],
        *_steps(recipe)[1:],
        *_steps(two)[2:],
    ]


def _steps(recipe: Recipe) -> list[Recipe]:
    """Return a recipe with few views and epochs, and with more of both up to its own."""
    views, epochs = recipe.augment.views, recipe.finetune.epochs
    most = 1 if views == "per-epoch" else max(1, views)
    fewer = [
        (min(least, most), number)
        for least, number in STEPS
        if number < epochs and (least <= most or views == "per-epoch" or most == 1)
    ]
    found = [*fewer, (most, epochs)]
    return [
        _with(recipe, epochs=number, views=views if views in ("per-epoch", 0) else some)
        for some, number in found
    ]


def _head_alone(recipe: Recipe) -> Recipe:
    """Return a recipe without phase 2, and without settings that have no effect then."""
    changes: dict[str, Section] = {"finetune": Finetune()}
    if recipe.frozen.fit == "linear":
        changes |= {
            "augment": Augment(),
            "head": recipe.head.model_copy(update={"dropout": 0.0, "l2": 0.0}),
            "loss": recipe.loss.model_copy(update={"label_smoothing": 0.0}),
        }
    return recipe.model_copy(update=changes)


def _with(
    recipe: Recipe, *, epochs: int | None = None, views: int | str | None = None, size: int | None = None
) -> Recipe:
    """Return a recipe with other values."""
    if views == 1:
        # No view is drawn, so that nothing changes one.
        recipe = recipe.model_copy(update={"augment": Augment()})
    changes = {
        "finetune": {} if epochs is None else {"epochs": epochs},
        "augment": {} if views is None else {"views": views},
        "data": {} if size is None else {"size": size},
    }
    return recipe.model_copy(
        update={part: getattr(recipe, part).model_copy(update=own) for part, own in changes.items()}
    )


@dataclass(frozen=True)
class Plan:
    """What is to be done, and what it takes."""

    recipe: Recipe
    cost: Cost
    most: int
    """Epochs of phase 2 at most, where there turns out to be time for more than planned."""

    @property
    def seconds(self) -> float:
        return self.cost.seconds(self.recipe.finetune.epochs)


def choose(candidates: Sequence[Recipe], cost: Callable[[Recipe], Cost], seconds: float) -> Plan | None:
    """Return the last of the plans that fits, with as many epochs as fit, at most those of the next.

    None where even the first takes longer.
    """
    every = [Plan(recipe, cost(recipe), recipe.finetune.epochs) for recipe in candidates]
    chosen = next((plan for plan in reversed(every) if plan.seconds <= seconds), None)
    if chosen is None or not chosen.most:
        return chosen
    later = every[every.index(chosen) + 1 :]
    chosen = replace(chosen, most=max(chosen.most, later[0].most if later else 0))
    more = chosen.recipe.finetune.epochs
    while more < chosen.most and chosen.cost.seconds(more + 1) <= seconds:
        more += 1
    return replace(chosen, recipe=_with(chosen.recipe, epochs=more))


@dataclass(frozen=True)
class Pace:
    """When a training has to end, and what is left to do by then. Times are those of `time.monotonic`."""

    minutes: float
    began: float
    made: float
    """When the plan was made."""
    ends: float
    plan: Plan
    names: tuple[str, ...]
    """Of the backbones, in the order in which they are fine-tuned."""

    def until(self, backbone: str) -> float:
        """Return when the phase 2 of a backbone has to be over, so that the others and the rest have their time."""
        later = self.plan.cost.networks[self.names.index(backbone) + 1 :]
        epochs = self.plan.recipe.finetune.epochs
        return (
            self.ends
            - self.plan.cost.finish
            - sum(one.start + one.views + epochs * one.epoch for one in later)
        )

    def epochs(self, backbone: str) -> int:
        """Return how many epochs of a backbone fit into what is left before its views are computed; maybe 0."""
        own = self.plan.cost.networks[self.names.index(backbone)]
        left = self.until(backbone) - time.monotonic() - own.start - own.views
        return max(0, min(self.plan.most, int(left / max(own.epoch, 1e-9))))

    def info(self) -> BudgetInfo:
        """Return what run.json says of the plan, and of the time that has passed by now."""
        return BudgetInfo(
            minutes=self.minutes,
            planned_seconds=round(self.made - self.began + self.plan.seconds, 1),
            planned_epochs=self.plan.recipe.finetune.epochs,
            seconds=round(time.monotonic() - self.began, 1),
        )


def plan_within(
    request: TrainingRequest, photos: Sequence[Photo], classes: Sequence[str]
) -> tuple[TrainingRequest, Pace]:
    """Return a training that takes the minutes of the recipe's budget, and when it has to end.

    Raises:
        RecipeError: not even the least that could be done fits; it says how long that takes.
    """
    minutes = request.recipe.budget.minutes
    assert minutes is not None, "only where there is a limit"
    ends = request.began + 60 * minutes
    counts = _count(photos, len(classes))
    candidates = plans(request.asked)
    measured = _measure(request, candidates, photos, len(classes))

    def cost(recipe: Recipe) -> Cost:
        backbones = [get_backbone(name) for name in recipe.backbone.names]
        _, sizes = resolve(recipe, backbones)
        rates = [measured.of(one.name, size) for one, size in zip(backbones, sizes, strict=True)]
        # 1,280 features each where it is not known: the head is a small part.
        return cost_of(recipe, rates, [1280] * len(rates), counts)

    here = _with_weights(candidates)
    left = ends - time.monotonic()
    plan = choose(here, cost, left - (1 - TAKEN) * 60 * minutes)
    if plan is None:
        least = time.monotonic() - request.began + cost(here[0]).seconds(here[0].finetune.epochs)
        raise RecipeError(
            f"{minutes:g} minutes (--minutes) are too few for {count(len(photos), 'photo')}: the least that could be "
            f"done, {in_words(here[0])}, takes about {duration(least)} on this machine. Give --minutes "
            f"{math.ceil(least / TAKEN / 6) / 10:g}, or learn from fewer photos (--set data.train_photos=N)"
        )
    now = time.monotonic()
    planned = with_recipe(request, plan.recipe)
    pace = Pace(minutes, request.began, now, ends, plan, tuple(one.name for one in planned.backbones))
    request.directory.progress.say(
        f"plan for {duration(60 * minutes)}: {in_words(plan.recipe)}; "
        f"about {duration(now - request.began + plan.seconds)} in all"
    )
    return planned, pace


def in_words(recipe: Recipe) -> str:
    """Return what a plan does.

    >>> in_words(Recipe.load("quick"))
    'efficientnet_lite0 at 224 px, 2 views of each photo, 4 epochs of fine-tuning'
    """
    names = " and ".join(f"{name}@{size}" if size else name for name, size in recipe.backbone.sized)
    size = "" if recipe.data.size == "auto" else f" at {recipe.data.size} px"
    if not recipe.finetune.epochs:
        return f"{names}{size}, the head alone"
    views = recipe.augment.views
    drawn = (
        "new views in every epoch"
        if views == "per-epoch"
        else f"{count(max(1, views), 'view')} of each photo"
    )
    return f"{names}{size}, {drawn}, {count(recipe.finetune.epochs, 'epoch')} of fine-tuning"


@dataclass(frozen=True)
class _Measured:
    """Rates by name and size; others follow from their arithmetic."""

    known: Mapping[tuple[str, int], Rates]

    def of(self, name: str, size: int) -> Rates:
        if (name, size) in self.known:
            return self.known[name, size]
        (other, side), rates = next(
            (item for item in self.known.items() if item[0][0] == name), next(iter(self.known.items()))
        )
        work = (size / side) ** 2
        if other != name:
            (own, at), (others, others_at) = MULTIPLY_ADDS[name], MULTIPLY_ADDS[other]
            work = own / others * (size / at) ** 2 / (side / others_at) ** 2
        return rates.scaled(work)


def _measure(
    request: TrainingRequest, candidates: Sequence[Recipe], photos: Sequence[Photo], num_classes: int
) -> _Measured:
    """Measure the backbones of the recipe on a few photos."""
    free = len({one.data.size for one in candidates}) > 1
    # Of `auto` the size that most plans have.
    recipe = _with(request.recipe, size=224) if free else request.recipe
    backbones = [get_backbone(name) for name in recipe.backbone.names]
    recipe, sizes = resolve(recipe, backbones)
    sample = sample_of(photos)
    started = time.perf_counter()
    for photo in sample:
        view(photo, sizes[0], recipe.data.resize)
    decode = (time.perf_counter() - started) / max(1, len(sample)) / num_cores()
    known = {}
    for backbone, size in zip(backbones, sizes, strict=True):
        started = time.perf_counter()
        (network,) = build_backbones(recipe, [backbone], [size])
        build = time.perf_counter() - started
        rates = _rates(request, recipe, network, photos, num_classes, decode, tuned=len(candidates) > 1)
        known[backbone.name, size] = replace(rates, build=build, convert=max(rates.convert, build))
    return _Measured(known)


def _rates(
    request: TrainingRequest,
    recipe: Recipe,
    network: PooledBackbone,
    photos: Sequence[Photo],
    num_classes: int,
    decode: float,
    *,
    tuned: bool,
) -> Rates:
    def forward(features: FeatureExtractor) -> tuple[float, float]:
        started = time.perf_counter()
        each = seconds_per_photo(features, photos)
        warm = time.perf_counter() - started - each * len(sample_of(photos))
        return max(each - decode, 0.1 * each), max(0.0, warm)

    whole, convert = forward(extractor(network.model, recipe, recipe.backbone.precision))
    rates = Rates(0.0, convert, decode, whole)
    if not tuned:
        return rates
    model, unfrozen = with_head(network, recipe, Head(logits=recipe.head.logits), num_classes, request.task)
    lower, _ = forward(below(model, unfrozen, recipe))
    first, step = timed_step(model, unfrozen, recipe, num_classes)
    keras.backend.clear_session(free_memory=False)
    return replace(rates, lower=lower, step=step / recipe.finetune.batch_size, trace=max(0.0, first - step))


def _with_weights(candidates: Sequence[Recipe]) -> list[Recipe]:
    """Return the plans whose weights are here, or in a file that was given."""
    found = []
    for recipe in candidates:
        try:
            here = all(
                recipe.backbone.weights_of(name) != "imagenet" or get_backbone(name).pretrained.is_here()
                for name in recipe.backbone.names
            )
        except BackboneError:
            here = False
        if here:
            found.append(recipe)
    return found or list(candidates[:1])


def _count(photos: Sequence[Photo], classes: int) -> Photos:
    parts = {split: sum(photo.split == split for photo in photos) for split in ("train", "validation")}
    return Photos(parts["train"], parts["validation"], len(photos) - sum(parts.values()), classes)
