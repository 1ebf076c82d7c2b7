"""Photos of the data: how many of each class are in each split, a few of them, and how training augmented them."""

import random
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from budwood.core.errors import ImageError
from budwood.core.label_text import labels_in_words, of_text
from budwood.core.system import num_cores
from budwood.data import images
from budwood.data.augment import Renderer
from budwood.data.decoder.levels import as_range
from budwood.data.manifest import PARTS
from budwood.report import settings
from budwood.report.pictures import jpeg
from budwood.report.sections import MOST_IN_SIGHT
from budwood.report.summary import Contents
from budwood.report.thumbnails import LARGE, Thumbnails
from budwood.runs.schema import SplitRow

MOST_STRIPS, SOME_STRIPS = 20, 8
"""Classes up to which each shows some of its photos, and how many do where there are more."""
SAMPLES = 6
AUGMENTED, VIEWS = 3, 4
"""Photos whose augmented views are shown, and how many of each."""


@dataclass(frozen=True)
class Views:
    """A few training photos, each with views of it that training drew."""

    rows: Sequence[tuple[SplitRow, str, Sequence[tuple[str | None, str]]]]
    """Of each photo its class or its labels, and of each view its picture and its name; the photo itself first."""
    numbers: Sequence[int]
    words: str


@dataclass(frozen=True)
class Samples:
    """Photos per class and split, and a few training photos of each class (of some, where there are many)."""

    kind: str
    """ "class" or "label"."""
    splits: Sequence[str]
    rows: Sequence[tuple[str, Sequence[int], int]]
    """Of each class its name, its photos in each split, and all of them."""
    totals: Sequence[int]
    largest: int
    strips: Sequence[tuple[str, Sequence[str]]]
    """Names of the photos that are shown, by class."""
    only_some: bool
    tall: bool
    views: Views | None


def show_samples(contents: Contents, thumbnails: Thumbnails) -> Samples:
    """Count the photos, and choose those that are shown."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in contents.classes}
    training: dict[str, list[str]] = {name: [] for name in contents.classes}
    for photo in contents.photos:
        for label in of_text(photo.label)[0] if contents.multi_label else (photo.label,):
            if label in counts:
                counts[label][photo.split] += 1
                if photo.split == "train":
                    training[label].append(photo.name)
    chance = random.Random(contents.recipe.seed)
    picked = contents.classes
    if len(picked) > MOST_STRIPS:
        picked = [picked[i] for i in sorted(chance.sample(range(len(picked)), SOME_STRIPS))]
    strips = []
    for name in picked if thumbnails else []:
        names = chance.sample(sorted(training[name]), min(SAMPLES, len(training[name])))
        strips.append((name, names))
        for file in names:
            thumbnails.want(file, LARGE)
    splits = [split for split in PARTS if any(row[split] for row in counts.values())]
    return Samples(
        kind="label" if contents.multi_label else "class",
        splits=splits,
        rows=[(name, [row[split] for split in splits], row.total()) for name, row in counts.items()],
        totals=[sum(photo.split == split for photo in contents.photos) for split in splits],
        largest=max((row.total() for row in counts.values()), default=0) or 1,
        strips=strips,
        only_some=len(contents.classes) > MOST_STRIPS,
        tall=len(counts) > MOST_IN_SIGHT,
        views=show_views(contents, thumbnails),
    )


def show_views(contents: Contents, thumbnails: Thumbnails) -> Views | None:
    """Return a few training photos and views of them that training drew; None where it drew none, or without
    photos.

    They are rendered by what renders them in training, with the seed of the training.
    """
    numbers = _augmented_views(contents)
    if not numbers or not thumbnails:
        return None
    recipe = contents.recipe
    assert isinstance(recipe.data.size, int), "the recipe of a run is resolved"
    renderer = Renderer(
        recipe.data.size, recipe.data.resize, recipe.augment, recipe.seed, as_range(recipe.data.levels)
    )
    # The first ones, so that some other way of choosing samples leaves these as they are.
    first: dict[str, SplitRow] = {}
    for photo in contents.photos:
        at_hand = thumbnails.image(photo.name) is not None or thumbnails.earlier(
            _view_name(photo, numbers[0])
        )
        if photo.split == "train" and at_hand:
            first.setdefault(photo.label, photo)
    photos = list(first.values())[:: max(1, len(first) // AUGMENTED)][:AUGMENTED]
    tasks = [(photo, number) for photo in photos for number in (0, *numbers)]
    with ThreadPoolExecutor(num_cores()) as pool:
        drawn = iter(list(pool.map(lambda task: _draw(renderer, thumbnails, *task), tasks)))
    named = labels_in_words if contents.multi_label else str
    rows = [
        (photo, named(photo.label), [(next(drawn), _view_name(photo, number)) for number in (0, *numbers)])
        for photo in photos
    ]
    rows = [row for row in rows if all(uri for uri, _ in row[2])]
    if not rows:
        return None
    return Views(rows, numbers, settings.augmentation(recipe.augment))


def _augmented_views(contents: Contents) -> list[int]:
    """Return the numbers of the views to show: none where no phase saw one."""
    views = contents.recipe.augment.views
    if contents.chosen is not None and "finetune" not in contents.phases:
        return []
    if views == "per-epoch":
        return list(range(1, VIEWS + 1))
    return list(range(1, min(VIEWS + 1, views)))


def _view_name(photo: SplitRow, number: int) -> str:
    """Under which a view is found again in a report that is written anew."""
    return f"{photo.name} view {number}"


def _draw(renderer: Renderer, thumbnails: Thumbnails, photo: SplitRow, number: int) -> str | None:
    image, earlier = thumbnails.image(photo.name), thumbnails.earlier(_view_name(photo, number))
    if image is None:
        return earlier
    try:
        pixels = renderer.render(image, photo.sha256 or images.digest(image), number)
    except (ImageError, OSError):
        return earlier
    return jpeg(pixels, LARGE)
