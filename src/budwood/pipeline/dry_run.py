"""What a training would do, without doing it: `budwood train --dry-run`."""

import os
import time
from collections import Counter
from collections.abc import Sequence

import keras
import numpy as np

from budwood.backbones.registry import get_backbone
from budwood.backbones.resolve import resolve
from budwood.config.lint import remarks
from budwood.config.recipe import Head, Recipe
from budwood.core.progress.base import SILENT, Progress
from budwood.core.text import count, duration, shorten, shown
from budwood.data.manifest import Photo
from budwood.data.split import SPLITS
from budwood.features.extract import stream
from budwood.features.extractor import FeatureExtractor
from budwood.network.compose import PooledBackbone, take_apart
from budwood.network.fold_batch_norm import fold_batch_norm
from budwood.network.graph import cut
from budwood.network.heads import apply, head_layers
from budwood.network.unfreeze import Unfrozen, unfreeze
from budwood.pipeline.distill import teacher_features
from budwood.pipeline.features import build_backbones, open_features
from budwood.pipeline.phases import refuse_bad_settings
from budwood.pipeline.train import like, read_photos, refuse_empty_plan
from budwood.run import Run, load
from budwood.training.linear_probe import resolve_fit

TRIED = 32
"""Photos sent through the frozen part to see how fast this machine is."""


def plan(
    data: str | os.PathLike,
    recipe: Recipe,
    *,
    start: str | os.PathLike | None = None,
    progress: Progress = SILENT,
) -> str:
    """The resolved recipe, the split, the layers, and the time and disk that the training would take, as text.

    Reads and checks the photos and times the frozen part and the training step on a few of them; stores nothing.
    """
    previous = load(start) if start is not None else None
    teacher = load(recipe.distill.run) if recipe.distill.run else None
    refuse_empty_plan(recipe, previous)
    if previous:
        recipe = like(previous.recipe, recipe)
    checked, photos = read_photos(data, recipe, progress, previous, teacher)
    backbones = [get_backbone(name) for name in recipe.backbone.names]
    recipe, sizes = resolve(recipe, backbones)
    if previous:
        networks, _ = take_apart(previous.raw_model(), backbones)
    else:
        networks = build_backbones(recipe, backbones, sizes)
    counts = Counter(photo.split for photo in photos)
    width = sum(network.features for network in networks)
    refuse_bad_settings(recipe, counts["train"], width, checked.classes)
    recipe, reason = resolve_fit(recipe, counts["train"], width, len(checked.classes))
    with open_features(networks, recipe, SILENT) as (_, features):
        # Each backbone by itself: a store that has the one may lack the other.
        missing = [part.missing(photos) for part in features.parts]
        seconds = sum(
            seconds_per_photo(part, photos) * lacking
            for part, lacking in zip(features.parts, missing, strict=True)
            if lacking
        )
    stored = sum(lacking * network.features * 4 for lacking, network in zip(missing, networks, strict=True))
    head = f", {(width + 1) * len(checked.classes):,} parameters" if not recipe.head.hidden else ""
    lines = [
        "# Recipe, resolved",
        recipe.to_toml().rstrip(),
        "",
        "# Photos",
        f"{checked.num_found:,} found, {len(photos):,} used, {count(len(checked.problems), 'problem')}"
        + (" (budwood check lists them)" if checked.problems else ""),
        *_split_table(checked.classes, photos),
        "",
        "# Layers",
        *(
            f"frozen      {network.name}, {network.backbone.parameters:,} parameters, "
            f"{len(network.backbone.layers(network.model))} layers, "
            f"{size} px in, {network.features:,} features out"
            for network, size in zip(networks, sizes, strict=True)
        ),
        f"trained     {_head_in_words(recipe, len(checked.classes))}{head}",
        *([reason] if reason else []),
        "",
        "# Cost",
        f"features    {' and '.join(f'{lacking:,}' for lacking in missing)} of {count(len(photos), 'photo')} to compute"
        + (f", about {duration(seconds)}; then the head" if any(missing) else ": the store has them all"),
        f"disk        {stored / 1e6:.1f} MB in the store, "
        f"about {4 * sum(network.model.count_params() for network in networks) / 1e6 + 5:.0f} MB for the run",
        *(
            line
            for network in networks
            if recipe.finetune.epochs and recipe.finetune.trains(network.name)
            for line in _finetuning(recipe, network, len(networks) > 1, photos, len(checked.classes))
        ),
        *(_teaching(teacher, recipe, checked.classes, photos) if teacher else []),
    ]
    if found := remarks(recipe):
        lines += ["", "# Remarks", *found]
    return "\n".join(lines)


