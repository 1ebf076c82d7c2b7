"""What a training would do, without doing it: `budwood train --dry-run`."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from budwood.config.recipe import Head, Recipe
from budwood.core.progress.base import SILENT
from budwood.core.tensorflow import usual_keras
from budwood.core.text import count, duration, shorten, shown
from budwood.data.manifest import CALIBRATION, PARTS, SPLITS, Photo
from budwood.network.compose import PooledBackbone
from budwood.pipeline.prepare import Prepared
from budwood.pipeline.rates import below, seconds_per_photo, timed_step, with_head
from budwood.report.taxonomy import tree_as_lines
from budwood.runs.resume import flat
from budwood.training.linear_probe import fit_seconds
from budwood.training.probe_size import views_learned


@dataclass(frozen=True)
class FineTuning:
    """What phase 2 of one backbone would take."""

    name: str
    layers: tuple[str, ...]
    """Those of the backbone that train, bottom first."""
    scale_and_bias: bool
    """True where only scale and bias of these layers are trained."""
    parameters: int
    """That train, the head's among them."""
    boundary: str
    view: str
    """Shape and type of one view's features."""
    stored_views: int
    stored_bytes: int
    views_seconds: float
    """To compute them where the store has none."""
    augmented_views: int
    """Drawn anew in every epoch."""
    epoch_seconds: float


@dataclass(frozen=True)
class Teaching:
    """What it would take to ask the teacher."""

    run: str
    parameters: int
    size: int
    views: int
    seconds: float
    every_epoch: bool


@dataclass(frozen=True)
class Estimate:
    """What a training would take on this machine."""

    missing: tuple[int, ...]
    """Photos whose features the store lacks, by backbone; empty where phase 1 is left out and wants none."""
    features_seconds: float
    features_bytes: int
    """That would be stored."""
    views_seconds: float
    """Of the views that the head learns from, where phase 2 does not store them."""
    run_bytes: float
    head_seconds: float | None = None
    """Of a linear probe; None for a head that is trained by gradient steps, or comes from a run."""
    finetuning: tuple[FineTuning, ...] = ()
    teaching: Teaching | None = None


@usual_keras()
def estimate(prepared: Prepared) -> Estimate:
    """Return the time and the disk that a training would take; the steps are timed on a few photos, nothing is kept."""
    recipe, photos, networks = prepared.recipe, prepared.photos, prepared.networks
    stored, anew = _views_of_head(prepared)
    missing, seconds = [], 0.0
    # Of each network, of one photo; None where phase 1 wants none.
    whole: list[float | None] = [None] * len(networks)
    if _wants_features(prepared):
        missing = [0] * len(networks)
        with prepared.open_features(SILENT) as features:
            # Each precision and backbone by itself: a store that has the one may lack the other.
            for ensemble, own in features.parts(photos):
                for place, part in enumerate(ensemble.parts):
                    lacking = part.missing(own)
                    missing[place] += lacking
                    if lacking or stored or anew:
                        rate = seconds_per_photo(part, own)
                        whole[place] = max(rate, whole[place] or 0.0)
                        seconds += rate * lacking
    tuned = {one.name for one in networks if recipe.finetune.epochs and recipe.finetune.trains(one.name)}
    views = sum(
        (anew + (0 if one.name in tuned else stored)) * (rate or 0.0)
        for one, rate in zip(networks, whole, strict=True)
    )
    return Estimate(
        tuple(missing),
        float(seconds),
        sum(
            (lacking + stored + anew) * network.features * 4
            for lacking, network in zip(missing, networks, strict=False)
        ),
        views,
        4 * sum(network.model.count_params() for network in networks) + 5e6,
        _head_seconds(prepared),
        tuple(
            _finetuning(prepared, network, rate if stored else None)
            for network, rate in zip(networks, whole, strict=True)
            if network.name in tuned
        ),
        _teaching(prepared),
    )


