"""What an audit finds of planted faults: wrong labels, pictures that do not belong, blurred ones.

python -m benchmarks.auditing DATASETS [--seeds 3] [--json result.json] [--several]

DATASETS holds flower_photos, cats_and_dogs and birds525; with `--several` natural_scenes, whose photos have several
labels, of which single values are flipped. Labels are flipped at random, or to the class whose mean
feature is nearest ("pairs"); precision and recall are of what is listed, `at_planted` is the precision among as many as
were planted. What the data have of wrong labels and of odd pictures themselves counts as a false alarm, so that no
figure reaches 1. The features come from the store, computed once.
"""

import argparse
import io
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from budwood.auditing.features import audited_features
from budwood.auditing.label_values import ask_label_heads, targets_of
from budwood.auditing.labels import ask_heads
from budwood.auditing.outliers import find_outliers, neighbour_distances
from budwood.config.group_rule import GroupRule
from budwood.config.recipe import Recipe
from budwood.core.progress.base import SILENT
from budwood.data.check import check
from budwood.data.groups import form_groups
from budwood.data.inspection import inspect
from budwood.data.manifest import Photo
from budwood.data.poor_photos import blur_limit
from budwood.data.sources import read_source

RECIPE = Recipe.load("frozen-linear")
Photos = tuple[Photo, ...]


def read(folder: Path) -> tuple[Photos, np.ndarray, np.ndarray]:
    """Return photos with their groups, their class numbers and features."""
    checked = check(read_source(folder), for_training=False)
    photos = form_groups([replace(photo, split=None) for photo in checked.photos], GroupRule.read("auto"))
    with audited_features(RECIPE, photos, SILENT) as (features, _):
        rows = features.array(photos)
    return photos, np.array([checked.classes.index(photo.label) for photo in photos]), rows


def wrong_labels(
    data: tuple[Photos, np.ndarray, np.ndarray], how: str, share: float, seed: int, most: int, classes: int
) -> dict[str, float]:
    photos, labels, rows = data
    rng = np.random.default_rng(seed)
    if classes:
        kept = np.sort(rng.permutation(labels.max() + 1)[:classes])
        places = np.flatnonzero(np.isin(labels, kept))
    else:
        kept = np.arange(labels.max() + 1)
        places = np.sort(rng.permutation(len(labels))[:most])
    true, rows = np.searchsorted(kept, labels[places]), rows[places]
    groups = [photos[place].group for place in places]
    planted = rng.permutation(len(true))[: round(share * len(true))]
    given, number = true.copy(), len(kept)
    if how == "random":
        given[planted] = (true[planted] + rng.integers(1, number, len(planted))) % number
    else:
        means = np.stack([rows[true == label].mean(axis=0) for label in range(number)])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        given[planted] = (means @ means.T - 2 * np.eye(number)).argmax(axis=1)[true[planted]]
    opinions = ask_heads(lambda some: rows[some], rows.shape[1], given, number, groups=groups, seed=seed)
    own = np.nan_to_num(opinions.probabilities[np.arange(len(given)), given], nan=1.0)
    first = np.argsort(own, kind="stable")[: len(planted)]
    hits = np.isin(opinions.suspects, planted).sum()
    return {
        "photos": len(given),
        "listed": len(opinions.suspects),
        "precision": hits / max(len(opinions.suspects), 1),
        "recall": hits / max(len(planted), 1),
        "at_planted": np.isin(first, planted).mean() if len(planted) else 0.0,
    }


def wrong_values(
    photos: Photos, labels: list[str], rows: np.ndarray, share: float, seed: int
) -> dict[str, float]:
    """Flip a share of the values of photos with several labels."""
    rng = np.random.default_rng(seed)
    given = targets_of(photos, labels)
    cells = np.sort(rng.permutation(given.size)[: round(share * given.size)])
    given.flat[cells] = 1 - given.flat[cells]
    opinions = ask_label_heads(
        lambda some: rows[some],
        rows.shape[1],
        given,
        labels,
        groups=[photo.group for photo in photos],
        seed=seed,
    )
    listed = np.array([one.index * len(labels) + one.label for one in opinions.suspects], np.int64)
    doubt = np.abs(np.nan_to_num(opinions.probabilities, nan=0.5) - given).ravel()
    first = np.argsort(-doubt, kind="stable")[: len(cells)]
    hits = np.isin(listed, cells)
    added = given.flat[cells] == 1
    return {
        "values": given.size,
        "listed": len(listed),
        "precision": hits.mean() if len(listed) else 0.0,
        "recall": hits.sum() / max(len(cells), 1),
        "recall_of_added": np.isin(cells[added], listed).mean() if len(cells) else 0.0,
        "recall_of_removed": np.isin(cells[~added], listed).mean() if len(cells) else 0.0,
        "at_planted": np.isin(first, cells).mean() if len(cells) else 0.0,
        "first_100": hits[:100].mean(),
    }


