"""Distillation, end to end, on small data."""

import json
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
from PIL import Image

from budwood.config.recipe import Augment, Recipe
from budwood.core.errors import DataError, RecipeError, RunError
from budwood.core.files import read_csv, read_json, sha256_of
from budwood.core.progress.base import SILENT
from budwood.data.augment import Renderer
from budwood.data.images import digest, view
from budwood.data.manifest import Photo
from budwood.evaluation.task import MULTI_LABEL
from budwood.pipeline.distill import refuse_unfit_teacher, teacher_features
from budwood.pipeline.dry_run import describe, estimate
from budwood.pipeline.entry import train
from budwood.pipeline.prepare import prepare
from budwood.pipeline.request import Output, ask_for_training
from budwood.run import load

pytestmark = pytest.mark.usefixtures("tiny_backbones", "shared_cache")

SETTINGS = [
    *[
        "backbone.name=tiny",
        "data.size=48",
        "evaluate.resamples=200",
        "frozen.fit=gradient",
        "frozen.epochs=3",
    ],
    *["augment.views=2", "finetune.epochs=2", "finetune.unfreeze={blocks=1}"],
    *["finetune.batch_size=16", "finetune.learning_rate=1e-3", "finetune.warmup_epochs=0"],
    *["distill.temperature=2.0", "distill.weight=0.9"],
]


def distilled(data, folder, teacher, *settings, **options):
    teach = [f"distill.run={json.dumps(str(teacher))}"]
    return train(data, folder, settings=[*SETTINGS, *teach, *settings], progress=SILENT, **options)


@pytest.fixture
def teacher(tiny_run):
    return load(tiny_run)


