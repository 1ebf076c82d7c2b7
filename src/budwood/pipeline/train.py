"""The whole training on one page, top to bottom in the order in which data flow."""

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from jaxtyping import UInt8

from budwood.backbones.input_range import check_input_range
from budwood.backbones.registry import get_backbone
from budwood.backbones.resolve import refuse_impossible, resolve
from budwood.config.lint import remarks
from budwood.config.recipe import Recipe
from budwood.core.errors import DataError, RecipeError, RunError
from budwood.core.progress import choose_progress
from budwood.core.progress.base import Progress
from budwood.data.check import Check, check
from budwood.data.images import view
from budwood.data.manifest import Photo, Problem
from budwood.data.sources import read_source, source_name
from budwood.data.split import divide, lacking
from budwood.evaluation.phases import better
from budwood.features.ensemble import ExtractorEnsemble
from budwood.features.extract import Extraction
from budwood.inference.artifact import REFERENCE, save_artifact
from budwood.inference.converted import keep_in_run
from budwood.network.compose import PooledBackbone, take_apart
from budwood.pipeline.distill import refuse_unfit_teacher, teacher_features
from budwood.pipeline.evaluate import make_reference, measure
from budwood.pipeline.features import build_backbones, find_boundaries, open_features
from budwood.pipeline.phases import refuse_bad_settings
from budwood.pipeline.session import Work, finetune, start_heads, train_head
from budwood.report.card import write_card
from budwood.report.page import write_report
from budwood.run import Run, load
from budwood.runs.directory import (
    RunDirectory,
    next_free,
)
from budwood.runs.files import refuse_other_photos, write_data, write_metrics, write_predictions
from budwood.runs.metrics import describe as describe_metrics
from budwood.runs.schema import DataInfo, FeaturesInfo, InputRangeInfo, Request
from budwood.training.linear_probe import resolve_fit

CHECKED_VIEWS = 64
"""Photos on which the input range is checked."""