def describe(prepared: Prepared, found: Estimate) -> str:
    """Return in words what a training would do: the photos and the time first, the recipe last."""
    recipe, reason = prepared.resolved
    checked, photos = prepared.check, prepared.photos
    blocks = {
        "Photos": [
            f"{checked.num_found:,} found, {len(photos):,} used, {count(len(checked.problems), 'problem')}"
            + (" (budwood check lists them)" if checked.problems else ""),
            *_split_table(prepared.classes, photos),
        ],
        **({"Tree of labels": tree_as_lines(prepared.taxonomy)} if prepared.taxonomy else {}),
        "Time and disk": _cost(prepared, found),
        "Layers": _layers(prepared, recipe, reason),
    }
    for phase in found.finetuning:
        title = f"Phase 2 of {phase.name}" if len(prepared.networks) > 1 else "Phase 2"
        blocks[title] = _finetuning_in_words(phase)
    if found.teaching:
        blocks["Teacher"] = _teaching_in_words(found.teaching)
    # There is no check.json to say which, as the warnings of a training do.
    warnings = [note.text for note in prepared.warnings if note.kind != "data"]
    if checked.left_out or warnings:
        blocks["Warnings"] = [*checked.left_out, *warnings]
    blocks["Recipe"] = _recipe_in_words(recipe)
    return "\n\n".join("\n".join([f"# {title}", *lines]) for title, lines in blocks.items())


def _cost(prepared: Prepared, found: Estimate) -> list[str]:
    several, epochs = len(prepared.networks) > 1, prepared.recipe.finetune.epochs
    missing = " and ".join(f"{lacking:,}" for lacking in found.missing)
    features = f"{missing} of {count(len(prepared.photos), 'photo')} to compute"
    features += (
        f", about {duration(found.features_seconds)}" if any(found.missing) else ": the store has them all"
    )
    if not found.missing:
        features = "none of the whole network: there is no phase 1"
    lines, seconds = [f"features    {features}"], found.features_seconds + found.views_seconds
    if found.views_seconds:
        lines.append(f"views       about {duration(found.views_seconds)} at most, for the head")
    if found.head_seconds is not None:
        lines.append(f"head        about {duration(found.head_seconds)}")
        seconds += found.head_seconds
    for phase in found.finetuning:
        most = phase.views_seconds + epochs * phase.epoch_seconds
        name = f"{phase.name}: " if several else ""
        lines.append(f"phase 2     {name}about {duration(most)} for {count(epochs, 'epoch')} at most")
        seconds += most
    if found.teaching:
        lines.append(f"teacher     about {duration(found.teaching.seconds)}")
        seconds += found.teaching.seconds
    rest = "the head, the evaluation and the report"
    rest = rest if found.head_seconds is None else rest.removeprefix("the head, ")
    stored, written = found.features_bytes / 1e6, found.run_bytes / 1e6
    pace, limit = prepared.pace, " at most" if found.views_seconds else ""
    return [
        *lines,
        f"together    about {duration(seconds)} at most; then {rest}",
        *(
            [f"in all      about {duration(pace.planned_seconds)} planned of {duration(60 * pace.minutes)}"]
            if pace
            else []
        ),
        f"disk        {stored:.1f} MB in the store{limit}, about {written:.0f} MB for the run",
    ]


def _wants_features(prepared: Prepared) -> bool:
    """Return whether the photos go through the whole network before phase 2."""
    return prepared.request.previous is not None or prepared.recipe.frozen.epochs > 0


def _head_seconds(prepared: Prepared) -> float | None:
    recipe = prepared.resolved[0]
    if prepared.head or not recipe.frozen.epochs or recipe.frozen.fit != "linear":
        return None
    rows = prepared.num("train") * views_learned(recipe, prepared.num("train"))
    widths = [prepared.num_features]
    if recipe.finetune.epochs and len(prepared.networks) > 1:
        # Each is fine-tuned with a head of its own.
        widths += [network.features for network in prepared.networks]
    return sum(fit_seconds(rows, width, len(prepared.classes), recipe) for width in widths)


