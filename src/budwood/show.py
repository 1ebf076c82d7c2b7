"""Things to look at in a notebook: each function gives an object that shows itself as the last line of a cell.

>>> from budwood import show
>>> show.samples("photos")                                                # doctest: +SKIP
>>> show.curves(budwood.load("runs/first"))                               # doctest: +SKIP

Outside a notebook the same objects print as text. What can be asked of a run without looking is in `Run`.
"""

import os
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from budwood.config.data import Data
from budwood.config.recipe import Recipe
from budwood.core.errors import DataError, ImageError, RecipeError, RunError
from budwood.core.label_text import labels_in_words
from budwood.core.progress import choose_progress
from budwood.core.text import count
from budwood.data.augment import Renderer
from budwood.data.check import check as check_photos
from budwood.data.decoder.levels import as_range
from budwood.data.expand_paths import expand
from budwood.data.images import ImageLike, digest
from budwood.data.label_sets import rarest_labels
from budwood.data.manifest import Photo
from budwood.data.sources import read_source
from budwood.inference.prediction import answered_rightly
from budwood.report.notebook import (
    Shown,
    Tile,
    show_comparison,
    show_curves,
    show_data,
    show_layers,
    show_pictures,
)
from budwood.report.pictures import thumbnail
from budwood.report.reading import passed_over_as_lines, reading_as_lines
from budwood.report.summary import Contents, read_contents
from budwood.report.thumbnails import LARGE
from budwood.runs.compare import as_text
from budwood.runs.compare import compare as compare_runs

if TYPE_CHECKING:
    from budwood.run import Run

__all__ = ["answers", "check", "compare", "curves", "layers", "predictions", "samples", "views"]


def check(data: object, *, settings: Iterable[str] = ()) -> Shown:
    """Return what a folder holds: photos of each class, what was not read, and what is wrong, as `budwood
    check` finds it.

    Args:
        data: labelled photos in any form that `budwood.train` takes.
        settings: how to read it where that is not certain, such as `["data.layout=nested"]`.
    """
    progress = choose_progress()
    manifest = read_source(data, _data_settings(settings), progress=progress)
    found = check_photos(manifest, for_training=False, progress=progress)
    classes: dict[str, dict[str, int]] = {label: {} for label in found.classes}
    parts = [part for part in ("train", "validation", "test", None) if _has(found.photos, part)]
    for label in classes:
        classes[label] = {part or "photos": 0 for part in parts}
    for photo in found.photos:
        for label in photo.each_label:
            classes[label][photo.split or "photos"] += 1
    read = [*reading_as_lines(found.understood), *passed_over_as_lines(found.understood.passed_over)]
    noun = ("label",) if manifest.multi_label else ("class", "classes")
    lead = (
        f"{count(found.num_found, 'photo')}, {len(found.photos):,} usable, "
        f"{count(len(found.classes), *noun)}, {count(len(found.problems), 'problem')}"
    )
    problems = [(problem.path, problem.kind, problem.detail) for problem in found.problems]
    return show_data(lead, classes, problems, read)


def samples(
    data: object,
    number: int = 12,
    *,
    seed: int = 0,
    resize: str = "crop",
    settings: Iterable[str] = (),
) -> Shown:
    """Return photos of a folder with their labels, drawn at random; every class once before any comes twice.

    Of several labels a photo it is the rarest of a photo that counts as its class.

    Args:
        data: a folder of labelled photos, or `tfds:NAME`.
        number: how many, 1 or more.
        seed: other photos.
        resize: how a photo becomes a square: "crop", "stretch" or "pad".
        settings: how to read the folder where that is not certain, such as `["data.layout=nested"]`.
    """
    photos = _draw(_photos(data, _data_settings(settings)), number, seed)
    return show_pictures([Tile(thumbnail(photo.image, resize), _caption(photo)) for photo in photos])


def views(
    data: object,
    recipe: str | os.PathLike | Recipe = "auto",
    *,
    settings: Iterable[str] = (),
    number: int = 9,
    seed: int = 0,
) -> Shown:
    """Return what a recipe's augmentation does: one photo plain, then as the training sees it.

    Args:
        data: a folder of labelled photos, or `tfds:NAME`; of it one photo is drawn by `seed`.
        recipe, settings: as `budwood.train` takes them.
        number: how many views are drawn, 1 or more.
        seed: another photo.

    Raise RecipeError where the recipe draws no views.
    """
    given = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
    asked = given.with_settings(settings)
    if not asked.augment.views:
        raise RecipeError(
            "the recipe draws no views (augment.views = 0). Give one that does, or settings such as "
            '["augment.views=per-epoch", "augment.horizontal_flip=true"]'
        )
    photo = _draw(_photos(data, asked.data), 1, seed)[0]
    renderer = Renderer(LARGE, asked.data.resize, asked.augment, asked.seed, as_range(asked.data.levels))
    tiles = []
    for view in range(number + 1):
        try:
            pixels = renderer.render(photo.image, digest(photo.image), view)
        except (ImageError, OSError):
            pixels = None
        tiles.append(Tile(thumbnail(pixels), _caption(photo) if view == 0 else f"view {view}"))
    return show_pictures(tiles)


