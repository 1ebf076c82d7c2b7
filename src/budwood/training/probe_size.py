"""Where a linear probe of some size is solved: the one rule of sizes, the same on every machine."""

from typing import Literal

from budwood.config.recipe import Recipe
from budwood.training.cross_validation import MAX_BYTES, fit_bytes

MAX_WORK = 2 * 10**10
"""photos * features * classes. 12,000 photos of 120 classes with 1280 features are 1.8e9."""
MAX_SHARDED_WORK = 2 * 10**12
"""The same over shards: 1.28 million photos of 1,000 classes with 1280 features, under an hour on two cores."""
SAMPLE_PHOTOS = 100_000
"""Most photos on which the strength is chosen where not all of them are."""

MOST_VIEWS = 5_000
"""Views in all from which a linear probe learns. They help where photos are few (docs/experiments/log.md)."""

Place = Literal["memory", "shards"]


def linear_fits(n: int, features: int, classes: int) -> bool:
    """Return whether `fit_linear` is within its stated memory and a few minutes on two cores.

    >>> linear_fits(2936, 1280, 5), linear_fits(12_000, 1280, 120), linear_fits(58_000, 1280, 400)
    (True, True, False)
    """
    return (
        # Features above 1 GiB would need 3 GiB, more than a laptop with 8 GB has to spare.
        4 * n * features <= MAX_BYTES
        and fit_bytes(features, classes) <= MAX_BYTES
        and n * features * classes <= MAX_WORK
    )


def views_learned(recipe: Recipe, photos: int) -> int:
    """Return from how many views of each training photo the linear probe learns.

    Those that phase 2 stores come by on the way; without a phase 2, or where there are many photos, the original one.

    >>> auto = Recipe.load("auto")
    >>> views_learned(auto, 200), views_learned(auto, 2_000), views_learned(Recipe.load("frozen-linear"), 200)
    (5, 1, 1)
    """
    views = recipe.augment.views
    if recipe.frozen.views == "original" or not recipe.finetune.epochs or views == "per-epoch":
        return 1
    return views if views > 1 and photos * views <= MOST_VIEWS else 1


def probe_place(n: int, features: int, classes: int) -> Place | None:
    """Return where the linear probe is solved: in memory, or over shards of rows that are read block by block; None
    where it would take too long.

    >>> probe_place(2936, 1280, 5), probe_place(1_000_000, 1280, 100), probe_place(10_000_000, 1280, 1000)
    ('memory', 'shards', None)
    """
    if linear_fits(n, features, classes):
        return "memory"
    # The sample on which the strength is chosen holds every class, and is solved in memory.
    room = fit_bytes(features, classes) <= MAX_BYTES and linear_fits(4 * classes, features, classes)
    return "shards" if room and n * features * classes <= MAX_SHARDED_WORK else None


def sample_size(n: int, features: int, classes: int) -> int:
    """Return on how many photos the strength is chosen where not all are solved in memory.

    >>> sample_size(1_000_000, 1280, 100), sample_size(1_280_000, 1280, 1000), sample_size(5000, 1280, 5)
    (100000, 15625, 5000)
    """
    return min(n, SAMPLE_PHOTOS, MAX_BYTES // (4 * features), MAX_WORK // (features * classes))