def train(
    data: str | os.PathLike,
    output: str | os.PathLike | None = None,
    *,
    recipe: str | os.PathLike | Recipe = "auto",
    settings: Iterable[str] = (),
    start: str | os.PathLike | None = None,
    overwrite: bool = False,
    resume: bool = False,
    callbacks: keras.callbacks.Callback | Sequence[keras.callbacks.Callback] = (),
    progress: Progress | None = None,
    command: str | None = None,
) -> Run:
    """Trains a classifier on a folder of labelled photos and measures what was saved.

    Args:
        data: a folder of class folders, or one with `train/`, `validation/` and `test/` inside.
        output: the run directory; by default the next free `runs/NAME-N`.
        recipe: the name of a shipped recipe, a TOML file, or a Recipe.
        settings: `"section.key=value"` laid over the recipe, values in TOML.
        start: a complete run whose model is fine-tuned further, on the same photos or on more (`--from`).
        overwrite: replace the run that `output` holds.
        resume: go on with an interrupted run in `output`, from its last epoch; features are found in the store.
        callbacks: your own Keras callbacks, one or several, told of the gradient steps of both phases.
        progress: what to tell meanwhile; by default bars in a terminal, a display in a notebook, plain lines elsewhere.
        command: how to reproduce it, for the report.

    Returns:
        The complete run: `run.metrics`, `run.predict(...)`, `run.model`.

    Raises:
        RecipeError, DataError, BackboneError, WeightsError, StoreError, RunError: all of them BudwoodError.

    >>> run = train("photos", settings=["backbone.name=mobilenet_v2"])    # doctest: +SKIP
    """
    progress = progress or choose_progress()
    if not isinstance(recipe, Recipe):
        recipe = Recipe.load(recipe).without_sizes() if start is not None else Recipe.load(recipe)
    asked = recipe.with_settings(settings)
    if start is None:
        refuse_impossible(asked)
    callbacks = [callbacks] if isinstance(callbacks, keras.callbacks.Callback) else list(callbacks)
    refuse_bad_callbacks(callbacks)
    previous = load(start) if start is not None else None
    teacher = load(asked.distill.run) if asked.distill.run else None
    refuse_empty_plan(asked, previous)
    if previous:
        asked = like(previous.recipe, asked)
    backbones = [get_backbone(name) for name in asked.backbone.names]
    resolved, sizes = resolve(asked, backbones)
    name = source_name(data)
    folder = Path(output) if output is not None else next_free(Path("runs"), name)
    requested = Request(data=name, recipe=asked.model_dump(mode="json", exclude_none=True))
    if previous:
        if folder.resolve() == previous.folder.resolve():
            raise RunError(f"{folder} is the run to go on from. Give another directory for the new one")
        requested = requested.model_copy(update={"from_": previous.model_sha256})
    if teacher:
        if folder.resolve() == teacher.folder.resolve():
            raise RunError(f"{folder} is the run that teaches. Give another directory for the new one")
        requested = requested.model_copy(update={"teacher": teacher.model_sha256})
    command = command or f"budwood train {data} -o {folder}"
    directory = RunDirectory(folder, requested, command, progress)
    directory.refuse_unless_free(overwrite=overwrite, resume=resume)

    with directory.stage("check"):
        checked, photos = read_photos(data, asked, progress, previous, teacher)
        if resume and not overwrite:
            refuse_other_photos(folder, photos)

    with directory.stage("backbone"):
        if previous:
            networks, head = take_apart(previous.raw_model(), backbones)
        else:
            networks, head = build_backbones(resolved, backbones, sizes), []
        num_train = sum(photo.split == "train" for photo in photos)
        num_features = sum(network.features for network in networks)
        refuse_bad_settings(resolved, num_train, num_features, checked.classes)
        boundaries = find_boundaries(resolved, networks) if resolved.finetune.epochs else {}
        teaching = (
            teacher_features(teacher, resolved, checked.classes, progress) if teacher else nullcontext()
        )

    # Whatever was wrong with the request has been said by now, and nothing on disk has been touched.
    with directory.running(overwrite=overwrite, resume=resume), teaching as taught_by:
        (folder / "checkpoints").mkdir(exist_ok=True)
        for line in remarks(resolve_fit(resolved, num_train, num_features, len(checked.classes))[0]):
            directory.note(line, "settings")
        write_data(folder, checked, photos)
        for line in checked.left_out:
            directory.note(f"{line} (check.json says which)", "data")
        for line in lacking(photos, checked.classes):
            directory.note(line, "split")

        with open_features(networks, resolved, progress, boundaries) as (training, exact):
            with directory.stage("features"):
                extraction = Extraction()
                # From scratch there is no head to be trained on them.
                if previous or resolved.frozen.epochs:
                    checked, photos, extraction = compute_features(checked, photos, training, exact)
                directory.record_split(write_data(folder, checked, photos))
                describe(directory, name, checked, photos, exact, extraction)
                for line in dict.fromkeys([*training.notes, *exact.notes]):
                    directory.note(line, "features")
            size = training.size
            work = Work(directory, resolved, size, checked.classes, photos, callbacks, progress, taught_by)
            if teacher:
                work.learn_from(teacher)
            note_input_range(work, networks)

            with directory.stage("head"):
                if previous:
                    work.go_on_from(previous)
                else:
                    head = train_head(work, networks, training, exact)
                work.save(networks, head)
                starts = (
                    start_heads(work, networks, head, training, exact) if resolved.finetune.epochs else []
                )

        if resolved.finetune.epochs:
            finetune(work, networks, starts)

        with directory.stage("evaluate"):
            measured = measure(work.saved, work.parts, engine=resolved.backbone.engine, progress=progress)
            chosen = better(measured, work.labels)
            kept = measured[chosen].probabilities
            shown = [photo for split in kept for photo in work.parts[split]]
            write_predictions(folder, work.classes, shown, np.concatenate(list(kept.values())))
            metrics = describe_metrics(
                work.classes, work.labels, measured, work.phases, chosen, work.recipe, work.failure
            )
            write_metrics(folder, metrics)

            reference = make_reference(
                measured[chosen].artifact, work.parts, engine=resolved.backbone.engine, progress=progress
            )

        with directory.stage("save"):
            save_artifact(folder / "model", *work.saved[chosen])
            if reference is not None:
                reference.save(folder / "model" / REFERENCE)
            pictures = [photo.image for photo in work.parts["validation"]]
            model, engine = measured[chosen].artifact, resolved.backbone.engine
            if warning := keep_in_run(folder / "model", model, pictures, engine=engine):
                directory.note(warning)
            work.tidy()

        with directory.stage("report"):
            directory.save()
            write_report(folder, {photo.name: photo.image for photo in photos})
            write_card(folder)
    return Run(folder)


def read_photos(
    data: str | os.PathLike,
    recipe: Recipe,
    progress: Progress,
    previous: Run | None = None,
    teacher: Run | None = None,
) -> tuple[Check, tuple[Photo, ...]]:
    """What is usable in the data, and its photos with a split each.

    A photo that the run gone on from or the teacher knows is in the split that it was in there.
    """
    checked = check(
        read_source(data, progress=progress), max_bad=recipe.data.max_unreadable, progress=progress
    )
    photos = checked.photos
    if previous is not None and list(checked.classes) != previous.classes:
        raise DataError(
            f"{data} has the classes {', '.join(checked.classes[:10])}, and the run {previous.folder} knows "
            f"{', '.join(previous.classes[:10])}. Give photos of the same classes, or train without --from"
        )
    known = {row["sha256"]: row["split"] for run in (teacher, previous) if run for row in run.splits}
    photos = tuple(replace(photo, split=known.get(photo.sha256, photo.split)) for photo in photos)
    photos = divide(photos, recipe)
    if teacher is not None:
        refuse_unfit_teacher(teacher, checked.classes, photos)
    return checked, photos


