"""The main job, end to end, on small data."""

import re
import shutil
import socket
import zipfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import budwood
from budwood.core.errors import BackboneError, DataError, RecipeError, RunError, WeightsError
from budwood.core.files import read_csv, read_json
from budwood.core.progress.base import SILENT, Silent
from budwood.data.image_ref import ImageBytes
from budwood.data.images import view
from budwood.data.manifest import Manifest
from budwood.data.sources import read_source
from budwood.pipeline.entry import train
from budwood.pipeline.train import refuse_bad_callbacks
from budwood.run import load
from tests.metrics import assert_same_metrics

FILES = {
    "run.json",
    "recipe.toml",
    "split.csv",
    "check.json",
    "history.csv",
    "layers.csv",
    "linear_path.json",
    "metrics.json",
    "predictions.csv",
    "report.html",
    "model",
}
SMALL = ["backbone.name=tiny", "data.size=64", "evaluate.resamples=200"]
SCORES = {"n", "loss", "accuracy", "accuracy_ci95", "top5_accuracy", "balanced_accuracy", "macro_f1", "ece"}
SCORES |= {"weighted_precision", "weighted_recall", "weighted_f1", "per_class", "confusion"}

pytestmark = pytest.mark.usefixtures("tiny_backbones", "shared_cache")


def small_train(data, folder, *settings, **options):
    options = {"recipe": "frozen-linear", "settings": [*SMALL, *settings], **options}
    return train(data, folder, progress=SILENT, **options)


def test_train__leaves_a_complete_run(session_run):
    assert {path.name for path in session_run.iterdir()} == FILES
    info = read_json(session_run / "run.json")
    assert info["state"] == "complete"
    # Those that were announced: `TrainingRequest.steps`.
    assert [stage["name"] for stage in info["stages"]] == [
        *["check", "backbone", "features", "copies", "head", "evaluate", "save", "report"]
    ]
    metrics = read_json(session_run / "metrics.json")
    for split in ("validation", "test"):
        assert set(metrics[split]) >= SCORES
        assert metrics[split]["n"] >= 3
    assert set(metrics) == {"validation", "test", "phases", "chosen_phase", "verdict", "calibration", "sets"}
    assert {path.name for path in (session_run / "model").iterdir()} == {
        *("model.keras", "model.json", "reference.npz", "README.md", "openvino")
    }
    assert {path.name for path in (session_run / "model" / "openvino").iterdir()} == {
        *("model.xml", "model.bin", "graph.json")
    }
    calibration = metrics["calibration"]
    assert calibration["temperature"] == pytest.approx(
        read_json(session_run / "model" / "model.json")["temperature"]
    )
    for split in ("validation", "test"):
        assert calibration[split]["after"]["ece"] == pytest.approx(metrics[split]["ece"], abs=1e-6)
        assert calibration[split]["after"]["loss"] == pytest.approx(metrics[split]["loss"], abs=1e-6)
    assert set(metrics["verdict"]) == {"difference", "interval", "p", "method", "n", "words"}
    assert metrics["phases"][0]["trainable_parameters"] == 1280 * 3 + 3
    assert len(read_csv(session_run / "history.csv")) == 1
    assert not list(session_run.rglob("*.pkl"))


def test_train__lists_the_layers_of_which_the_head_alone_was_trained(session_run):
    layers = read_csv(session_run / "layers.csv")
    assert [layer["name"] for layer in layers if layer["trained"] == "1"] == ["head_logits"]
    assert len(layers) > 100 and layers[0]["part"] == "frozen"


def test_train__model_is_one_flat_plain_keras_model(session_run):
    model = keras.models.load_model(session_run / "model" / "model.keras", safe_mode=True)
    assert model.input.shape == (None, 64, 64, 3) and model.output.shape == (None, 3)
    assert not [layer for layer in model.layers if isinstance(layer, keras.Model)]
    assert {"block1a_dwconv", "pooling", "head_logits", "probabilities"} <= {
        layer.name for layer in model.layers
    }


def test_train__predictions_are_the_saved_models(session_run, session_colours):
    model = keras.models.load_model(session_run / "model" / "model.keras", safe_mode=True)
    rows = read_csv(session_run / "predictions.csv")
    pixels = np.stack([view(session_colours / row["name"], 64) for row in rows]).astype(np.float32)
    expected = np.asarray(model(pixels, training=False))
    found = np.array([[float(row[f"p:{label}"]) for label in ("blue", "green", "red")] for row in rows])
    np.testing.assert_allclose(found, expected, atol=1e-4)
    split = {row["name"]: row["split"] for row in read_csv(session_run / "split.csv")}
    assert {row["name"] for row in rows} == {name for name, part in split.items() if part != "train"}


