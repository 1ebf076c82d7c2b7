"""What may become of a recipe in a given time, and what each of these plans takes.

A plan is a recipe. Plans stand in the order of how well they do, which is nearly that of what they cost, and the last
one that fits is taken; then as many epochs as still fit, at most those of the next. What a plan costs is reckoned from
what decoding, a forward pass and a gradient step take.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from budwood.config.budget import Budget
from budwood.config.learning import Finetune
from budwood.config.recipe import Augment, Recipe
from budwood.config.section import Section
from budwood.core.text import count
from budwood.evaluation.ood import num_learned
from budwood.features.twins import NEIGHBOURS, most_pairs
from budwood.pipeline.rates import Rates
from budwood.training.linear_probe import fit_seconds
from budwood.training.precision import precision_of
from budwood.training.probe_size import views_learned

SIZES = (128, 160, 192, 224, 256)
"""Sides at which the head alone is planned where the time does not suffice for more."""
STEPS = ((1, 2), (2, 4), (3, 6), (4, 8), (5, 10))
"""Views and epochs of phase 2, from the least to those of `auto`."""
FINISH = 6.0
"""Seconds of evaluation, saving and report for each second that it takes to build a backbone; both are Keras's work."""
PAIR = 4.0
"""How many times as long as decoding a photo it takes to compare two photos that may be copies."""
EPOCH = 1.1
"""How many times as long as its steps an epoch takes: it also reads features from disk and keeps a checkpoint."""


@dataclass(frozen=True)
class Photos:
    """Numbers of photos in each split, and of classes."""

    train: int
    validation: int
    test: int
    classes: int

    @property
    def all(self) -> int:
        return self.train + self.validation + self.test


@dataclass(frozen=True)
class Network:
    """Seconds that a plan spends on one of its backbones."""

    features: float
    views: float = 0.0
    epoch: float = 0.0
    start: float = 0.0
    """Seconds between the end of its views and its first epoch, and of saving the result."""


