"""The whole training on one page, top to bottom in the order in which data flow."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import keras

from budwood.core.errors import RecipeError
from budwood.core.progress.base import announce
from budwood.core.system import versions
from budwood.core.tensorflow import usual_keras
from budwood.data.places import keep_place
from budwood.evaluation.taxonomy import LabelTree
from budwood.features.extract import Extraction
from budwood.inference.artifact import save_artifact
from budwood.inference.converted import keep_in_run
from budwood.pipeline.evaluate import evaluate
from budwood.pipeline.features import input_ranges, move_failed
from budwood.pipeline.finetune import finetune
from budwood.pipeline.head import start_heads, train_head
from budwood.pipeline.outcome import from_run, record, save, tidy
from budwood.pipeline.prepare import Prepared, prepare
from budwood.pipeline.request import TrainingRequest
from budwood.pipeline.session import Session, divide_by_split
from budwood.pipeline.twins import look_for_twins
from budwood.report.card import write_card
from budwood.report.page import write_report
from budwood.run import Run
from budwood.runs.schema import DataInfo, TeacherInfo
from budwood.runs.writing import write_data, write_metrics, write_predictions, write_taxonomy


@usual_keras()
def train_request(request: TrainingRequest, callbacks: Sequence[keras.callbacks.Callback] = ()) -> Run:
    """Prepare what is asked for, and train it."""
    refuse_bad_callbacks(callbacks)
    announce(request.directory.progress, request.steps)
    return train_prepared(prepare(request), callbacks)


@usual_keras()
def train_prepared(prepared: Prepared, callbacks: Sequence[keras.callbacks.Callback] = ()) -> Run:
    """Train what has been prepared; whatever was wrong with the request has been said by now."""
    request, recipe, directory = prepared.request, prepared.recipe, prepared.request.directory
    networks = prepared.networks
    with (
        directory.running(overwrite=request.output.overwrite, resume=request.output.resume),
        prepared.teacher or nullcontext() as teacher,
        _telling_how_to_go_on(prepared),
    ):
        folder = directory.folder
        (folder / "checkpoints").mkdir(exist_ok=True)
        directory.note_all(prepared.warnings)
        if prepared.pace:
            directory.record(budget=prepared.pace.info(done=False))
        write_data(folder, prepared.check, prepared.photos)

        with prepared.open_features(directory.progress, prepared.boundaries) as features:
            with directory.stage("features"):
                # From scratch there is no head to be trained on them.
                wanted = request.previous or recipe.frozen.epochs
                extraction = features.compute(prepared.photos) if wanted else Extraction()
                checked, photos = move_failed(prepared.check, prepared.photos, extraction)
                split = write_data(folder, checked, photos)
                taxonomy = request.taxonomy and request.taxonomy.only(checked.classes)
                if taxonomy:
                    write_taxonomy(folder, taxonomy)
                data = DataInfo(root_name=request.name, photos=len(photos), classes=checked.classes)
                stored = features.info(extraction).model_copy(update={"cluster": prepared.cluster})
                directory.record(split=split, data=data, versions=versions(), features=stored)
                directory.note_all(features.notes)
                if request.place:
                    keep_place(split.sha256, request.place)

            task, classes = request.task, checked.classes
            parts, labels = divide_by_split(photos, classes, task)
            with directory.stage("copies"):
                twins, found = look_for_twins(features, parts, recipe) if wanted else ((), [])
            directory.note_all(found)
            session = Session(
                *(directory, recipe, features.training.size, classes, parts, labels, task, teacher),
                callbacks,
                twins,
                LabelTree(taxonomy, classes) if taxonomy and not taxonomy.is_flat else None,
                prepared.open_map,
                prepared.pace,
            )
            if request.teacher:
                taught_by = request.teacher
                directory.record(distill=TeacherInfo(run=taught_by.folder.name, model=taught_by.model.sha256))
            ranges, notes = input_ranges(networks, recipe, parts["train"])
            directory.record(input_range=ranges)
            directory.note_all(notes)

            with directory.stage("head"):
                if request.previous:
                    directory.record(from_=request.previous.folder.name)
                    first = from_run(session, request.previous, prepared.head)
                else:
                    first = train_head(session, features)
                record(folder, [first])
                first = save(session, networks, first)
                starts = start_heads(session, networks, first, features) if recipe.finetune.epochs else []

        outcomes, failure = [first], None
        if recipe.finetune.epochs:
            second, failure = finetune(session, networks, starts, first)
            if second is not None:
                record(folder, [first, second])
                with directory.stage("calibrate"):
                    outcomes.append(save(session, networks, second))

        with directory.stage("evaluate"):
            evaluation = evaluate(session, outcomes, failure)
            write_predictions(
                folder, session.classes, evaluation.photos, evaluation.probabilities, evaluation.task
            )
            write_metrics(folder, evaluation.metrics)

        with directory.stage("save"):
            kept = evaluation.outcome.saved
            assert kept is not None, "a phase that was measured was saved"
            info = kept.info.model_copy(update={"thresholds": evaluation.task.thresholds})
            save_artifact(folder / "model", kept.file, info, evaluation.reference)
            pictures, engine = [photo.image for photo in parts["validation"]], recipe.backbone.engine
            if warning := keep_in_run(folder / "model", evaluation.artifact, pictures, engine=engine):
                directory.note(warning, "engine")
            tidy(folder / "checkpoints")

        with directory.stage("report"):
            if prepared.pace:
                directory.record(budget=prepared.pace.info(done=True))
            directory.save()
            every = (*(photo for photo, _ in prepared.check.inspected), *photos)
            write_report(folder, {photo.name: photo.image for photo in every}, directory.target)
            write_card(folder, directory.target)
    return Run(directory.folder)


@contextmanager
def _telling_how_to_go_on(prepared: Prepared) -> Iterator[None]:
    """Say to who interrupts a training within minutes how it is gone on with: not by the same command, which plans."""
    try:
        yield
    except BaseException as error:
        if prepared.pace:
            error.add_note(_how_to_go_on(prepared.request))
        raise


def _how_to_go_on(request: TrainingRequest) -> str:
    directory = request.directory
    recipe, run = directory.folder / "recipe.toml", directory.target
    if not recipe.is_file():
        return "the features that were computed are kept: give the same command again, with --overwrite"
    words = [
        "budwood",
        "train",
        request.place or "PHOTOS",
        "-o",
        str(run),
        "--recipe",
        str(recipe),
        "--resume",
    ]
    replaces = ["--overwrite"] if directory.folder != run else []
    return f"what was computed so far is kept: {shlex.join([*words, *replaces])} goes on from there"


def refuse_bad_callbacks(callbacks: Sequence[object]) -> None:
    """Raise RecipeError for what is no Keras callback, before hours of features rather than after."""
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise RecipeError(
                f"callbacks takes instances of keras.callbacks.Callback, and got {callback!r}, "
                f"{type(callback).__name__}"
            )