def refuse_bad_callbacks(callbacks: Sequence[object]) -> None:
    """Raises RecipeError for what is no Keras callback, before hours of features rather than after."""
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise RecipeError(
                f"callbacks takes instances of keras.callbacks.Callback, and got {callback!r}, "
                f"{type(callback).__name__}"
            )


def refuse_empty_plan(recipe: Recipe, previous: Run | None) -> None:
    """Raises RecipeError where nothing would be trained, or where the run gone on from is of another network."""
    if not recipe.finetune.epochs and (previous or not recipe.frozen.epochs):
        what = "--from goes on with phase 2" if previous else "there is no phase 1 (frozen.epochs = 0)"
        raise RecipeError(
            f"{what}, and the recipe has no phase 2. Give --set finetune.epochs=10, or a recipe that fine-tunes"
        )
    if previous is None:
        return
    ours, theirs = recipe.backbone, previous.recipe.backbone
    sizes = [(own, other) for (_, own), (_, other) in zip(ours.sized, theirs.sized, strict=False)]
    pairs = {
        "backbone.name": (
            ours.name,
            theirs.name,
            ours.names != theirs.names or any(own not in (None, other) for own, other in sizes),
        ),
    }
    for key in ("data.size", "data.resize", "head.pooling"):
        section, name = key.split(".")
        own, other = (getattr(getattr(one, section), name) for one in (recipe, previous.recipe))
        pairs[key] = own, other, own not in ("auto", other)
    for key, (own, other, differs) in pairs.items():
        if differs:
            raise RecipeError(
                f"the run {previous.folder} was trained with {key} = {other!r}, and this recipe says {own!r}. "
                f"Give --set {key}={json.dumps(other)}"
            )


def like(before: Recipe, recipe: Recipe) -> Recipe:
    """A recipe that goes on from a run, with the split, the backbones and the sizes of that run."""
    return recipe.model_copy(
        update={
            "split_seed": before.split_seed,
            "backbone": recipe.backbone.model_copy(update={"name": before.backbone.name}),
            "data": recipe.data.model_copy(update={"size": before.data.size}),
        }
    )


def compute_features(
    checked: Check,
    photos: Sequence[Photo],
    training: ExtractorEnsemble,
    measured: ExtractorEnsemble,
) -> tuple[Check, tuple[Photo, ...], Extraction]:
    """Computes what the store does not hold; a photo that fails is moved to the problems."""
    if training is measured:
        extraction = measured.compute(photos)
    else:
        extraction = training.compute([photo for photo in photos if photo.split == "train"])
        extraction += measured.compute([photo for photo in photos if photo.split != "train"])
    failed = extraction.failed
    problems = tuple(Problem(name, "unreadable", detail) for name, detail in failed.items())
    checked = replace(
        checked,
        photos=tuple(photo for photo in checked.photos if photo.name not in failed),
        problems=checked.problems + problems,
        num_bad=checked.num_bad + len(problems),
    )
    return checked, tuple(photo for photo in photos if photo.name not in failed), extraction


def describe(
    directory: RunDirectory,
    name: str,
    checked: Check,
    photos: Sequence[Photo],
    features: ExtractorEnsemble,
    extraction: Extraction,
) -> None:
    """What run.json tells of the data and of the frozen part."""
    directory.record_data(DataInfo(root_name=name, photos=len(photos), classes=checked.classes))
    directory.record_features(
        FeaturesInfo(
            computed=extraction.num_computed,
            found=extraction.num_found,
            fingerprint=features.fingerprint,
            engine=features.part.engine if extraction.num_computed else None,
        )
    )


def note_input_range(work: Work, networks: Sequence[PooledBackbone]) -> None:
    """Warns where the photos look to a network's first layers as if they came in the wrong range."""
    photos = work.parts["train"]
    sample = photos[:: max(1, len(photos) // CHECKED_VIEWS)][:CHECKED_VIEWS]
    views: UInt8[np.ndarray, "n size size 3"] | None = None
    found = {}
    for network in networks:
        if work.recipe.backbone.weights_of(network.name) == "random":
            continue
        if views is None:
            views = np.stack([view(photo.image, work.size, work.recipe.data.resize) for photo in sample])
        checked = check_input_range(network.model, views)
        found[network.name] = InputRangeInfo(likely=checked.likely, suspicious=checked.suspicious)
        if checked.suspicious:
            text = f"{network.name}: {checked.words}" if len(networks) > 1 else checked.words
            work.directory.note(text, "input_range")
    work.directory.record_input_range(found)