@dataclass(frozen=True)
class Cost:
    """The seconds that a plan takes."""

    networks: tuple[Network, ...]
    head: float
    """The seconds of phase 1 and of the look for copies before it."""
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
    >>> found = cost_of(Recipe.load("quick"), [rates], [1280], Photos(3_000, 100, 100, 5))
    >>> round(found.networks[0].features, 2), round(found.networks[0].views, 2), round(found.networks[0].epoch, 2)
    (34.0, 24.0, 10.01)
    """
    augment = recipe.augment
    trained = [recipe.finetune.epochs > 0 and recipe.finetune.trains(name) for name in recipe.backbone.names]
    # Without phase 1 nothing goes through the whole backbone before it is trained.
    frozen = recipe.frozen.epochs > 0
    by_steps = frozen and recipe.frozen.fit == "gradient"
    learned = views_learned(recipe, photos.train) if frozen and not by_steps else 1
    networks = []
    for one, tuned in zip(rates, trained, strict=True):
        anew = augment.views == "per-epoch"
        # Phase 1 has the original views come by.
        stored = 0 if anew else max(1, int(augment.views)) - frozen
        rows = photos.train * (2 if augment.originals else 1)
        # Views from which the head learns go through the whole backbone.
        view = one.decode + (one.forward if learned > 1 else one.lower)
        networks.append(
            Network(
                one.convert
                + photos.all * (one.decode + one.forward)
                # Views from which the head learns; what phase 2 stores of them comes by on the way.
                + (stored * photos.train * view if learned > 1 else 0.0)
                if frozen
                else 0.0,
                (stored * photos.train * view if learned == 1 and not by_steps else 0.0)
                + (anew or not frozen) * photos.validation * (one.decode + one.lower)
                if tuned
                else 0.0,
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
    head = PAIR * rates[0].decode * pairs if frozen else 0.0
    if by_steps:
        # Steps on vectors take hardly any time; the views do.
        drawn = recipe.frozen.epochs if augment.views == "per-epoch" else max(0, augment.views - 1)
        head += sum(one.decode + one.forward for one in rates) * drawn * photos.train
    elif frozen:
        # Each of several that are fine-tuned begins with a head of its own.
        sizes = [sum(features), *(features if any(trained) and len(features) > 1 else [])]
        head += sum(fit_seconds(photos.train * learned, size, photos.classes, recipe) for size in sizes)
    finish = FINISH * sum(one.build for one in rates)
    if len(rates) > 1 and any(trained):
        # The joined model is built and converted, for its calibration.
        finish += sum(one.build + one.convert for one in rates)
    measured = photos.validation + photos.test
    kept = min(photos.train, num_learned(photos.classes))
    # Each picture is looked at as it is and mirrored.
    both = 2 if recipe.evaluate.flip else 1
    # Phases whose features are not in the store yet; those of training photos are wanted of the phase that is kept.
    for one, tuned in zip(rates, trained, strict=True):
        phases = (recipe.evaluate.flip and frozen) + tuned
        asked = phases * measured + (kept if phases else 0)
        finish += phases * one.convert + asked * (one.decode + both * one.forward)
    # A thumbnail of each known photo is kept too.
    finish += kept * rates[0].decode
    return Cost(tuple(networks), head, finish)


def plans(recipe: Recipe, *, few: bool = False) -> list[Recipe]:
    """Return what may become of a recipe, from what takes least to what takes most; the limit of time is left out.

    With `few` training photos no plan of a recipe that adapts fine-tunes more than scale and bias of the upper layers.

    >>> [(one.data.size, one.augment.views, one.finetune.epochs) for one in plans(Recipe.load("quick"))]
    [(224, 0, 0), (224, 1, 2), (224, 2, 4)]
    """
    adapts = recipe.adapt and recipe.frozen.epochs > 0 and recipe.finetune.epochs > 0
    recipe = recipe.model_copy(update={"adapt": False, "budget": Budget()})
    if not adapts:
        if not recipe.finetune.epochs:
            return [recipe]
        # Without phase 1 there is no head alone.
        return [*([head_alone(recipe)] if recipe.frozen.epochs else []), *_steps(recipe)]
    smaller = [head_alone(with_values(recipe, size=size)) for size in SIZES]
    if few:
        two = two_frozen(recipe)
        return [
            *smaller,
            with_scale_and_bias(head_alone(recipe), recipe),
            two,
            with_scale_and_bias(two, recipe),
        ]
    two, at_224 = _two_networks(recipe), _steps(with_values(recipe, size=224))
    return [
        *smaller,
        *at_224[:1],
        two_frozen(recipe),
        *at_224[1:2],
        *_steps(recipe)[1:],
        *_steps(two)[2:],
    ]


def two_frozen(recipe: Recipe) -> Recipe:
    """Return a recipe with the head alone, on the backbones of `frozen-ensemble`."""
    ensemble = Recipe.load("frozen-ensemble")
    return head_alone(
        recipe.model_copy(
            update={
                "data": recipe.data.model_copy(update={"size": ensemble.data.size}),
                "backbone": recipe.backbone.model_copy(update={"name": ensemble.backbone.name}),
            }
        )
    )


def with_scale_and_bias(recipe: Recipe, asked: Recipe) -> Recipe:
    """Return a recipe of the head alone with the phase 2 of `few-photos`, in the arithmetic that was asked for."""
    precision = {"precision": asked.finetune.precision}
    return recipe.model_copy(
        update={"finetune": Recipe.load("few-photos").finetune.model_copy(update=precision)}
    )


def _two_networks(recipe: Recipe) -> Recipe:
    """Return a recipe with the backbones and the phase 2 of `best`; mirrored pictures are used only where asked for."""
    best = Recipe.load("best")
    return recipe.model_copy(
        update={
            "data": recipe.data.model_copy(update={"size": best.data.size}),
            "backbone": recipe.backbone.model_copy(update={"name": best.backbone.name}),
            "finetune": best.finetune.model_copy(update={"precision": recipe.finetune.precision}),
        }
    )


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
        with_values(recipe, epochs=number, views=views if views in ("per-epoch", 0) else some)
        for some, number in found
    ]


def head_alone(recipe: Recipe) -> Recipe:
    """Return a recipe without phase 2, and without settings that have no effect then."""
    changes: dict[str, Section | bool] = {"finetune": Finetune(), "adapt": False}
    if recipe.frozen.fit == "linear":
        changes |= {
            "augment": Augment(),
            "head": recipe.head.model_copy(update={"dropout": 0.0, "l2": 0.0}),
            "loss": recipe.loss.model_copy(update={"label_smoothing": 0.0}),
        }
    elif recipe.augment.cutmix:
        # The head learns from vectors, and cutmix needs feature maps.
        changes["augment"] = recipe.augment.model_copy(update={"cutmix": 0.0})
    return recipe.model_copy(update=changes)


def with_values(
    recipe: Recipe, *, epochs: int | None = None, views: int | str | None = None, size: int | None = None
) -> Recipe:
    """Return a recipe with other values; of fewer epochs of phase 2 at most half are warm-up.

    >>> with_values(Recipe.load("quick"), epochs=1).finetune.warmup_epochs
    0.5
    """
    if views == 1 and recipe.augment.views != 1:
        # No view is drawn, so that nothing changes one; mixup and cutmix mix photos as they are.
        own = recipe.augment
        recipe = recipe.model_copy(update={"augment": Augment(mixup=own.mixup, cutmix=own.cutmix)})
    warmup = recipe.finetune.warmup_epochs
    if epochs is not None and epochs < recipe.finetune.epochs:
        warmup = min(warmup, epochs / 2)
    changes = {
        "finetune": {} if epochs is None else {"epochs": epochs, "warmup_epochs": warmup},
        "augment": {} if views is None else {"views": views},
        "data": {} if size is None else {"size": size},
    }
    return recipe.model_copy(
        update={part: getattr(recipe, part).model_copy(update=own) for part, own in changes.items()}
    )


@dataclass(frozen=True)
class Plan:
    """A recipe that fits the time, and its cost."""

    recipe: Recipe
    cost: Cost
    most: int
    """Epochs of phase 2 at most, where there turns out to be time for more than planned."""
    larger: "Plan | None" = None
    """The next one, which takes longer than there is time for."""

    @property
    def seconds(self) -> float:
        return self.cost.seconds(self.recipe.finetune.epochs)


def choose(candidates: Sequence[Recipe], cost: Callable[[Recipe], Cost], seconds: float) -> Plan | None:
    """Return the last of the plans that fits, with as many epochs as fit, at most those of the next.

    None where even the first takes longer.
    """
    every = [Plan(recipe, cost(recipe), recipe.finetune.epochs) for recipe in candidates]
    chosen = next((plan for plan in reversed(every) if plan.seconds <= seconds), None)
    if chosen is None:
        return None
    later = next(iter(every[every.index(chosen) + 1 :]), None)
    chosen = replace(chosen, larger=later)
    if not chosen.most:
        return chosen
    chosen = replace(chosen, most=max(chosen.most, later.most if later else 0))
    more = chosen.recipe.finetune.epochs
    while more < chosen.most and chosen.cost.seconds(more + 1) <= seconds:
        more += 1
    return replace(chosen, recipe=with_values(chosen.recipe, epochs=more))


def networks_in_words(recipe: Recipe) -> str:
    """Return the names of the backbones, with the sizes that the recipe gives them.

    >>> networks_in_words(Recipe.load("best"))
    'efficientnet_lite2@260 and efficientnet_lite0@224'
    """
    return " and ".join(f"{name}@{size}" if size else name for name, size in recipe.backbone.sized)


def in_words(recipe: Recipe) -> str:
    """Return what a plan does.

    >>> in_words(Recipe.load("quick"))
    'efficientnet_lite0 at 224 px, 2 views of each photo, 4 epochs of fine-tuning'
    """
    names = networks_in_words(recipe)
    size = "" if recipe.data.size == "auto" else f" at {recipe.data.size} px"
    if not recipe.finetune.epochs:
        return f"{names}{size}, the head alone"
    trained = " of scale and bias" if recipe.finetune.parameters == "scale-and-bias" else ""
    bf16 = ", in bf16" if precision_of(recipe.finetune) == "bf16" else ""
    views = recipe.augment.views
    drawn = (
        "new views in every epoch"
        if views == "per-epoch"
        else f"{count(max(1, views), 'view')} of each photo"
    )
    return f"{names}{size}, {drawn}, {count(recipe.finetune.epochs, 'epoch')} of fine-tuning{trained}{bf16}"