def test_train__second_training_computes_nothing_and_one_photo_more_computes_one(colours, tmp_path):
    first = small_train(colours, tmp_path / "first")
    assert first.info["features"]["computed"] in (0, 42)  # the session's cache may hold the same pictures
    second = small_train(colours, tmp_path / "second")
    assert (second.info["features"]["computed"], second.info["features"]["found"]) == (0, 42)
    assert second.metrics["test"] == first.metrics["test"]
    Image.fromarray(np.full((50, 50, 3), 77, np.uint8)).save(colours / "red" / "new.png")
    third = small_train(colours, tmp_path / "third")
    assert (third.info["features"]["computed"], third.info["features"]["found"]) == (1, 42)


@pytest.mark.slow
def test_train__of_a_manifest_in_memory_gives_what_its_folder_gives(tiny_run, session_colours, tmp_path):
    listed = read_source(session_colours)
    photos = [
        replace(photo, image=ImageBytes(photo.image.read(), photo.name.rpartition("/")[2]))
        for photo in listed.photos
    ]
    manifest = Manifest(tuple(photos), listed.classes)
    run = small_train(manifest, tmp_path / "run")
    one, other = (read_json(folder / "check.json") for folder in (run.folder, tiny_run))
    # A manifest has no folders whose meaning could be told.
    assert one["understood"].pop("reading") != other["understood"].pop("reading")
    assert one == other
    for file in ("split.csv", "predictions.csv", "metrics.json"):
        one, other = ((folder / file).read_text("utf-8") for folder in (run.folder, tiny_run))
        if file == "metrics.json":
            one, other = (re.sub(r'"seconds": [0-9.]+', "", text) for text in (one, other))
        assert one == other


@pytest.mark.slow
def test_train__resolved_recipe_runs_again_to_the_same_result(tiny_run, session_colours, tmp_path):
    run = load(tiny_run)
    assert run.recipe.data.size == 64 and run.recipe.frozen.fit == "linear"
    again = train(session_colours, tmp_path / "again", recipe=tiny_run / "recipe.toml", progress=SILENT)
    assert again.metrics["test"] == run.metrics["test"]
    assert again.recipe == run.recipe


def test_train__gradient_fit_without_test_split(session_colours, tmp_path):
    gradient = ["frozen.fit=gradient", "frozen.epochs=3", "head.hidden=[16]"]
    run = small_train(session_colours, tmp_path / "run", *gradient, "evaluate.test=false")
    assert run.metrics["test"] is None and run.metrics["validation"]["n"] >= 3
    assert {row["split"] for row in run.splits} == {"train", "validation"}
    history = read_csv(run.folder / "history.csv")
    assert 1 <= len(history) <= 3 and float(history[0]["val_loss"]) > 0
    assert not (run.folder / "linear_path.json").exists()
    assert run.metrics["phases"][0]["trainable_parameters"] == 96 * 16 + 16 + 16 * 3 + 3
    assert run.model.get_layer("head_dense_1").units == 16


@pytest.mark.slow
def test_train__bf16_measures_what_is_saved(session_colours, tmp_path):
    run = small_train(session_colours, tmp_path / "run", "backbone.precision=bf16")
    rows = read_csv(run.folder / "predictions.csv")
    pixels = np.stack([view(session_colours / row["name"], 64) for row in rows]).astype(np.float32)
    found = np.array([[float(row[f"p:{label}"]) for label in run.classes] for row in rows])
    np.testing.assert_allclose(found, np.asarray(run.model(pixels, training=False)), atol=1e-4)


def test_train__given_splits(session_colours, tmp_path):
    for label in ("blue", "red"):
        files = sorted((session_colours / label).iterdir())
        for part, chosen in {"train": files[:8], "valid": files[8:11]}.items():
            folder = tmp_path / "data" / part / label
            folder.mkdir(parents=True)
            for file in chosen:
                (folder / file.name).symlink_to(file)
    run = small_train(tmp_path / "data", tmp_path / "run")
    splits = [row["split"] for row in run.splits]
    assert splits.count("validation") == 6 and splits.count("test") >= 2
    assert splits.count("train") + splits.count("test") == 16


