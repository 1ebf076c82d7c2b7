import dataclasses

import pytest

from budwood.config.recipe import Recipe
from budwood.core.errors import DataError
from budwood.data.manifest import Photo
from budwood.evaluation.task import SINGLE_LABEL
from budwood.features.extract import Extraction
from budwood.pipeline.session import Session, divide_by_split, refuse_failures
from budwood.runs.directory import RunDirectory
from budwood.runs.schema import Request, SplitInfo, TeacherInfo
from budwood.training.callbacks import FindLossSpike, KeepCheckpoints, ShowProgress, WriteTensorBoard
from tests.progress import KeptLines


@pytest.fixture
def session(tmp_path):
    (tmp_path / "run").mkdir()
    directory = RunDirectory(tmp_path / "run", Request(), "", task=SINGLE_LABEL)
    directory.record(split=SplitInfo(sha256="f00"))
    return Session(
        **{"directory": directory, "recipe": Recipe(), "size": 64, "classes": ("a", "b")},
        **{"parts": {}, "labels": {}, "task": SINGLE_LABEL, "teacher": None, "callbacks": ()},
    )


def kinds(hooks):
    return [type(hook) for hook in hooks]


def test_hooks__what_each_phase_needs_and_the_users_own_before_progress(session):
    import keras

    own = keras.callbacks.Callback()
    session = dataclasses.replace(session, callbacks=[own])
    quiet = session.recipe.with_settings(["log.tensorboard=false"])
    frozen = session.hooks(quiet, "frozen")
    assert not {FindLossSpike, WriteTensorBoard} & set(kinds(frozen))
    assert frozen[-2] is own and isinstance(frozen[-1], ShowProgress)
    recipe = session.recipe.with_settings(["log.tensorboard=true"])
    tuned = kinds(session.hooks(recipe, "finetune"))
    assert {KeepCheckpoints, FindLossSpike, WriteTensorBoard} < set(tuned)


def test_hooks__how_fine_tuning_began_is_kept_and_told_later(session):
    progress = KeptLines()
    session.directory.progress = progress
    first = session.hooks(session.recipe, "finetune")[0]
    first.on_note("the loss rose", "loss_spike")
    first.on_note("the disk is full", "checkpoint")
    assert session.directory.info.warnings_of("loss_spike") == ["the loss rose"]
    assert progress.lines == ["the disk is full"]


def test_identity__changes_with_what_a_training_stands_on(session):
    def identity(*settings, phase="finetune"):
        return session._identity(session.recipe.with_settings(settings), phase)

    before = identity()
    assert before == identity("evaluate.resamples=200", "log.tensorboard=false")
    assert before != identity("finetune.learning_rate=0.5") and "teacher" not in before
    # A head is the same whatever phase 2 does, but for whether there is one.
    head = identity("finetune.epochs=3", phase="frozen")
    assert head == identity("finetune.epochs=4", "finetune.learning_rate=0.5", phase="frozen")
    assert head != identity("finetune.epochs=0", phase="frozen")
    assert head != identity("finetune.epochs=3", "frozen.learning_rate=0.5", phase="frozen")
    session.directory.record(distill=TeacherInfo(run="big", model="abc"))
    assert identity() == before | {"teacher": "abc"}
    session.directory.record(split=SplitInfo(sha256="ba5"))
    assert identity()["photos"] == "ba5"


def test_divide_by_split__in_the_order_of_the_photos():
    splits = ["test", "train", "validation", "train"]
    photos = [Photo(b"", str(at), "ab"[at % 2], split) for at, split in enumerate(splits)]
    parts, labels = divide_by_split(photos, ("a", "b"), SINGLE_LABEL)
    assert {split: [photo.name for photo in part] for split, part in parts.items()} == {
        **{"train": ["1", "3"], "validation": ["2"], "test": ["0"], "calibration": []}
    }
    assert {split: part.tolist() for split, part in labels.items()} == {
        **{"train": [1, 1], "validation": [0], "test": [0], "calibration": []}
    }


def test_refuse_failures__names_the_photo():
    fine = Extraction(failed={}, num_computed=3, num_found=0)
    refuse_failures(fine)
    with pytest.raises(DataError, match=r"a/1.jpg: cut short. Start the run again, with --resume"):
        refuse_failures(dataclasses.replace(fine, failed={"a/1.jpg": "cut short"}))


def test_identity__a_training_with_other_weights_of_photos_is_another(session):
    def identity(*weights):
        photos = [Photo(image=b"", name=f"{n}", label="a", weight=weight) for n, weight in enumerate(weights)]
        return dataclasses.replace(session, parts={"train": photos})._identity(session.recipe, "frozen")

    assert identity(1.0, 1.0) == session._identity(session.recipe, "frozen")
    assert identity(1.0, 2.0) != identity(2.0, 1.0)
