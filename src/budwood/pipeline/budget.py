"""A training within a given time: rates are measured on a few of the user's own photos, a plan is made, and kept to."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import keras

from budwood.backbones.registry import get_backbone
from budwood.backbones.resolve import resolve
from budwood.config.recipe import Head, Recipe
from budwood.core.errors import BackboneError, RecipeError
from budwood.core.text import count, duration, whole_percent
from budwood.core.threads import num_cores
from budwood.data.images import view
from budwood.data.manifest import Photo
from budwood.evaluation.task import MULTI_LABEL
from budwood.features.extractor import FeatureExtractor
from budwood.network.compose import PooledBackbone
from budwood.pipeline.features import build_backbones, extractor
from budwood.pipeline.plan import Cost, Photos, Plan, choose, cost_of, in_words, plans, with_values
from budwood.pipeline.rates import (
    Rates,
    below,
    best_of,
    run_over,
    sample_of,
    seconds_per_photo,
    timed_step,
    with_head,
)
from budwood.pipeline.request import TrainingRequest, with_recipe
from budwood.runs.schema import BudgetInfo
from budwood.training.linear_probe import resolve_fit
from budwood.training.precision import with_fastest_precision
from budwood.training.probe_size import views_learned

TAKEN = 0.95
"""Part of the time that a plan may take. Passes over all photos took up to a fifth longer than the rates of the first
seconds foretold (docs/experiments/log.md), steps hardly; the reserve that `FINISH` holds covers the rest."""
LEFT_OVER = 0.8
"""A plan that takes less than this part of the time is told with the minutes that the next larger one needs."""
RELATIVE = {"efficientnet_lite0": (1.0, 224, 1.0), "efficientnet_lite2": (2.2, 260, 1.4)}
"""How long a forward pass takes beside one of the first, the side at which, and how long it takes to build, convert and
trace the network. 2.2 by the arithmetic (407 and 899 million multiply-adds) and on a Xeon with AMX, 1.9 on an EPYC."""


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
    """Names of the backbones, in the order of fine-tuning."""

    def until(self, backbone: str) -> float:
        """Return when the phase 2 of a backbone has to be over, so that the others and the rest have their time."""
        later = self.plan.cost.networks[self.names.index(backbone) + 1 :]
        epochs = self.plan.recipe.finetune.epochs
        return (
            self.ends
            - self.plan.cost.finish
            - sum(one.start + one.views + epochs * one.epoch for one in later)
        )

    @property
    def until_head(self) -> float:
        """Return when the gradient steps of phase 1 have to be over, so that phase 2 and the rest have their time."""
        first = self.plan.cost.networks[0]
        epochs = self.plan.recipe.finetune.epochs
        own = first.start + first.views + epochs * first.epoch if epochs else 0.0
        return self.until(self.names[0]) - own

    def epochs(self, backbone: str) -> int:
        """Return how many epochs of a backbone fit into what is left before its views are computed; maybe 0."""
        own = self.plan.cost.networks[self.names.index(backbone)]
        left = self.until(backbone) - time.monotonic() - own.start - own.views
        return max(0, min(self.plan.most, int(left / max(own.epoch, 1e-9))))

    @property
    def planned_seconds(self) -> float:
        """Return the seconds from the command to the report that the plan takes."""
        return self.made - self.began + self.plan.seconds

    def info(self, *, done: bool) -> BudgetInfo:
        """Return what run.json says of the plan, and of a training that is done the time that has passed by now."""
        return BudgetInfo(
            minutes=self.minutes,
            planned_seconds=round(self.planned_seconds, 1),
            planned_epochs=self.plan.recipe.finetune.epochs,
            seconds=round(time.monotonic() - self.began, 1) if done else None,
        )


def plan_within(
    request: TrainingRequest, photos: Sequence[Photo], classes: Sequence[str], *, few: bool = False
) -> tuple[TrainingRequest, Pace]:
    """Return a training that takes the minutes of the recipe's budget, and when it has to end.

    With `few` training photos no plan of `auto` fine-tunes more than scale and bias of the upper layers.

    Raises:
        RecipeError: not even the least that could be done fits; it says how long that takes.
    """
    minutes = request.recipe.budget.minutes
    assert minutes is not None, "only where there is a limit"
    ends = request.began + 60 * minutes
    counts = _count(photos, len(classes))
    if not few:
        asked, recipe = (with_fastest_precision(one) for one in (request.asked, request.recipe))
        request = replace(request, asked=asked, recipe=recipe)
    candidates = plans(request.asked, few=few)
    # With few photos a step is not one of all weights.
    timed = request.recipe.model_copy(update={"finetune": candidates[-1].finetune}) if few else request.recipe
    measured = _measure(replace(request, recipe=timed), candidates, photos, len(classes))

    def cost(recipe: Recipe) -> Cost:
        backbones = [get_backbone(name) for name in recipe.backbone.names]
        _, sizes = resolve(recipe, backbones)
        rates = [measured.of(one.name, size) for one, size in zip(backbones, sizes, strict=True)]
        # 1,280 features each where it is not known: the head is a small part.
        widths = [1280] * len(rates)
        rows = counts.train * views_learned(recipe, counts.train)
        several = request.task.name == MULTI_LABEL.name
        resolved, _ = resolve_fit(recipe, rows, sum(widths), counts.classes, multi_label=several)
        return cost_of(resolved, rates, widths, counts)

    here = _with_weights(candidates)
    left = ends - time.monotonic()
    plan = choose(here, cost, left - (1 - TAKEN) * 60 * minutes)
    if plan is None:
        least = time.monotonic() - request.began + cost(here[0]).seconds(here[0].finetune.epochs)
        raise RecipeError(
            f"{minutes:g} {'minute' if minutes == 1 else 'minutes'} (--minutes) is too little time for "
            f"{count(len(photos), 'photo')}: the least that could be done, {in_words(here[0])}, takes about "
            f"{duration(least)} on this machine, and {whole_percent(1 - TAKEN)} of the time stays in reserve. "
            f"Give --minutes {_minutes_for(least):g}, or learn from fewer photos "
            "(--set data.train_photos=N)"
        )
    now = time.monotonic()
    planned = with_recipe(request, plan.recipe)
    pace = Pace(minutes, request.began, now, ends, plan, tuple(one.name for one in planned.backbones))
    request.directory.progress.say(
        f"plan for {duration(60 * minutes)}: {in_words(plan.recipe)}; "
        f"about {duration(pace.planned_seconds)} in all{_what_more_takes(pace)}"
    )
    return planned, pace


def _what_more_takes(pace: Pace) -> str:
    """Return the minutes that the next larger plan needs, in words; "" where little of the time is left over."""
    larger = pace.plan.larger
    if larger is None or pace.planned_seconds > LEFT_OVER * 60 * pace.minutes:
        return ""
    return f". With --minutes {_minutes_for(pace.made - pace.began + larger.seconds):g}: {in_words(larger.recipe)}"


def _minutes_for(seconds: float) -> float:
    """Return the minutes, rounded up to tenths, for a plan that takes so many seconds."""
    return math.ceil(seconds / TAKEN / 6) / 10


@dataclass(frozen=True)
class _Measured:
    """Rates by name and size, from which those of other sizes and networks follow."""

    known: Mapping[tuple[str, int], Rates]

    def of(self, name: str, size: int) -> Rates:
        if (name, size) in self.known:
            return self.known[name, size]
        (other, side), rates = next(
            (item for item in self.known.items() if item[0][0] == name), next(iter(self.known.items()))
        )
        work = (size / side) ** 2
        if other != name and {other, name} <= RELATIVE.keys():
            (own, at, own_layers), (others, others_at, others_layers) = RELATIVE[name], RELATIVE[other]
            work = own / others * (size / at) ** 2 / (side / others_at) ** 2
            rates = rates.of_layers(own_layers / others_layers)
        return rates.scaled(work)


def _measure(
    request: TrainingRequest, candidates: Sequence[Recipe], photos: Sequence[Photo], num_classes: int
) -> _Measured:
    """Measure the backbones of the recipe on a few photos."""
    free = len({one.data.size for one in candidates}) > 1
    tuned = any(one.finetune.epochs for one in candidates)
    # Of `auto` the size that most plans have.
    recipe = with_values(request.recipe, size=224) if free else request.recipe
    backbones = [get_backbone(name) for name in recipe.backbone.names]
    recipe, sizes = resolve(recipe, backbones)
    sample = sample_of(photos)

    def read_all() -> None:
        for photo in sample:
            view(photo, sizes[0], recipe.data.resize)

    decode = best_of(read_all) / max(1, len(sample)) / num_cores()
    known = {}
    for backbone, size in zip(backbones, sizes, strict=True):
        started = time.perf_counter()
        (network,) = build_backbones(recipe, [backbone], [size])
        build = time.perf_counter() - started
        rates = _rates(request, recipe, network, photos, num_classes, decode, tuned=tuned)
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
        # The engine is made for the first picture.
        run_over(features, sample_of(photos)[:1])
        ready = time.perf_counter() - started
        each = seconds_per_photo(features, photos)
        return max(each - decode, 0.1 * each), ready

    whole, convert = forward(extractor(network.model, recipe, recipe.backbone.precision))
    rates = Rates(0.0, convert, decode, whole)
    if not tuned:
        return rates
    model, unfrozen = with_head(network, recipe, Head(logits=recipe.head.logits), num_classes, request.task)
    lower, _ = forward(below(model, unfrozen, recipe))
    first, step = timed_step(model, unfrozen, recipe)
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