def _views_of_head(prepared: Prepared) -> tuple[int, int]:
    """Return the numbers of views, beside the original photos, that go through the whole network for the head: of those
    that a bank holds, and of those that are drawn anew in every epoch."""
    recipe, number, views = prepared.resolved[0], prepared.num("train"), prepared.recipe.augment.views
    if prepared.head or not recipe.frozen.epochs:
        return 0, 0
    if recipe.frozen.fit != "gradient":
        return (views_learned(recipe, number) - 1) * number, 0
    return (0, recipe.frozen.epochs * number) if views == "per-epoch" else (max(0, views - 1) * number, 0)


def _layers(prepared: Prepared, recipe: Recipe, reason: str | None) -> list[str]:
    sizes, num_classes = prepared.request.sizes, len(prepared.classes)
    lines = [
        f"frozen      {network.name}, {network.backbone.parameters:,} parameters, "
        f"{len(network.backbone.layers(network.model))} layers, {size} px in, {network.features:,} features out"
        for network, size in zip(prepared.networks, sizes, strict=True)
    ]
    parameters = (
        f", {(prepared.num_features + 1) * num_classes:,} parameters" if not recipe.head.hidden else ""
    )
    several = any(photo.labels is not None for photo in prepared.photos)
    outputs = f"{num_classes} {'labels' if several else 'classes'}"
    lines.append(f"trained     {_head_in_words(recipe, outputs)}{parameters}")
    return [*lines, *([reason] if reason else [])]


def _recipe_in_words(recipe: Recipe) -> list[str]:
    """Return the settings that are not the default ones."""
    default = flat(Recipe().model_dump(mode="json"))
    own = {
        key: value for key, value in flat(recipe.model_dump(mode="json")).items() if default.get(key) != value
    }
    lines = [
        f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in own.items() if value is not None
    ]
    return [*lines, "everything else is the default; the run's recipe.toml will hold the whole"]


def _finetuning(prepared: Prepared, network: PooledBackbone, whole: float | None) -> FineTuning:
    """Return what phase 2 of one backbone would take.

    Its views go through the whole network, in `whole` seconds each, where the head learns from them too.
    """
    recipe, photos, num_classes = prepared.recipe, prepared.photos, len(prepared.classes)
    settings, augment = recipe.finetune, recipe.augment
    train, validation = prepared.num("train"), prepared.num("validation")
    # Each of several is fine-tuned with a linear head of its own.
    head = Head(logits=recipe.head.logits) if len(prepared.networks) > 1 else recipe.head
    model, unfrozen = with_head(network, recipe, head, num_classes, prepared.request.task)
    features = below(model, unfrozen, recipe)
    per_view = max(seconds_per_photo(features, photos), whole or 0.0)
    drawn_anew = augment.views == "per-epoch"
    rows = train * (2 if augment.originals else 1)
    bank = train if augment.originals else 0
    if augment.views != "per-epoch":
        bank = max(1, augment.views) * train
    # Phase 1 has the original views come by.
    passes = _wants_features(prepared) and not features.is_pixels
    on_the_way = train + validation if passes and (augment.originals or not drawn_anew) else 0
    _, step = timed_step(model, unfrozen, recipe)
    # A forward pass is about a third of a step.
    seconds = step * (rows + validation / 3) / settings.batch_size + (per_view * train if drawn_anew else 0.0)
    return FineTuning(
        network.name,
        unfrozen.layers,
        settings.parameters == "scale-and-bias",
        # Statistics of BatchNorm do not count: no gradient step changes them.
        sum(math.prod(weight.shape) for weight in model.trainable_weights),
        unfrozen.boundary,
        f"{'x'.join(map(str, features.shape))} {features.dtype}",
        bank + validation,
        (bank + validation) * features.row_bytes,
        per_view * (bank + validation - on_the_way),
        train if drawn_anew else 0,
        seconds,
    )


