"""Both phases, end to end, on small data."""

import json
from collections import Counter

import keras
import numpy as np
import pytest
from PIL import Image

from budwood.core.errors import DataError, RecipeError, RunError
from budwood.core.files import read_csv, read_json
from budwood.core.progress.base import SILENT
from budwood.data.images import view
from budwood.pipeline import head
from budwood.pipeline.entry import train
from budwood.run import load
from budwood.training.kept_epochs import kept_labels

SETTINGS = [
    *[
        "backbone.name=tiny",
        "data.size=64",
        "evaluate.resamples=200",
        "head.dropout=0.2",
        "loss.label_smoothing=0.1",
    ],
    *[
        "frozen.fit=linear",
        "finetune.epochs=2",
        "finetune.unfreeze={blocks=1}",
        "finetune.learning_rate=1e-3",
    ],
    *[
        "finetune.batch_size=16",
        "finetune.warmup_epochs=0",
        "finetune.schedule=constant",
        "augment.views=2",
        "augment.horizontal_flip=true",
    ],
]

pytestmark = pytest.mark.usefixtures("tiny_backbones", "one_cache")


@pytest.fixture(scope="module")
def module_cache(tmp_path_factory):
    """A cache that nothing was computed into before the run of both phases."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def one_cache(module_cache, run, own_cache, monkeypatch):
    monkeypatch.setenv("BUDWOOD_CACHE", str(module_cache))


def two_phases(data, folder, *settings, **options):
    return train(data, folder, settings=[*SETTINGS, *settings], progress=SILENT, **options)


HEADS = []
"""What the head of `run` was trained with."""


@pytest.fixture(scope="module")
def run(tiny_backbones, module_cache, session_colours, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUDWOOD_CACHE", str(module_cache))
        fit = head.train_frozen_phase

        def kept(recipe, data, rows, *given, **named):
            HEADS.append((rows[:], *given))
            return fit(recipe, data, rows, *given, **named)

        patch.setattr(head, "train_frozen_phase", kept)
        folder = tmp_path_factory.mktemp("runs") / "two"
        return two_phases(session_colours, folder, "log.checkpoints=all")


def test_train__two_phases_leave_both_measured(run, session_colours):
    metrics = run.metrics
    assert [phase["name"] for phase in metrics["phases"]] == ["frozen", "finetune"]
    first, second = metrics["phases"]
    assert first["epochs"] == 1 and second["epochs"] == 2 and second["best_epoch"] in (2, 3)
    assert first["unfrozen_layers"] == [] and "block4a_dwconv" in second["unfrozen_layers"]
    # Which of them by how much is a matter of tests/evaluation/test_phases.py.
    chosen = next(phase for phase in metrics["phases"] if phase["name"] == metrics["chosen_phase"])
    assert chosen is first or second["validation_loss"] < first["validation_loss"]
    assert metrics["test"]["accuracy"] == chosen["test_accuracy"]
    assert metrics["validation"]["loss"] == pytest.approx(chosen["validation_loss"], rel=1e-6)
    verdict = metrics["verdict"]
    assert verdict["n"] == metrics["test"]["n"]
    assert verdict["difference"] == pytest.approx(second["test_accuracy"] - first["test_accuracy"])
    history = read_csv(run.folder / "history.csv")
    assert [(row["phase"], row["epoch"]) for row in history] == [
        ("frozen", "1"),
        ("finetune", "2"),
        ("finetune", "3"),
    ]
    assert "seconds" not in history[0]
    layers = {row["name"]: row for row in read_csv(run.folder / "layers.csv")}
    assert layers["block4a_dwconv"]["trained"] == "1" and layers["block4a_bn"]["trained"] == "0"
    assert layers["stem_conv"]["part"] == "frozen" and layers["head_logits"]["trained"] == "1"
    assert run.info["views"]["boundary"] == "block3a_project_bn"
    assert "fine-tuning" in (run.folder / "report.html").read_text(encoding="utf-8").lower()


def test_train__views_of_phase_2_come_by_in_phase_1(run):
    parts, views = Counter(row["split"] for row in run.splits), run.info["views"]
    # The original view and an augmented one of each training photo.
    assert (views["computed"], views["found"]) == (0, 2 * parts["train"] + parts["validation"])


def test_train__the_head_learns_from_every_view_and_those_of_a_photo_are_held_out_together(run):
    num_photos = Counter(row["split"] for row in run.splits)["train"]
    ((rows, labels, groups, weights),) = HEADS
    assert len(rows) == len(labels) == len(groups) == len(weights) == 2 * num_photos
    assert groups[::2] == groups[1::2] and len(set(groups)) == num_photos
    np.testing.assert_array_equal(labels[::2], labels[1::2])
    assert not np.allclose(rows[::2], rows[1::2])


@pytest.mark.slow
def test_train__the_head_learns_from_the_originals_alone_where_that_is_asked(session_colours, tmp_path):
    run = two_phases(session_colours, tmp_path / "run", "frozen.views=original", "seed=3")
    parts, views = Counter(row["split"] for row in run.splits), run.info["views"]
    assert (views["computed"], views["found"]) == (parts["train"], parts["train"] + parts["validation"])


def test_evaluate__any_kept_epoch(run, session_colours):
    by_epoch = {
        epoch: run.evaluate(session_colours, split="validation", checkpoint=epoch) for epoch in (1, 2, 3)
    }
    history = {int(row["epoch"]): row for row in read_csv(run.folder / "history.csv")}
    for epoch, metrics in by_epoch.items():
        # The history is of features in float16, and of another engine.
        assert metrics["loss"] == pytest.approx(float(history[epoch]["val_loss"]), rel=0.02, abs=2e-3)
    with pytest.raises(RunError, match=r"epoch 9 were not kept.*1, 2, 3.*ended with epoch 3"):
        run.evaluate(session_colours, checkpoint=9)


@pytest.mark.slow
def test_evaluate__any_kept_epoch_of_several_labels(tiny_backbones, module_cache, labels_table, tmp_path):
    run = two_phases(labels_table, tmp_path / "labels", "log.checkpoints=all")
    history = {int(row["epoch"]): row for row in read_csv(run.folder / "history.csv")}
    best = run.metrics["phases"][1]["best_epoch"]
    for epoch in (2, 3):
        found = run.evaluate(labels_table, split="validation", checkpoint=epoch)
        # Calibrated label by label, as the history's loss is.
        assert found["loss"] == pytest.approx(float(history[epoch]["val_loss"]), rel=0.02, abs=4e-3)
        kept = kept_labels(run.folder / "checkpoints" / f"finetune-{epoch:04}.npz")
        if epoch != best:
            own = {one["label"]: one["threshold"] for one in found["per_label"]}
            assert own == pytest.approx(dict(zip(run.classes, kept["thresholds"], strict=True)))
        elif run.metrics["chosen_phase"] == "finetune":
            assert list(kept["thresholds"]) == pytest.approx(list(run.thresholds.values()), abs=0.02)


def test_train__batch_norm_and_frozen_layers_stay_to_the_bit(run):
    base = keras.models.load_model(_of_phase(run, "frozen"))
    tuned = keras.models.load_model(_of_phase(run, "finetune"))
    names = [layer.name for layer in base.layers]
    # Of the last block, and what follows it; the run's own list is not asked.
    trained = {
        layer.name
        for layer in base.layers[names.index("block4a_dwconv") :]
        if layer.weights and not isinstance(layer, keras.layers.BatchNormalization)
    }
    assert {"block4a_dwconv", "block4a_project_conv", "top_conv", "head_logits"} == trained
    changed = set()
    for layer in base.layers:
        pairs = zip(layer.get_weights(), tuned.get_layer(layer.name).get_weights(), strict=True)
        if not all(np.array_equal(one, other) for one, other in pairs):
            changed.add(layer.name)
    assert changed == trained
    assert set(run.metrics["phases"][1]["unfrozen_layers"]) == trained - {"head_logits"}


def _of_phase(run, phase):
    if phase == run.metrics["chosen_phase"]:
        return run.folder / "model" / "model.keras"
    return run.folder / "checkpoints" / f"{phase}.keras"


def test_train__predictions_are_the_kept_models(run, session_colours):
    rows = read_csv(run.folder / "predictions.csv")
    pixels = np.stack([view(session_colours / row["name"], 64) for row in rows]).astype(np.float32)
    found = np.array([[float(row[f"p:{label}"]) for label in run.classes] for row in rows])
    np.testing.assert_allclose(found, np.asarray(run.model(pixels, training=False)), atol=1e-4)


class Interrupt(keras.callbacks.Callback):
    """Stops the process's training in the middle of an epoch, as Ctrl-C does."""

    def __init__(self, epoch: int):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now == self.epoch and batch == 1:
            raise KeyboardInterrupt