def foreign_pictures(
    data: tuple[Photos, np.ndarray, np.ndarray], others: np.ndarray, number: int, seed: int, most: int
) -> dict[str, float]:
    photos, labels, rows = data
    rng = np.random.default_rng(seed)
    places = np.sort(rng.permutation(len(labels))[:most])
    joined = np.concatenate([rows[places], others[rng.permutation(len(others))[:number]]])
    given = np.concatenate([labels[places], rng.integers(0, labels.max() + 1, number)])
    named = [photos[place] for place in places] + [
        replace(photos[0], name=f"planted {one}") for one in range(number)
    ]
    get = lambda some: joined[some]  # noqa: E731
    found = find_outliers(get, given, named)
    hits = sum(one.photo.path.startswith("planted ") for one in found)
    first = np.argsort(-neighbour_distances(get, given))[:number]
    return {
        "photos": len(given),
        "listed": len(found),
        "precision": hits / max(len(found), 1),
        "recall": hits / number,
        "at_planted": (first >= len(places)).mean(),
    }


def blurred(photos: Photos, blur: Callable[[Image.Image], Image.Image], number: int) -> dict[str, float]:
    """Blur 5 % of some photos, saved as JPEG again."""
    chosen = np.random.default_rng(0).permutation(len(photos))[:number]
    planted, values = max(1, number // 20), []
    for order, place in enumerate(chosen):
        image = photos[place].image
        if order < planted:
            file = io.BytesIO()
            blur(Image.open(image).convert("RGB")).save(file, "JPEG", quality=86)
            image = file.getvalue()
        values.append(inspect(image).sharpness)
    limit = blur_limit([one for one in values if one is not None])
    listed = [order for order, one in enumerate(values) if one is not None and one < limit]
    hits = sum(order < planted for order in listed)
    return {
        "photos": number,
        "listed": len(listed),
        "limit": limit,
        "precision": hits / max(len(listed), 1),
        "recall": hits / planted,
    }


def moved(image: Image.Image, share: float) -> Image.Image:
    pixels, length = np.asarray(image).astype(np.float32), max(2, round(share * min(image.size)))
    return Image.fromarray(
        np.mean([np.roll(pixels, shift - length // 2, axis=1) for shift in range(length)], axis=0).astype(
            np.uint8
        )
    )


def soft(image: Image.Image, share: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(share * min(image.size)))


def several(table: Path, seeds: int) -> None:
    """Print what is found of flipped values, mean over seeds."""
    checked = check(read_source(table), for_training=False)
    photos, labels = form_groups(checked.photos, GroupRule.read("auto")), list(checked.classes)
    with audited_features(RECIPE, photos, SILENT) as (features, _):
        rows = features.array(photos)
    for share in (0.0, 0.01, 0.03, 0.05):
        found = [wrong_values(photos, labels, rows, share, seed) for seed in range(seeds)]
        means = {key: round(float(np.mean([one[key] for one in found])), 3) for key in found[0]}
        print(json.dumps({"what": f"values of {table.parent.name}, {share:.0%}", **means}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("datasets", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--several", action="store_true")
    arguments = parser.parse_args()
    if arguments.several:
        several(arguments.datasets / "natural_scenes" / "labels.csv", arguments.seeds)
        return
    flowers, pets, birds = (
        read(arguments.datasets / name) for name in ("flower_photos", "cats_and_dogs", "birds525")
    )
    results = []

    def tell(what: str, found: list[dict[str, float]]) -> None:
        means = {key: round(float(np.mean([one[key] for one in found])), 3) for key in found[0]}
        results.append({"what": what, **means})
        print(json.dumps(results[-1]), flush=True)

    sets = (("flower_photos", flowers, 0), ("cats_and_dogs", pets, 0), ("birds525", birds, 100))
    for name, data, classes in sets:
        for how, share in (
            ("random", 0.0),
            ("random", 0.05),
            ("random", 0.1),
            ("pairs", 0.05),
            ("pairs", 0.1),
        ):
            if not (name == "cats_and_dogs" and how == "pairs"):
                found = [
                    wrong_labels(data, how, share, seed, 1000, classes) for seed in range(arguments.seeds)
                ]
                tell(f"labels of {name}, {how}, {share:.0%}", found)
    plants = (
        ("birds in flower_photos", flowers, birds),
        ("pets in flower_photos", flowers, pets),
        ("flowers in cats_and_dogs", pets, flowers),
    )
    for name, data, others in plants:
        for number, most in ((20, 10_000), (10, 1000), (10, 400)):
            found = [foreign_pictures(data, others[2], number, seed, most) for seed in range(arguments.seeds)]
            tell(f"{number} {name}", found)
    for share in (0.01, 0.015, 0.02, 0.03):
        tell(
            f"flower_photos blurred by {share:.1%}",
            [blurred(flowers[0], partial(soft, share=share), 1000)],
        )
    for share in (0.04, 0.08):
        tell(
            f"flower_photos moved by {share:.0%}",
            [blurred(flowers[0], partial(moved, share=share), 1000)],
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(results))


if __name__ == "__main__":
    main()