def test_train__tells_what_it_does_without(colours, tmp_path):
    whole = (colours / "red" / "red 00.jpg").read_bytes()
    (colours / "red" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (colours / "empty").mkdir()
    (colours / "empty" / "0.png").write_bytes(b"no picture")
    shutil.copy(colours / "red" / "red 00.jpg", colours / "blue" / "the_same.png")
    run = small_train(colours, tmp_path / "run", "data.max_unreadable=0.1")
    problems = {
        problem["path"]: problem["kind"] for problem in read_json(run.folder / "check.json")["problems"]
    }
    assert problems["red/cut.jpg"] == "truncated" and problems["empty/0.png"] == "not_an_image"
    assert "red/cut.jpg" not in {row["name"] for row in run.splits}
    notes = " | ".join(run.files.info.warnings_of())
    assert "cannot be read and left out: 2 of" in notes
    assert "the same picture stands under another label or in another split: 2" in notes
    assert "so the class is left out: empty" in notes


def test_refuse_bad_callbacks():
    refuse_bad_callbacks([keras.callbacks.TerminateOnNaN()])
    with pytest.raises(RecipeError, match=r"keras.callbacks.Callback, and got 'progress', str"):
        refuse_bad_callbacks(["progress"])


def test_train__too_many_bad_photos_stop_before_any_compute(colours, tmp_path, monkeypatch):
    for number in range(12):
        (colours / "red" / f"bad {number}.jpg").write_text("not a picture")
    monkeypatch.setattr(
        "budwood.pipeline.prepare.build_backbones", lambda *arguments: pytest.fail("the backbone was built")
    )
    with pytest.raises(DataError, match=r"data\.max_unreadable"):
        small_train(colours, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_train__photo_that_fails_after_the_check_is_left_out(colours, tmp_path, monkeypatch, own_cache):
    from budwood.data import images

    victim = "green 03.jpg"
    content = (colours / "green" / victim).read_bytes()
    real = images.view

    def view_or_fail(image, *settings):
        if isinstance(image, bytes) and image == content:
            raise budwood.core.errors.ImageError("the disk gave up")
        return real(image, *settings)

    monkeypatch.setenv("BUDWOOD_CACHE", str(own_cache))
    monkeypatch.setattr(images, "view", view_or_fail)
    run = small_train(colours, tmp_path / "run")
    problems = read_json(run.folder / "check.json")["problems"]
    assert [problem["path"] for problem in problems] == [f"green/{victim}"]
    assert len(run.splits) == 41


def test_train__interrupted_run_is_failed_and_resumes(colours, tmp_path, monkeypatch):
    import budwood.pipeline.head as work

    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(work, "train_frozen_phase", interrupt)
        with pytest.raises(KeyboardInterrupt):
            small_train(colours, tmp_path / "run")
    assert read_json(tmp_path / "run" / "run.json")["state"] == "failed"
    with pytest.raises(RunError, match=r"not complete but failed.*--resume"):
        load(tmp_path / "run")
    run = small_train(colours, tmp_path / "run", resume=True)
    assert run.info["features"]["computed"] == 0


def test_train__run_directory_not_empty(session_run, session_colours):
    with pytest.raises(RunError, match="is not empty"):
        small_train(session_colours, session_run)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        (["backbone.name=mobilnet_v2"], BackboneError, "mobilenet_v2"),
        (["frozen.epoch=3"], RecipeError, "frozen.epochs"),
        (["backbone.weights=absent.h5"], WeightsError, "absent.h5"),
        (["frozen.fit=gradient", "frozen.optimizer=adm"], RecipeError, "adam"),
    ],
)
def test_train__wrong_request(settings, error, words, session_colours, tmp_path):
    with pytest.raises(error, match=words):
        small_train(session_colours, tmp_path / "run", *settings)


@pytest.mark.parametrize("setting", ["backbone.weights=absent.h5", "frozen.optimizer=adm"])
def test_train__wrong_request_is_said_before_anything_is_touched(
    setting, session_run, session_colours, tmp_path
):
    copy = shutil.copytree(session_run, tmp_path / "run")
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    with pytest.raises((WeightsError, RecipeError)):
        small_train(session_colours, copy, "frozen.fit=gradient", setting, overwrite=True)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


def test_train__the_run_that_is_overwritten_answers_until_then(session_run, session_colours, tmp_path):
    copy = shutil.copytree(session_run, tmp_path / "run")
    picture, answers = next(session_colours.rglob("*.jpg")), []

    class Asking(Silent):
        def stage(self, name, total=None, unit="photos"):
            answers.append((name, load(copy).predict(picture)[0].label))
            return super().stage(name, total, unit)

    settings = [*SMALL, "split_seed=5"]
    new = train(
        session_colours, copy, recipe="frozen-linear", settings=settings, overwrite=True, progress=Asking()
    )
    # Where the features are stored there is no stage for them.
    assert len(answers) >= 2 and {label for _, label in answers} == {picture.parent.name}
    assert new.folder == copy and new.recipe.split_seed == 5 and load(session_run).recipe.split_seed != 5
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    for file in (
        path for path in copy.rglob("*") if path.suffix in (".html", ".md", ".json", ".csv", ".toml")
    ):
        assert ".next" not in file.read_text(encoding="utf-8"), file