def _finetuning_in_words(phase: FineTuning) -> list[str]:
    views = (
        f"views       {count(phase.stored_views, 'view')} stored, {phase.stored_bytes / 1e6:,.0f} MB in the store, "
        f"about {duration(phase.views_seconds)} to compute where it has none"
    )
    if phase.augmented_views:
        views += f"; {count(phase.augmented_views, 'view')} drawn in every epoch"
    unfrozen = f"{count(len(phase.layers), 'layer')} with weights"
    if phase.scale_and_bias:
        unfrozen = f"scale and bias of {count(len(phase.layers), 'normalization layer')}"
    return [
        f"unfrozen    {unfrozen} of the backbone from {phase.layers[0]} up, "
        f"{phase.parameters:,} parameters with the head's",
        f"boundary    {phase.boundary}, {phase.view} a view",
        views,
        f"epochs      about {duration(phase.epoch_seconds)} each",
    ]


def _teaching(prepared: Prepared) -> Teaching | None:
    """Return whose model teaches, and what it would take to ask it."""
    features, teacher, augment = prepared.teacher, prepared.request.teacher, prepared.recipe.augment
    if features is None or teacher is None:
        return None
    train = [photo for photo in prepared.photos if photo.split == "train"]
    every_epoch = augment.views == "per-epoch"
    views = max(1, augment.views) if augment.views != "per-epoch" else _epochs(prepared) + augment.originals
    num = views * len(train)
    return Teaching(
        teacher.folder.name,
        features.model.count_params(),
        features.size,
        num,
        seconds_per_photo(features, train) * num,
        every_epoch,
    )


def _epochs(prepared: Prepared) -> int:
    """Return the number of epochs of gradient steps, at most."""
    recipe = prepared.resolved[0]
    by_steps = not prepared.head and recipe.frozen.fit == "gradient"
    tuned = sum(recipe.finetune.trains(network.name) for network in prepared.networks)
    return tuned * recipe.finetune.epochs + (recipe.frozen.epochs if by_steps else 0)


def _teaching_in_words(found: Teaching) -> list[str]:
    every = ", anew in every epoch" if found.every_epoch else ""
    return [
        f"model       of {found.run}, {found.parameters:,} parameters, {found.size} px in",
        f"views       {count(found.views, 'view')} to ask it about at most, about {duration(found.seconds)}{every}",
    ]


def _split_table(classes: Sequence[str], photos: Sequence[Photo], at_most: int = 20) -> list[str]:
    counts = Counter((label, photo.split) for photo in photos for label in photo.each_label)
    noun = "label" if any(photo.labels is not None for photo in photos) else "class"
    totals = Counter(photo.split for photo in photos)
    splits = PARTS if totals[CALIBRATION] else SPLITS
    listed = classes if len(classes) <= at_most else classes[: at_most - 1]
    rows = [(shorten(shown(label), 29), [counts[label, split] for split in splits]) for label in listed]
    if len(listed) < len(classes):
        rest = classes[len(listed) :]
        parts = [sum(counts[label, split] for label in rest) for split in splits]
        rows.append((f"and {len(rest)} {'labels' if noun == 'label' else 'classes'} more", parts))
    rows.append(("all", [totals[split] for split in splits]))
    header = f"{noun:<30}" + "".join(f"{split:>12}" for split in splits)
    return [header, *(f"{label:<30}" + "".join(f"{n:>12,}" for n in parts) for label, parts in rows)]


def _head_in_words(recipe: Recipe, outputs: str) -> str:
    if recipe.frozen.fit == "linear":
        return f"logistic regression, {outputs}, L2 strength by {recipe.frozen.folds}-fold cross-validation"
    parts = [f"dense {width}" for width in recipe.head.hidden]
    parts += ["batch norm"] if recipe.head.batch_norm else []
    parts += [f"dropout {recipe.head.dropout:g}"] if recipe.head.dropout else []
    return ", ".join(
        [
            *parts,
            f"dense {outputs.split()[0]}",
            f"{recipe.frozen.optimizer}, {recipe.frozen.epochs} epochs at most",
        ]
    )
