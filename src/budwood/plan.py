"""What a training would do, without doing it: `budwood train --dry-run`."""

import os
import time
from collections import Counter
from collections.abc import Sequence

from budwood.backbones.registry import get_backbone
from budwood.data.manifest import Photo
from budwood.features.extract import stream
from budwood.features.frozen import FrozenFeatures, with_pooling
from budwood.pipeline import SPLITS, open_features, read_photos, resolve
from budwood.progress import SILENT, Progress
from budwood.recipe import Recipe
from budwood.report.words import count, duration, shorten, shown
from budwood.training.phase import refuse_bad_settings, resolve_fit

TRIED = 32
"""Photos sent through the frozen part to see how fast this machine is."""


def plan(data: str | os.PathLike, recipe: Recipe, *, progress: Progress = SILENT) -> str:
    """The resolved recipe, the split, the layers, and the time and disk that the training would take, as text.

    Reads and checks the photos and times the frozen part on a few of them; stores nothing.
    """
    checked, photos = read_photos(data, recipe, progress)
    backbone = get_backbone(recipe.backbone.name)
    recipe, size = resolve(recipe, backbone.size)
    frozen = with_pooling(backbone.build(size, recipe.backbone.weights, recipe.seed), recipe.head.pooling)
    counts = Counter(photo.split for photo in photos)
    width = frozen.output.shape[-1]
    refuse_bad_settings(recipe, counts["train"], width, len(checked.classes))
    recipe, reason = resolve_fit(recipe, counts["train"], width, len(checked.classes))
    with open_features(frozen, recipe, size, SILENT) as (_, features):
        missing = features.missing(photos)
        seconds = seconds_per_photo(features, photos) * missing if missing else 0.0
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
        f"frozen      {backbone.name}, {backbone.parameters:,} parameters, {len(frozen.layers)} layers, "
        f"{recipe.data.size} px in, {width:,} features out",
        f"trained     {_head_in_words(recipe, len(checked.classes))}{head}",
        *([reason] if reason else []),
        "",
        "# Cost",
        f"features    {missing:,} of {count(len(photos), 'photo')} to compute"
        + (f", about {duration(seconds)}; then the head" if missing else ": the store has them all"),
        f"disk        {missing * width * 4 / 1e6:.1f} MB in the store, "
        f"about {4 * frozen.count_params() / 1e6 + 5:.0f} MB for the run",
    ]
    return "\n".join(lines)


def seconds_per_photo(features: FrozenFeatures, photos: Sequence[Photo]) -> float:
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