def _finetuning(
    recipe: Recipe, network: PooledBackbone, several: bool, photos: Sequence[Photo], num_classes: int
) -> list[str]:
    """Phase 2 of one backbone: what trains, from which boundary, what its views and its epochs cost."""
    frozen = network.model
    settings, augment = recipe.finetune, recipe.augment
    train, validation = (sum(photo.split == split for photo in photos) for split in ("train", "validation"))
    # Each of several is fine-tuned with a linear head of its own.
    layers = head_layers(
        Head(logits=recipe.head.logits) if several else recipe.head, num_classes, recipe.seed
    )
    model = keras.Model(frozen.input, apply(layers, frozen.output))
    unfrozen = unfreeze(model, network.backbone, settings)
    features = FeatureExtractor(
        cut(model, unfrozen.boundary)[0],
        size=frozen.input.shape[1],
        resize=recipe.data.resize,
        dtype="float16",
    )
    per_view = seconds_per_photo(features, photos)
    drawn_anew = augment.views == "per-epoch"
    rows = train * (2 if augment.originals else 1)
    bank = train if augment.originals else 0
    if augment.views != "per-epoch":
        bank = max(1, augment.views) * train
    # Phase 1 has the plain views come by.
    on_the_way = 0 if features.is_pixels or (drawn_anew and not augment.originals) else train + validation
    parameters = sum(row.parameters for row in unfrozen.table if row.trained)
    step, batch = seconds_per_step(model, unfrozen, recipe, num_classes), settings.batch_size
    # A forward pass is about a third of a step.
    seconds = step * (rows + validation / 3) / batch + (per_view * train if drawn_anew else 0.0)
    return [
        "",
        f"# Phase 2 of {network.name}" if several else "# Phase 2",
        f"unfrozen    {count(len(unfrozen.layers), 'layer')} with weights of the backbone from "
        f"{unfrozen.layers[0]} up, {parameters:,} parameters with the head's",
        f"boundary    {unfrozen.boundary}, {'x'.join(map(str, features.shape))} {features.dtype} a view",
        f"views       {count(bank + validation, 'view')} stored, "
        f"{(bank + validation) * features.row_bytes / 1e6:,.0f} MB in the store, "
        f"about {duration(per_view * (bank + validation - on_the_way))} to compute where it has none"
        + (f"; {count(train, 'view')} drawn in every epoch" if drawn_anew else ""),
        f"epochs      {settings.epochs} at most, about {duration(seconds)} each",
    ]


def _teaching(teacher: Run, recipe: Recipe, classes: Sequence[str], photos: Sequence[Photo]) -> list[str]:
    """Whose model teaches, and what it costs to ask it."""
    train = [photo for photo in photos if photo.split == "train"]
    features = teacher_features(teacher, recipe, classes)
    views, every = recipe.augment.views, ""
    if views == "per-epoch":
        views, every = 1 + recipe.augment.originals, ", anew in every epoch"
    num = max(1, views) * len(train)
    return [
        "",
        "# Teacher",
        f"model       of {teacher.folder.name}, {features.model.count_params():,} parameters, {features.size} px in",
        f"views       {count(num, 'view')} to ask it about at most, "
        f"about {duration(seconds_per_photo(features, train) * num)}{every}",
    ]


def seconds_per_step(model: keras.Model, unfrozen: Unfrozen, recipe: Recipe, num_classes: int) -> float:
    """One gradient step of phase 2, measured on random features once the graph is compiled."""
    batch = recipe.finetune.batch_size
    trainable = fold_batch_norm(cut(model, unfrozen.boundary)[1])
    trainable.compile(optimizer="sgd", loss="sparse_categorical_crossentropy")
    features = np.random.default_rng(0).random((batch, *trainable.input.shape[1:]), np.float32)
    labels = np.arange(batch) % num_classes
    trainable.train_on_batch(features, labels)
    started = time.perf_counter()
    trainable.train_on_batch(features, labels)
    return time.perf_counter() - started


def seconds_per_photo(features: FeatureExtractor, photos: Sequence[Photo]) -> float:
    """Decoding and the frozen part together, measured on a few photos once the engine is warm."""
    sample = [photo.image for photo in photos[:: max(1, len(photos) // TRIED)][:TRIED]]

    def run(pictures: list) -> None:
        for _ in stream(pictures, features.part, size=features.size, resize=features.resize):
            pass

    run(sample[:1])
    started = time.perf_counter()
    run(sample)
    return (time.perf_counter() - started) / len(sample)


def _split_table(classes: Sequence[str], photos: Sequence[Photo], at_most: int = 20) -> list[str]:
    counts = Counter((photo.label, photo.split) for photo in photos)
    totals = Counter(photo.split for photo in photos)
    listed = classes if len(classes) <= at_most else classes[: at_most - 1]
    rows = [(shorten(shown(label), 29), [counts[label, split] for split in SPLITS]) for label in listed]
    if len(listed) < len(classes):
        rest = classes[len(listed) :]
        parts = [sum(counts[label, split] for label in rest) for split in SPLITS]
        rows.append((f"and {len(rest)} classes more", parts))
    rows.append(("all", [totals[split] for split in SPLITS]))
    header = f"{'class':<30}" + "".join(f"{split:>12}" for split in SPLITS)
    return [header, *(f"{label:<30}" + "".join(f"{n:>12,}" for n in parts) for label, parts in rows)]


def _head_in_words(recipe: Recipe, num_classes: int) -> str:
    if recipe.frozen.fit == "linear":
        return f"logistic regression, {num_classes} classes, strength by {recipe.frozen.folds}-fold cross-validation"
    parts = [f"dense {width}" for width in recipe.head.hidden]
    parts += ["batch norm"] if recipe.head.batch_norm else []
    parts += [f"dropout {recipe.head.dropout:g}"] if recipe.head.dropout else []
    return ", ".join(
        [*parts, f"dense {num_classes}", f"{recipe.frozen.optimizer}, {recipe.frozen.epochs} epochs at most"]
    )