@pytest.fixture(scope="module")
def student(tiny_backbones, session_cache, session_colours, tiny_run, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUDWOOD_CACHE", str(session_cache))
        # The teacher's split holds, whatever the seed.
        return distilled(
            session_colours, tmp_path_factory.mktemp("runs") / "student", tiny_run, "split_seed=7"
        )


def test_train__with_a_teacher(student, teacher):
    assert [phase["name"] for phase in student.metrics["phases"]] == ["frozen", "finetune"]
    ours, theirs = (
        {row["sha256"]: row["split"] for row in read_csv(run.folder / "split.csv")}
        for run in (student, teacher)
    )
    assert ours == theirs
    assert any("stay in the split" in note for note in student.files.info.warnings_of())
    num_train = sum(split == "train" for split in ours.values())
    told = student.info["distill"]
    # Phase 2 asks of the views that phase 1 asked of.
    assert (told["computed"], told["found"]) == (2 * num_train, 2 * num_train)
    assert told["model"] == teacher.model_sha256 == student.info["requested"]["teacher"]
    assert student.recipe.distill.run == str(teacher.folder)
    assert "the distance to the teacher" in (student.folder / "report.html").read_text(encoding="utf-8")
    # What serves holds nothing of the teacher.
    assert student.model.input.shape[1] == 48
    keras.models.load_model(student.folder / "model" / "model.keras", safe_mode=True)


class Interrupt(keras.callbacks.Callback):
    """Stops the process's training in the middle of an epoch, as Ctrl-C does."""

    def __init__(self, epoch: int):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_train__resumed_learns_the_same_from_the_teacher(student, teacher, session_colours, tmp_path):
    folder, another = tmp_path / "run", tmp_path / "another"
    with pytest.raises(KeyboardInterrupt):
        distilled(session_colours, folder, teacher.folder, "split_seed=7", callbacks=Interrupt(epoch=4))
    shutil.copytree(teacher.folder, another)
    model = another / "model" / "model.keras"
    model.write_bytes(model.read_bytes() + b"another")
    info = read_json(another / "model" / "model.json")
    info["fingerprints"]["model"] = sha256_of(model)
    (another / "model" / "model.json").write_text(json.dumps(info))
    with pytest.raises(RunError, match=rf"teacher was '.*' and is now '{sha256_of(model)}"):
        distilled(session_colours, folder, another, "split_seed=7", resume=True)
    again = distilled(session_colours, folder, teacher.folder, "split_seed=7", resume=True)
    assert (again.folder / "history.csv").read_bytes() == (student.folder / "history.csv").read_bytes()
    for one, other in zip(again.model.get_weights(), student.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_train__one_logit_teaches_one_logit_views_of_every_epoch(session_colours, tmp_path):
    for label in ("blue", "red"):
        (tmp_path / "two").mkdir(exist_ok=True)
        (tmp_path / "two" / label).symlink_to(session_colours / label)
    teacher = train(
        tmp_path / "two",
        tmp_path / "teacher",
        recipe="frozen-linear",
        settings=["backbone.name=tiny", "data.size=64", "evaluate.resamples=200", "head.logits=single"],
        progress=SILENT,
    )
    run = distilled(
        tmp_path / "two",
        tmp_path / "student",
        teacher.folder,
        *["head.logits=single", "augment.views=per-epoch", "augment.mixup=0.2", "finetune.epochs=0"],
        # Of the labels it is told nothing: it takes features that tell the classes apart.
        *["backbone.name=efficientnet_lite0", "distill.weight=1.0"],
        *["frozen.epochs=12", "frozen.learning_rate=0.02", "frozen.batch_size=8"],
    )
    # Asked while the epochs ran, not before them.
    assert run.info["distill"]["computed"] == 0
    photos = sorted((tmp_path / "two").glob("*/*.jpg"))
    ours, theirs = (one.predict_proba(photos).argmax(axis=1) for one in (run, teacher))
    assert (ours == theirs).mean() >= 0.9


def test_train__teachers_that_will_not_do(teacher, session_colours, tmp_path):
    def refused(error, words, data=session_colours, folder=tmp_path / "run", run=teacher.folder, **options):
        with pytest.raises(error, match=words):
            distilled(data, folder, run, **options)
        assert not (tmp_path / "run").exists()

    refused(RunError, r"is not a run", run=tmp_path)
    refused(RunError, r"is the run that teaches", folder=teacher.folder, overwrite=True)
    with pytest.raises(RecipeError, match=r"no part"):
        distilled(session_colours, tmp_path / "run", teacher.folder, "frozen.fit=linear", "finetune.epochs=0")
    copy = tmp_path / "copy"
    shutil.copytree(teacher.folder, copy)
    (copy / "model" / "model.keras").write_bytes(b"cut")
    refused(RunError, r"damaged", run=copy)
    (tmp_path / "two").mkdir()
    for label in ("blue", "red"):
        (tmp_path / "two" / label).symlink_to(session_colours / label)
    refused(DataError, r"knows green besides", data=tmp_path / "two")
    (tmp_path / "two" / "violet").symlink_to(session_colours / "green")
    refused(DataError, r"does not know violet and knows green besides", data=tmp_path / "two")


def test_refuse_unfit_teacher__that_learned_from_what_is_measured_on(teacher):
    photos = [
        Photo(row["name"], row["name"], row["label"], sha256=row["sha256"], split=row["split"])
        for row in teacher.splits
    ]
    refuse_unfit_teacher(teacher.files, ["red", "green", "blue"], photos)
    for split, mend in (("validation", "kept for validation too$"), ("test", "--no-test$")):
        moved = [replace(photo, split=split) for photo in photos]
        learned = sum(photo.split == "train" for photo in photos)
        with pytest.raises(DataError, match=rf"trained on {learned} of the {split} photos.*{mend}"):
            refuse_unfit_teacher(teacher.files, teacher.classes, moved)


def test_refuse_unfit_teacher__of_another_task(teacher):
    with pytest.raises(DataError, match="knows one label a photo, and the photos here have several labels"):
        refuse_unfit_teacher(teacher.files, teacher.classes, [], MULTI_LABEL)


def test_teacher_features__are_the_saved_models_probabilities_by_name(teacher, session_colours):
    classes = ["red", "blue", "green"]
    files = sorted(session_colours.rglob("*.jpg"))[::9]
    photos = [Photo(file, file.name, "red", sha256=digest(file)) for file in files]
    with teacher_features(teacher.files, Recipe(), classes) as features:
        features.compute(photos)
        found = features.array(photos)
    pixels = np.stack([view(file, 64) for file in files]).astype(np.float32)
    said = np.asarray(teacher.model(pixels, training=False))
    expected = np.stack([said[:, teacher.classes.index(label)] for label in classes], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_teacher_features__show_the_view_that_the_student_sees(teacher, tmp_path):
    """The same part of the photo, turned and mirrored alike, at the teacher's size."""
    y, x = np.mgrid[:240, :300]
    pixels = np.stack([x * 255 / 300, y * 255 / 240, 128 + 100 * np.sin(x / 40)], axis=2).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    sha256 = digest(tmp_path / "photo.png")
    augment = Augment(views=9, horizontal_flip=True, rotation=0.2, zoom=0.2, crop=0.4, brightness=20)
    recipe = Recipe(augment=augment, seed=3)
    teachers = teacher_features(teacher.files, recipe, teacher.classes).renderer
    students = Renderer(32, "crop", augment, seed=3)
    assert teachers.size == 64
    for number in range(9):
        large = teachers.render(tmp_path / "photo.png", sha256, number)
        small = np.asarray(Image.fromarray(large).resize((32, 32), Image.Resampling.BOX), float)
        seen = students.render(tmp_path / "photo.png", sha256, number).astype(float)
        assert abs(small - seen).mean() < 3


@pytest.mark.slow
def test_describe__says_what_the_teacher_costs(teacher, session_colours, tmp_path):
    recipe = Recipe().with_settings([*SETTINGS, f"distill.run={json.dumps(str(teacher.folder))}"])
    prepared = prepare(ask_for_training(session_colours, recipe, Output(tmp_path / "run")))
    text = describe(prepared, estimate(prepared))
    assert "# Teacher" in text and "11,091 parameters, 64 px in" in text
    assert f"{2 * sum(row['split'] == 'train' for row in teacher.splits)} views to ask it about" in text