@pytest.mark.parametrize(
    ("recipe", "setting", "error", "words"),
    [
        ("best", "data.size=128", RecipeError, r"data\.size = 128"),
        ("auto", "backbone.weights=absent.h5", WeightsError, "no weights file"),
    ],
)
def test_train__the_impossible_is_refused_before_photos_are_looked_for(
    tmp_path, recipe, setting, error, words
):
    with pytest.raises(error, match=words):
        train(tmp_path / "no photos", tmp_path / "run", recipe=recipe, settings=[setting], progress=SILENT)
    assert not list(tmp_path.iterdir())


def test_train__opens_no_connection_and_a_corrupt_shard_is_computed_again(
    colours, tmp_path, own_cache, monkeypatch
):
    def refuse(self, address):
        raise AssertionError(f"a connection to {address} was opened")

    monkeypatch.setenv("BUDWOOD_CACHE", str(own_cache))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    first = small_train(colours, tmp_path / "first")
    assert first.info["features"]["computed"] == 42
    shard = next(own_cache.rglob("features/*/*.npy"))
    content = bytearray(shard.read_bytes())
    content[-100] ^= 1
    shard.write_bytes(content)
    second = small_train(colours, tmp_path / "second")
    assert second.info["features"]["computed"] == 42
    assert second.metrics["test"] == first.metrics["test"]


def test_run__moved_and_unzipped_elsewhere_gives_the_same_figures(session_run, session_colours, tmp_path):
    archive = shutil.make_archive(tmp_path / "run", "zip", session_run)
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path / "elsewhere")
    moved = load(tmp_path / "elsewhere")
    original = load(session_run).metrics["test"]
    again = moved.evaluate(session_colours, split="test")
    assert_same_metrics(again, original)


@pytest.mark.slow
def test_train__two_classes_and_default_output(colours, tmp_path, monkeypatch):
    shutil.rmtree(colours / "green")
    monkeypatch.chdir(tmp_path)
    run = small_train(colours, None)
    assert run.folder == Path("runs/colours-1")
    assert run.model.output.shape == (None, 2)
    np.testing.assert_allclose(
        run.predict_proba(sorted((colours / "red").iterdir())[:2]).sum(axis=1), 1, rtol=1e-5
    )


@pytest.mark.slow
def test_train__photos_count_by_the_weights_of_their_table(session_colours, tmp_path):
    listed = read_source(session_colours)

    def trained(name, weigh, *settings):
        photos = tuple(replace(photo, weight=weigh(photo)) for photo in listed.photos)
        return small_train(Manifest(photos, listed.classes), tmp_path / name, *settings)

    # One class of weight 0: nothing that it shows is learned, and it is never the answer.
    first = listed.classes[0]
    run = trained("run", lambda photo: float(photo.label != first))
    assert any("0 to 1, in what is learned" in note.text for note in run.files.info.warnings)
    assert {p.label for p in run.predict([photo.image for photo in listed.photos])} == set(listed.classes[1:])
    alike = trained("alike", lambda photo: 2.0)
    assert not any("in what is learned" in note.text for note in alike.files.info.warnings)


def test_train__calibration_photos_are_learned_from_by_nothing(tiny_run, session_colours, tmp_path):
    before = load(tiny_run)
    run = small_train(session_colours, tmp_path / "run", "data.calibration=0.3")
    split = {row["name"]: row["split"] for row in run.splits}
    moved = {
        (row["split"], split[row["name"]]) for row in before.splits if row["split"] != split[row["name"]]
    }
    assert moved == {("train", "calibration")}
    sets = run.metrics["sets"]
    assert sets["calibrated_on"] == "calibration" and sets["n"] == 12
    assert before.metrics["sets"]["calibrated_on"] == "validation"
    rows = run.files.predictions
    assert sum(row.split == "calibration" for row in rows) == 12
    assert run.prediction_sets(0.9).n == 12 and set(run.files.confidences) == {"validation", "test"}
    # Figures are of validation and test alone, and the model of the training photos that are left.
    assert set(run.metrics["calibration"]) == {"temperature", "validation", "test"}
    assert run.metrics["test"]["n"] == before.metrics["test"]["n"]
    page = (run.folder / "report.html").read_text("utf-8")
    assert "12 calibration" in page and "12 calibration photos" in page
    with pytest.raises(
        DataError, match="data.calibration takes training photos that nothing has learned from"
    ):
        small_train(
            session_colours,
            tmp_path / "further",
            *("data.calibration=0.2", "finetune.epochs=1"),
            start=tiny_run,
        )
