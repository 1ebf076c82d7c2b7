"""What a training would do, without doing it: `budwood train --dry-run`."""

import os
import time
from collections import Counter
from collections.abc import Sequence

from budwood.backbones.registry import get_backbone
from budwood.data.images import view
from budwood.data.manifest import Photo
from budwood.features.frozen import FrozenFeatures, with_pooling
from budwood.pipeline import SPLITS, open_features, read_photos, resolve
from budwood.progress import SILENT, Progress
from budwood.recipe import Recipe
from budwood.training.phase import resolve_fit

TRIED = 8
"""Photos sent through the frozen part to see how fast this machine is."""


def plan(data: str | os.PathLike, recipe: Recipe, *, progress: Progress = SILENT) -> str:
    """The resolved recipe, the split, the layers, and the time and disk that the training would take, as text.

    Reads and checks the photos and times the frozen part on a few of them; stores nothing.
    """
    checked, photos = read_photos(data, recipe, progress)
    backbone = get_backbone(recipe.backbone.name)
    recipe, size = resolve(recipe, backbone.size)
    frozen = with_pooling(
        backbone.build(size, recipe.backbone.weights, recipe.seed), recipe.head.pooling
    )
    counts = Counter(photo.split for photo in photos)
    recipe, reason = resolve_fit(recipe, counts["train"], frozen.output.shape[-1], len(checked.classes))
    with open_features(frozen, recipe, size, SILENT) as (_, features):
        missing = features.missing(photos)
        seconds = seconds_per_photo(features, photos) * missing if missing else 0.0
    width = frozen.output.shape[-1]
    head = width * len(checked.classes) + len(checked.classes)
    lines = [
        "# Recipe, resolved",
        recipe.to_toml().rstrip(),
        "",
        "# Photos",
        f"{checked.num_found} found, {len(photos)} used, {len(checked.problems)} problems (budwood check lists them)",
        *(f"{split:<12}{counts[split]:>7,}" for split in SPLITS),
        *_class_table(checked.classes, photos),
        "",
        "# Layers",
        f"frozen      {backbone.name}, {backbone.parameters:,} parameters, {len(frozen.layers)} layers, "
        f"{recipe.data.size} px in, {width:,} features out",
        f"trained     head: {_head_in_words(recipe, len(checked.classes))}"
        + (f", {head:,} parameters" if not recipe.head.hidden else ""),
        *([reason] if reason else []),
        "",
        "# Cost",
        f"features    {missing:,} of {len(photos):,} to compute, about {seconds:.0f} s",
        f"disk        about {missing * width * 4 / 1e6:.1f} MB of features, "
        f"{4 * frozen.count_params() / 1e6 + 5:.0f} MB for the run",
    ]
    return "\n".join(lines)


def seconds_per_photo(features: FrozenFeatures, photos: Sequence[Photo]) -> float:
    """Decode and inference, measured on a few photos; the engine's first photo, which warms it up, is not counted."""
    sample = photos[:: max(1, len(photos) // TRIED)][:TRIED]
    views = [view(photo.image, features.size, features.resize) for photo in sample[:1]]
    list(features.part.run(views))
    started = time.perf_counter()
    list(features.part.run(view(photo.image, features.size, features.resize) for photo in sample))
    return (time.perf_counter() - started) / len(sample)


def _class_table(classes: Sequence[str], photos: Sequence[Photo], at_most: int = 20) -> list[str]:
    counts = Counter(photo.label for photo in photos)
    rows = [f"  {label:<30}{counts[label]:>7,}" for label in classes[:at_most]]
    return rows + ([f"  and {len(classes) - at_most} classes more"] if len(classes) > at_most else [])


def _head_in_words(recipe: Recipe, num_classes: int) -> str:
    if recipe.frozen.fit == "linear":
        return f"logistic regression, {num_classes} classes, strength by {recipe.frozen.folds}-fold cross-validation"
    parts = [f"dense {width}" for width in recipe.head.hidden]
    parts += [f"dropout {recipe.head.dropout:g}"] if recipe.head.dropout else []
    return ", ".join(
        [*parts, f"dense {num_classes}", f"{recipe.frozen.optimizer}, {recipe.frozen.epochs} epochs at most"]
    )