def test_train__resumed_as_begun_gives_what_an_unbroken_training_gives(run, colours, tmp_path):
    folder = tmp_path / "broken"

    def resume(*settings):
        return two_phases(colours, folder, "log.checkpoints=all", *settings, resume=True)

    def content():
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def refused(words, *settings):
        before = content()
        with pytest.raises(RunError, match=words):
            resume(*settings)
        assert content() == before

    with pytest.raises(KeyboardInterrupt):
        two_phases(colours, folder, "log.checkpoints=all", callbacks=[Interrupt(epoch=2)])
    assert read_json(folder / "run.json")["state"] == "failed"
    refused(r"finetune.learning_rate was 0.001 and is now 0.5", "finetune.learning_rate=0.5")
    others = "begun with other photos: "
    photo, new = sorted((colours / "red").iterdir())[0], colours / "red" / "zz.png"
    whole = photo.read_bytes()
    photo.unlink()
    refused(rf"{others}red/{photo.name} is gone\. Put that back")
    photo.write_bytes(whole + b"one byte more")
    refused(f"{others}red/{photo.name} is another picture")
    photo.write_bytes(whole)
    Image.new("RGB", (64, 64), (200, 10, 30)).save(new)
    refused(f"{others}red/{new.name} is new")
    new.unlink()
    again = resume()
    assert again.info["state"] == "complete"
    assert (again.folder / "history.csv").read_bytes() == (run.folder / "history.csv").read_bytes()
    for phase in ("frozen", "finetune"):
        ours, theirs = (keras.models.load_model(_of_phase(one, phase)).get_weights() for one in (again, run))
        assert all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True))
    assert again.metrics["test"] == run.metrics["test"]