def curves(*runs: "Run | str | os.PathLike") -> Shown:
    """Return loss and accuracy against the epoch, with a dashed line where fine-tuning starts; of several
    runs one below the other."""
    return show_curves([_folder(run) for run in runs])


def layers(run: "Run | str | os.PathLike", most: int = 40) -> Shown:
    """Return the layers of a run's model, the top one first, and which of them were trained.

    Raise RunError for a run of an earlier version, which did not list them.
    """
    folder = _folder(run)
    found = read_contents(folder).layers
    if not found:
        raise RunError(
            f"{folder} has no list of its layers (layers.csv), which newer versions of Budwood write. Train it again"
        )
    return show_layers(found, most)


def compare(*runs: "Run | str | os.PathLike", split: str = "test") -> Shown:
    """Return which of several runs is better, photo by photo, and how sure that is; what `budwood compare`
    says."""
    comparison = compare_runs([_folder(run) for run in runs], split=split)
    return show_comparison(comparison, as_text(comparison))


def predictions(run: "Run", images: Sequence[str | os.PathLike], *, precision: float | None = None) -> Shown:
    """Return pictures with what a run says of them, and whether that is right where their folder has the name
    of a class and one class is right.

    Args:
        run: what predicts.
        images: files, folders or globs.
        precision: as `Run.predict` takes it.
    """
    pictures = [picture for _, picture in expand([os.fspath(image) for image in images], lambda: b"")]
    folders = [
        Path(picture).absolute().parent.name if isinstance(picture, str | os.PathLike) else ""
        for picture in pictures
    ]
    # A folder has the name of one label, and says nothing of the others.
    classes = set() if run.files.multi_label else set(run.classes)
    return _predicted(run, pictures, [name if name in classes else None for name in folders], precision)


def answers(
    run: "Run",
    data: object,
    number: int = 12,
    *,
    seed: int = 0,
    wrong: bool = False,
    precision: float | None = None,
) -> Shown:
    """Return some of a run's test photos (validation, where it has none), with what it says of them.

    Args:
        run: what predicts.
        data: where its photos are: what it was trained on.
        number: how many, 1 or more; every class once before any comes twice.
        seed: other photos.
        wrong: only those that it takes for something else.
        precision: as `Run.predict` takes it.

    Raise DataError where `data` holds none of them.
    """
    contents = read_contents(run.folder)
    mistaken = _mistaken(contents)
    own = {
        row["name"]: row["sha256"]
        for row in run.splits
        if row["split"] == contents.evaluated_split and (row["name"] in mistaken or not wrong)
    }
    photos = [photo for photo in _photos(data, run.recipe.data) if photo.name in own]
    photos = [photo for photo in photos if digest(photo.image) == own[photo.name]]
    if own and not photos:
        raise DataError(f"{data} holds none of the run's photos. Give the folder that it was trained on")
    drawn = _draw(photos, number, seed)
    return _predicted(run, [photo.image for photo in drawn], [photo.label for photo in drawn], precision)


def _predicted(
    run: "Run", pictures: Sequence[ImageLike], labels: Sequence[str | None], precision: float | None
) -> Shown:
    tiles = []
    for picture, true, prediction in zip(
        pictures, labels, run.predict(pictures, precision=precision), strict=True
    ):
        if prediction.error is not None:
            tiles.append(Tile(None, prediction.name, prediction.error))
            continue
        right = None if true is None else answered_rightly(prediction, true, run.taxonomy)
        truth = true if prediction.labels is None or true is None else labels_in_words(true)
        note = "" if true is None else "right" if right else f"truly {truth}"
        tiles.append(Tile(thumbnail(picture, "pad"), prediction.in_words(), note, right))
    return show_pictures(tiles)


def _mistaken(contents: Contents) -> set[str]:
    """Return the names of photos of which the run took something for what it is not."""
    if not contents.multi_label:
        return {row.name for row in contents.predictions if row.predicted != row.true}
    found = contents.files.label_predictions
    right = found.task.correct(found.probabilities, found.targets)
    return {name for name, correct in zip(found.names, right.tolist(), strict=True) if not correct}


def _caption(photo: Photo) -> str:
    return photo.label if photo.labels is None else labels_in_words(photo.label)


def _photos(data: object, settings: Data) -> Sequence[Photo]:
    return read_source(data, settings, progress=choose_progress()).photos


def _data_settings(settings: Iterable[str]) -> Data:
    return Recipe().with_settings(settings).data


def _has(photos: Sequence[Photo], part: str | None) -> bool:
    return any(photo.split == part for photo in photos)


def _draw(photos: Sequence[Photo], number: int, seed: int) -> list[Photo]:
    """Return that many photos: shuffled, every class, or rarest label, once before any comes twice."""
    chance = random.Random(seed)
    shuffled = chance.sample(list(photos), len(photos))
    turn: dict[str, int] = {}
    turns = []
    rarest = rarest_labels(shuffled)
    for place, photo in enumerate(shuffled):
        own = rarest[photo.name]
        turn[own] = turn.get(own, 0) + 1
        turns.append((turn[own], place))
    return [shuffled[place] for _, place in sorted(turns)[:number]]


def _folder(run: "Run | str | os.PathLike") -> Path:
    return run.folder if hasattr(run, "folder") else Path(run)