@pytest.mark.slow
def test_train__from_a_run_goes_on_with_its_model(run, session_colours, tmp_path):
    with pytest.raises(RunError, match=r"is the run to initialise from"):
        two_phases(session_colours, run.folder, start=run.folder, overwrite=True)

    def go_on(**options):
        return two_phases(session_colours, tmp_path / "more", "finetune.epochs=1", **options)

    with pytest.raises(KeyboardInterrupt):
        go_on(start=run.folder, callbacks=Interrupt(epoch=run.kept_phase.best_epoch))
    with pytest.raises(RunError, match=r"from was '.*' and is now None"):
        go_on(resume=True)
    more = go_on(start=run.folder, resume=True)
    assert [phase["name"] for phase in more.metrics["phases"]] == ["start", "finetune"]
    assert more.metrics["phases"][0]["test_accuracy"] == run.metrics["test"]["accuracy"]
    # The model is of the epoch that the run kept: what came after it is not part of its history.
    kept = run.kept_phase.best_epoch
    history = read_csv(more.folder / "history.csv")
    assert [int(row["epoch"]) for row in history] == [*range(1, kept + 2)]
    start = more.metrics["phases"][0]
    assert start["validation_loss"] == pytest.approx(run.metrics["validation"]["loss"], rel=1e-5)
    assert "stay in the split" in " ".join(more.files.info.warnings_of())
    ours = {row["sha256"]: row["split"] for row in read_csv(more.folder / "split.csv")}
    assert ours == {row["sha256"]: row["split"] for row in read_csv(run.folder / "split.csv")}
    assert more.info["from"] == run.folder.name


@pytest.mark.slow
def test_train__phase_2_that_bursts_at_once_leaves_phase_1(run, session_colours, tmp_path):
    burst = two_phases(
        session_colours,
        tmp_path / "run",
        *["finetune.optimizer=sgd", "finetune.weight_decay=0.0", "finetune.learning_rate=1e38"],
    )
    assert [phase["name"] for phase in burst.metrics["phases"]] == ["frozen"]
    assert burst.metrics["phases"][0]["test_accuracy"] == run.metrics["phases"][0]["test_accuracy"]
    assert any("no longer a finite number in epoch 2" in note for note in burst.files.info.warnings_of())
    assert "Fine-tuning came to nothing: the loss is no longer" in burst.metrics["verdict"]["words"]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("finetune.epochs=0", r"--from goes on with phase 2"),
        ("backbone.name=mobilenet_v2", r"backbone.name = 'tiny'"),
        ("data.size=96", r"data.size = 64"),
    ],
)
def test_train__from_a_run_of_another_kind(run, session_colours, tmp_path, setting, words):
    with pytest.raises(RecipeError, match=words):
        two_phases(session_colours, tmp_path / "more", setting, start=run.folder)


def test_train__from_a_run_of_other_classes(run, tmp_path, session_colours):
    for label, colour in (("one", "red"), ("two", "blue")):
        (tmp_path / "other" / label).mkdir(parents=True)
        for number, file in enumerate(sorted((session_colours / colour).iterdir())[:6]):
            (tmp_path / "other" / label / f"{number}.jpg").write_bytes(file.read_bytes())
    with pytest.raises(DataError, match=r"classes one, two.*knows blue, green, red"):
        two_phases(tmp_path / "other", tmp_path / "more", start=run.folder)


@pytest.mark.slow
def test_train__from_scratch(session_colours, tmp_path):
    scratch = two_phases(
        session_colours,
        tmp_path / "scratch",
        *["backbone.weights=random", "frozen.epochs=0", "frozen.fit=auto"],
        *["finetune.unfreeze=all", "finetune.batch_norm=train", "augment.views=per-epoch"],
        *["finetune.epochs=1"],
    )
    assert [phase["name"] for phase in scratch.metrics["phases"]] == ["finetune"]
    assert scratch.info["views"]["boundary"] == "pixels"
    assert len(scratch.metrics["phases"][0]["unfrozen_layers"]) > 20
    assert scratch.evaluate(session_colours)["n"] == scratch.metrics["test"]["n"]


def test_train__nothing_to_do(session_colours, tmp_path):
    with pytest.raises(RecipeError, match=r"frozen.epochs = 0.*finetune.epochs=10"):
        two_phases(session_colours, tmp_path / "run", "frozen.epochs=0", "finetune.epochs=0")
    assert not (tmp_path / "run").exists()


def test_train__freezing_line_outside_is_said_before_any_work(session_colours, tmp_path):
    with pytest.raises(RecipeError, match="block4a_dwconv"):
        two_phases(session_colours, tmp_path / "run", 'finetune.unfreeze={from_layer="block4a_dwcnv"}')
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_train__two_classes_from_one_number_and_users_callbacks_hear_both_phases(session_colours, tmp_path):
    heard = []

    class Listen(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            heard.append((epoch, sorted(logs)))

    for label in ("blue", "red"):
        (tmp_path / "two").mkdir(exist_ok=True)
        (tmp_path / "two" / label).symlink_to(session_colours / label)
    run = two_phases(
        tmp_path / "two",
        tmp_path / "run",
        *["head.logits=single", "frozen.fit=auto", "finetune.epochs=1"],
        callbacks=[Listen()],
    )
    epochs = [phase["epochs"] for phase in run.metrics["phases"]]
    assert len(epochs) == 2 and epochs[0] > 1
    assert [epoch for epoch, _ in heard] == [*range(sum(epochs))]
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(heard[0][1])
    assert run.model.output.shape == (None, 2)
    assert run.model.get_layer("head_logits").units == 1
    assert run.predict(session_colours / "red" / "red 00.jpg")[0].label == "red"
    assert json.loads((run.folder / "metrics.json").read_text())["test"]["n"] > 0


@pytest.mark.slow
def test_train__a_bank_of_no_more_views_than_the_store_may_hold(
    session_colours, tmp_path, monkeypatch, own_cache
):
    # What the other tests share would be evicted.
    monkeypatch.setenv("BUDWOOD_CACHE", str(own_cache))
    # 34 photos of 4 x 4 x 32 numbers in float16.
    monkeypatch.setenv("BUDWOOD_CACHE_LIMIT", "80KB")
    run = two_phases(session_colours, tmp_path / "run", "augment.views=9", "finetune.epochs=1")
    (line,) = [note for note in run.files.info.warnings_of() if "augment.views = 9" in note]
    assert "2 views of each photo instead" in line and "BUDWOOD_CACHE_LIMIT" in line


def test_load__a_run_of_two_phases_can_be_moved(run, session_colours, tmp_path):
    import shutil

    shutil.copytree(run.folder, tmp_path / "elsewhere")
    moved = load(tmp_path / "elsewhere")
    assert moved.evaluate(session_colours, split="test") == run.evaluate(session_colours, split="test")
