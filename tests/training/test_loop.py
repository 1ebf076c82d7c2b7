import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from budwood.config.learning import Finetune, Frozen, Loss
from budwood.config.recipe import Augment, Head, Recipe
from budwood.core.errors import DataError, RecipeError, RunError
from budwood.network.heads import head_layers, head_model, to_logits
from budwood.training.batches import ArrayBatches, TrainingData
from budwood.training.callbacks import (
    FindLossSpike,
    KeepCheckpoints,
    ShowProgress,
    TellUser,
    WriteTensorBoard,
)
from budwood.training.checkpoints import Checkpoints
from budwood.training.loop import Before, fit
from budwood.training.validation import validate

PLAIN, RICH = Head(), Head(hidden=[6], batch_norm=True, dropout=0.4)


def blobs(n=200, features=8, num_classes=3, seed=0, spread=2.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(num_classes, size=n)
    centres = np.random.default_rng(99).normal(size=(num_classes, features)) * spread
    return (centres[labels] + rng.normal(size=(n, features))).astype(np.float32), labels


def turned_round(n=60):
    """Validation photos with the wrong labels: the better the head learns, the worse it gets there."""
    x, y = blobs(n, seed=1)
    return x, 2 - y


def new_head(head=PLAIN, seed=0, num_classes=3, features=8):
    return head_model(to_logits(head_layers(head, num_classes, seed)), features)


def run(model, *, train=None, validation=None, loss=None, recipe=Frozen, options=None, **settings):
    x, y = train or blobs()
    classes = list("abcdefgh")[: max(2, model.output.shape[-1])]
    return fit_with(
        model,
        TrainingData(ArrayBatches(x, y), *(validation or blobs(60, seed=1)), classes),
        recipe(**settings),
        loss=loss or Loss(),
        **(options or {}),
    )


def fit_with(model, data, settings, *, first_epoch=1, best_before=math.inf, rates=None, seed=0, **options):
    """`fit` with the hooks that the options ask for, in the order in which a training has them."""
    phase = "finetune" if isinstance(settings, Finetune) else "frozen"
    recipe = Recipe(
        **{phase: settings},
        loss=options.get("loss", Loss()),
        augment=options.get("augment", Augment()),
        seed=seed,
    )
    hooks = [
        *([TellUser(lambda text, kind: options["note"](text))] if "note" in options else []),
        *([KeepCheckpoints(options["checkpoints"])] if "checkpoints" in options else []),
        *([FindLossSpike()] if phase == "finetune" else []),
        *([WriteTensorBoard(options["log_folder"])] if "log_folder" in options else []),
        *options.get("callbacks", []),
        *([ShowProgress(options["progress"])] if "progress" in options else []),
    ]
    before = Before(first_epoch - 1, best_before)
    return fit(model, data, recipe, phase, before=before, rates=rates or {}, callbacks=hooks)


def flat(model):
    return np.concatenate([weight.ravel() for weight in model.get_weights()])


class StopsAt(keras.callbacks.Callback):
    """Interrupts the training in some epoch, as Ctrl-C does."""

    def __init__(self, epoch, batch=0):
        super().__init__()
        self.at, self.epoch = (epoch, batch), 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            raise KeyboardInterrupt


def test_fit__learns():
    model = new_head(Head(hidden=[16], batch_norm=True, dropout=0.1))
    found = run(model, epochs=12, learning_rate=0.01)
    assert validate(model, *blobs(300, seed=2)).correct.mean() > 0.9
    assert found.history[-1]["loss"] < found.history[0]["loss"]
    assert found.before["val_loss"] > found.history[0]["val_loss"]
    assert found.stopped is None or "no better" in found.stopped


def test_fit__history_has_a_row_an_epoch(recorded_stages):
    found = run(
        new_head(num_classes=7),
        epochs=3,
        early_stopping=0,
        options={"progress": recorded_stages, "first_epoch": 5},
    )
    assert [row["epoch"] for row in found.history] == [5, 6, 7]
    for row in found.history:
        assert list(row) == [
            *("epoch", "loss", "accuracy", "top5_accuracy"),
            *("val_loss", "val_accuracy", "val_top5_accuracy", "temperature", "learning_rate"),
        ]
        assert row["learning_rate"] == 1e-3
    assert recorded_stages.stages == recorded_stages.totals == {"head": 3 * 7}
    assert found.before.keys() == {"val_loss", "val_accuracy", "val_top5_accuracy", "temperature"}


def test_fit__loss_is_what_is_made_smaller():
    """Of a model that does not learn, training and validation on the same photos can be told beforehand."""
    x, y = blobs()
    model = new_head(Head(l2=0.1))
    plain = validate(model, x, y).row(prefix="")
    still = {"train": (x, y), "validation": (x, y), "epochs": 1, "optimizer": "sgd", "learning_rate": 1e-30}
    penalty = 0.1 * float((model.get_layer("head_logits").kernel.numpy() ** 2).sum())
    (row,) = run(model, **still).history
    assert row["loss"] == pytest.approx(plain["loss"] + penalty, rel=1e-4)
    assert row["accuracy"] == pytest.approx(plain["accuracy"])
    calibrated = validate(model, x, y, calibrate=True).row()["val_loss"]
    assert row["val_loss"] == pytest.approx(calibrated, rel=1e-4) and calibrated < plain["loss"]
    (smoothed,) = run(model, **still, loss=Loss(label_smoothing=0.3)).history
    of_all = np.mean([validate(model, x, np.full_like(y, label)).losses.mean() for label in range(3)])
    assert smoothed["loss"] == pytest.approx(0.7 * plain["loss"] + 0.3 * of_all + penalty, rel=1e-4)
    assert smoothed["val_loss"] == row["val_loss"]


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"optimizer": "adam"}, marks=pytest.mark.slow),
        {"optimizer": "SGD", "momentum": 0.9, "ema": 0.9},
    ],
)
def test_fit__twice_is_identical(settings):
    models = [new_head(RICH, seed=3) for _ in range(3)]
    found = [
        run(
            model,
            epochs=3,
            early_stopping=0,
            options={"seed": seed, "augment": Augment(mixup=0.3)},
            **settings,
        )
        for model, seed in zip(models, (5, 5, 6), strict=True)
    ]
    np.testing.assert_array_equal(flat(models[0]), flat(models[1]))
    assert found[0].history == found[1].history
    assert (flat(models[0]) != flat(models[2])).any()


@pytest.mark.slow
def test_fit__does_not_depend_on_what_was_drawn_before():
    used, fresh = new_head(Head(dropout=0.5), seed=3), new_head(Head(dropout=0.5), seed=3)
    used(np.ones((4, 8), np.float32), training=True)
    for model in (used, fresh):
        run(model, epochs=1)
    np.testing.assert_array_equal(flat(used), flat(fresh))


def test_fit__leaves_global_randomness_alone():
    np.random.seed(1)
    before = np.random.get_state()[1].tolist()
    run(new_head(Head(dropout=0.3)), epochs=1)
    assert np.random.get_state()[1].tolist() == before


@pytest.mark.parametrize("patience", [3, 0])
def test_fit__keeps_the_best_epoch(patience):
    model = new_head()
    found = run(model, validation=turned_round(), epochs=9, learning_rate=0.1, early_stopping=patience)
    losses = [row["val_loss"] for row in found.history]
    assert found.best_epoch == int(np.argmin(losses)) + 1
    assert len(losses) == (found.best_epoch + patience if patience else 9)
    assert found.stopped == ("no better validation loss in 3 epochs" if patience else None)
    assert validate(model, *turned_round(), calibrate=True).row()["val_loss"] == pytest.approx(
        min(losses), rel=1e-6
    )


def test_fit__patience_counts_from_the_phase_before():
    better = run(new_head(), epochs=9, early_stopping=2, options={"best_before": 0.0})
    assert len(better.history) == 2
    assert better.history[1]["val_loss"] < better.history[0]["val_loss"]
    assert better.best_epoch == 2
    worse = run(new_head(), epochs=4, early_stopping=2, options={"best_before": 100.0})
    assert len(worse.history) == 4


def test_fit__cosine_with_warmup():
    found = run(
        new_head(), epochs=5, schedule="cosine", warmup_epochs=1, learning_rate=0.01, early_stopping=0
    )
    rates = [row["learning_rate"] for row in found.history]
    # From a seventh of the rate in the first of seven steps.
    assert rates[:2] == pytest.approx([0.01 / 7, 0.01], abs=1e-6)
    assert rates[2:] == pytest.approx([0.01 * (1 + np.cos(np.pi * t / 4)) / 2 for t in (1, 2, 3)], rel=1e-4)


def test_fit__constant_with_warmup():
    found = run(new_head(), epochs=4, warmup_epochs=2, learning_rate=0.01, early_stopping=0)
    assert [row["learning_rate"] for row in found.history] == pytest.approx(
        [0.01 / 14, 0.01 * (1 + 1 / 14) / 2, 0.01, 0.01], rel=1e-4
    )


@pytest.mark.parametrize("rates", [{}, {"head_logits": 0.5}])
def test_fit__reduce_on_plateau(rates):
    settings = {"plateau_factor": 0.1, "plateau_patience": 2, "plateau_floor": 0.002}
    found = run(
        new_head(),
        validation=turned_round(),
        epochs=7,
        learning_rate=0.1,
        schedule="reduce_on_plateau",
        early_stopping=0,
        options={"rates": rates},
        **settings,
    )
    # Worse from the second epoch on.
    assert found.best_epoch == 1
    expected = [0.1, 0.1, 0.1, 0.01, 0.01, 0.002, 0.002]
    assert [row["learning_rate"] for row in found.history] == pytest.approx(expected)


def test_fit__sees_every_row_once_an_epoch_and_closes_what_reads():
    x, y = blobs()

    class Recorded(ArrayBatches):
        orders, closed = [], 0

        def epoch(self, epoch, order, batch_size):
            self.orders.append((epoch, order.tolist()))
            try:
                yield from super().epoch(epoch, order, batch_size)
            finally:
                Recorded.closed += 1

    batches = Recorded(x, y)
    data = TrainingData(batches, *blobs(60, seed=1), list("abc"))
    arguments = (new_head(), data, Frozen(epochs=3, early_stopping=0))
    with pytest.raises(KeyboardInterrupt):
        fit_with(*arguments, callbacks=[StopsAt(2, 3)])
    assert Recorded.closed == 2
    (first, one), (second, two) = batches.orders
    assert (first, second) == (1, 2)
    assert sorted(one) == sorted(two) == list(range(200))
    assert one != two
    fit_with(*arguments)
    assert batches.orders[2:4] == batches.orders[:2]


def test_fit__features_of_bytes():
    """Pixels come as uint8 and are trained on as the numbers that they are."""
    x, y = blobs()
    x = (x * 10 + 128).clip(0, 255).astype(np.uint8)
    models = [new_head(), new_head()]
    for model, rows in zip(models, (x, x.astype(np.float32)), strict=True):
        run(model, train=(rows, y), validation=(rows, y), epochs=1)
    np.testing.assert_array_equal(flat(models[0]), flat(models[1]))


def test_fit__loss_that_is_no_number_at_once():
    model = new_head(Head(l2=1.0))
    before = flat(model)
    with pytest.raises(RecipeError, match=r"epoch 1\. Lower frozen.learning_rate, it was 1e\+30"):
        run(model, epochs=3, optimizer="sgd", learning_rate=1e30)
    np.testing.assert_array_equal(flat(model), before)


def test_fit__loss_that_is_no_number_later(tmp_path):
    class Explodes(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                self.model.optimizer.learning_rate = 1e35

    notes, model = [], new_head(Head(l2=1.0))
    checkpoints = Checkpoints(tmp_path, "finetune", {})
    options = {
        "callbacks": [Explodes()],
        "note": notes.append,
        "checkpoints": checkpoints,
    }
    found = run(model, recipe=Finetune, epochs=9, optimizer="sgd", learning_rate=0.01, options=options)
    assert len(found.history) == 2
    assert found.stopped == "the loss is no longer a finite number in epoch 3"
    assert notes == [
        "the loss is no longer a finite number in epoch 3: the weights of epoch 2 stay. "
        "Lower finetune.learning_rate, it was 1e+35"
    ]
    expected = found.history[found.best_epoch - 1]["val_loss"]
    assert validate(model, *blobs(60, seed=1), calibrate=True).row()["val_loss"] == pytest.approx(
        expected, rel=1e-6
    )
    again = run(new_head(), recipe=Finetune, epochs=9, optimizer="sgd", learning_rate=0.01, options=options)
    assert again == found
    assert len(notes) == 2


@pytest.mark.parametrize("empty", ["train", "validation"])
def test_fit__empty_split_is_refused(empty):
    nothing = (np.zeros((0, 8), np.float32), np.zeros(0, np.int64))
    with pytest.raises(DataError, match=f"the {empty} split is empty"):
        run(new_head(), **{empty: nothing})


def test_fit__single_photo():
    one = (np.ones((1, 8), np.float32), np.array([2]))
    assert len(run(new_head(), train=one, validation=one, epochs=2, early_stopping=0).history) == 2


def test_fit__keeps_the_average_of_the_weights():
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(flat(self.model))

    plain, averaged = new_head(), new_head()
    x, y = blobs(32)
    settings = {"train": (x, y), "epochs": 3, "early_stopping": 0, "optimizer": "sgd", "learning_rate": 0.1}
    run(plain, **settings, options={"callbacks": [Watch()]})
    found = run(averaged, **settings, ema=0.5)
    # A step an epoch: of the first one the average is its weights.
    expected = 0.5 * (0.5 * seen[0] + 0.5 * seen[1]) + 0.5 * seen[2]
    assert found.best_epoch == 3
    np.testing.assert_allclose(flat(averaged), expected, rtol=1e-5, atol=1e-6)
    assert validate(averaged, *blobs(60, seed=1), calibrate=True).row()["val_loss"] == pytest.approx(
        found.history[2]["val_loss"], rel=1e-6
    )


def test_fit__trains_what_is_trainable_now():
    """Whatever the model was compiled with before, and BatchNorm that is off does not move."""
    start = keras.Input((8,))
    low = keras.layers.Dense(8, name="low")(start)
    norm = keras.layers.BatchNormalization(name="norm")(low)
    model = keras.Model(start, keras.layers.Dense(3, name="head_logits")(norm))
    model.compile("sgd", "mse")
    model.get_layer("low").trainable = False
    model.get_layer("norm").trainable = False
    before = {layer.name: [weight.copy() for weight in layer.get_weights()] for layer in model.layers}
    run(model, epochs=1)
    for name in ("low", "norm"):
        for old, new in zip(before[name], model.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
    assert (before["head_logits"][0] != model.get_layer("head_logits").get_weights()[0]).any()
    model.get_layer("norm").trainable = True
    run(model, epochs=1)
    assert (before["norm"][2] != model.get_layer("norm").get_weights()[2]).any()


def test_fit__rates_of_layers():
    model = new_head(Head(hidden=[6]))
    before = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    run(model, epochs=1, learning_rate=0.01, options={"rates": {"head_dense_1": 1e-3}})
    moved = {
        name: np.abs(model.get_layer(name).get_weights()[0] - weights[0]).max()
        for name, weights in before.items()
    }
    assert 0 < moved["head_dense_1"] < moved["head_logits"] / 100


def test_fit__a_class_without_weight_is_not_learned():
    model = new_head()
    run(model, epochs=10, learning_rate=0.05, loss=Loss(class_weights={"b": 0.0}))
    x, y = blobs(300, seed=2)
    predicted = np.asarray(model(x)).argmax(axis=1)
    assert (predicted[y == 1] == 1).mean() < 0.2
    assert (predicted[y != 1] == y[y != 1]).mean() > 0.9


def test_fit__one_logit(at_temperature):
    layers = head_layers(Head(logits="single"), 2)
    x, y = blobs(num_classes=2, spread=1.0)
    found = run(
        head_model(to_logits(layers), 8), train=(x, y), validation=(x, y), epochs=10, learning_rate=0.02
    )
    shares = np.asarray(head_model(layers, 8)(x))
    best = found.history[found.best_epoch - 1]
    assert best["val_loss"] == pytest.approx(at_temperature(shares, y, best["temperature"]), rel=1e-4)
    assert best["val_accuracy"] == pytest.approx((shares.argmax(axis=1) == y).mean())
    assert best["accuracy"] > 0.8


def test_fit__mixing_that_cannot_be():
    with pytest.raises(RecipeError, match="without height"):
        run(new_head(), options={"augment": Augment(cutmix=1.0)})


def test_fit__tells_callbacks_what_keras_would():
    told = []

    class Watch(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            told.append("train begin")

        def on_epoch_begin(self, epoch, logs=None):
            told.append(f"epoch {epoch} begin")

        def on_train_batch_end(self, batch, logs=None):
            told.append(f"batch {batch} {sorted(logs)}")

        def on_epoch_end(self, epoch, logs=None):
            told.append(f"epoch {epoch} end {sorted(logs)}")
            self.model.stop_training = epoch == 4

        def on_train_end(self, logs=None):
            told.append("train end")

    found = run(new_head(), epochs=9, batch_size=150, options={"callbacks": [Watch()], "first_epoch": 4})
    batches = ["batch 0 ['accuracy', 'loss']", "batch 1 ['accuracy', 'loss']"]
    end = "end ['accuracy', 'learning_rate', 'loss', 'temperature', 'val_accuracy', 'val_loss']"
    assert told == [
        *("train begin", "epoch 3 begin", *batches, f"epoch 3 {end}"),
        *("epoch 4 begin", *batches, f"epoch 4 {end}", "train end"),
    ]
    assert found.stopped == "a callback asked to stop"


@pytest.mark.parametrize("rates", [{}, {"head_logits": 0.5}])
def test_fit__callbacks_may_set_the_rate(rates):
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    found = run(new_head(), epochs=3, options={"callbacks": [scheduler], "rates": rates})
    assert [row["learning_rate"] for row in found.history] == pytest.approx([5e-4, 2.5e-4, 1.25e-4])


def test_fit__writes_logs(tmp_path):
    options = {"log_folder": tmp_path}
    run(new_head(), recipe=Finetune, epochs=1, options=options)
    for part in ("train", "validation"):
        assert [
            file.name.startswith("events.out.tfevents") for file in (tmp_path / "finetune" / part).iterdir()
        ]


def test_fit__says_why_fine_tuning_began_with_a_loss_spike():
    notes, model = [], new_head()
    data = {"train": blobs(spread=0.5), "validation": blobs(60, seed=1, spread=0.5)}
    run(model, epochs=10, learning_rate=0.05, **data)
    options = {"note": notes.append, "first_epoch": 11}
    run(model, recipe=Finetune, epochs=1, learning_rate=1e-5, options=options, **data)
    assert notes == []
    run(model, recipe=Finetune, epochs=1, optimizer="sgd", learning_rate=300.0, options=options, **data)
    assert len(notes) == 1 and "a rate that is too high" in notes[0]


@pytest.mark.slow
def test_fit__400_classes_of_58_000_photos_in_bounded_memory(tmp_path):
    resource = pytest.importorskip("resource", reason="Windows does not tell the peak memory this way")
    n, features, num_classes = 58_000, 1280, 400
    rng = np.random.default_rng(0)
    labels = rng.permutation(n) % num_classes
    centres = rng.normal(size=(num_classes, features)).astype(np.float32)
    rows = np.lib.format.open_memmap(tmp_path / "rows.npy", "w+", np.float32, (n, features))
    for first in range(0, n, 2000):
        part = labels[first : first + 2000]
        rows[first : first + 2000] = centres[part] + rng.normal(size=(len(part), features)) * 3
    rows.flush()
    train, validation = np.load(tmp_path / "rows.npy", mmap_mode="r"), rows[:2000].copy()
    del rows
    model = new_head(num_classes=num_classes, features=features)
    classes = [str(number) for number in range(num_classes)]

    def fit_on(x, y, **settings):
        data = TrainingData(ArrayBatches(x, y), validation, labels[:2000], classes)
        return fit_with(model, data, Frozen(**settings))

    fit_on(validation, labels[:2000], epochs=1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = fit_on(train, labels, epochs=2, batch_size=256, learning_rate=3e-3)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert found.history[-1]["val_accuracy"] > 0.9
    # Pages of the mapped file count as resident while memory is free: the file, not a second copy of it.
    assert grown < train.nbytes + 200e6


# What a killed training goes on from.

RESUMED = {"epochs": 6, "early_stopping": 0, "learning_rate": 0.02}


@pytest.fixture(scope="module")
def unkilled():
    """A training to the end, its model and its result."""
    model = new_head(RICH, seed=3)
    return model, run(model, **RESUMED, schedule="cosine", ema=0.9)


@pytest.mark.parametrize(
    "stops",
    [*(pytest.param(one, marks=pytest.mark.slow) for one in (StopsAt(1, 2), StopsAt(4, 0))), StopsAt(6, 6)],
    ids=["first", "fourth", "last"],
)
def test_fit__goes_on_to_the_same_weights(tmp_path, unkilled, stops):
    settings = {**RESUMED, "schedule": "cosine", "ema": 0.9}
    checkpoints = Checkpoints(tmp_path, "frozen", {"recipe": "r"}, keep="all")
    with pytest.raises(KeyboardInterrupt):
        run(new_head(RICH, seed=3), **settings, options={"checkpoints": checkpoints, "callbacks": [stops]})
    model = new_head(RICH, seed=8)
    model.set_weights(new_head(RICH, seed=3).get_weights())
    found = run(model, **settings, options={"checkpoints": checkpoints})
    expected_model, expected = unkilled
    assert json.dumps(found.history) == json.dumps(expected.history)
    assert (found.best_epoch, found.before, found.stopped) == (
        expected.best_epoch,
        expected.before,
        expected.stopped,
    )
    np.testing.assert_array_equal(flat(model), flat(expected_model))
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        *(f"frozen-000{epoch}.npz" for epoch in range(1, 7)),
        *("frozen-best.npz", "frozen-last.npz"),
    ]


def test_fit__a_complete_training_is_returned_at_once(tmp_path):
    class Unread(ArrayBatches):
        def epoch(self, epoch, order, batch_size):
            raise AssertionError("nothing is to be trained")

    checkpoints = Checkpoints(tmp_path, "frozen", {})
    model, again = new_head(RICH), new_head(RICH, seed=9)
    found = run(
        model, validation=turned_round(), epochs=5, early_stopping=2, options={"checkpoints": checkpoints}
    )
    x, y = blobs()
    repeated = fit_with(
        again,
        TrainingData(Unread(x, y), *turned_round(), list("abc")),
        Frozen(epochs=5, early_stopping=2),
        checkpoints=checkpoints,
        log_folder=tmp_path / "logs",
    )
    assert repeated == found
    np.testing.assert_array_equal(flat(again), flat(model))
    assert not (tmp_path / "logs").exists()


def test_fit__checkpoint_of_another_training_is_refused(tmp_path):
    run(new_head(), epochs=1, options={"checkpoints": Checkpoints(tmp_path, "frozen", {"recipe": "old"})})
    with pytest.raises(RunError, match="recipe was old, now it is new"):
        run(new_head(), epochs=1, options={"checkpoints": Checkpoints(tmp_path, "frozen", {"recipe": "new"})})


@pytest.fixture(scope="module")
def two_epochs(tmp_path_factory):
    """A folder of checkpoints, and the weights that the training came to."""
    folder, model = tmp_path_factory.mktemp("checkpoints"), new_head()
    run(model, epochs=2, options={"checkpoints": Checkpoints(folder, "frozen", {})})
    return folder, flat(model)


@pytest.mark.parametrize("damage", ["cut", "overwritten", "empty"])
def test_fit__damaged_checkpoint_is_not_trusted(tmp_path, two_epochs, damage):
    folder, weights = two_epochs
    checkpoints, again = Checkpoints(shutil.copytree(folder, tmp_path / "kept"), "frozen", {}), new_head()
    path = checkpoints.path("last")
    content = path.read_bytes()
    half = len(content) // 2
    damaged = {
        "cut": content[:half],
        "overwritten": content[:half] + bytes(200) + content[half + 200 :],
        "empty": b"",
    }
    path.write_bytes(damaged[damage])
    notes = []
    found = run(again, epochs=2, options={"checkpoints": checkpoints, "note": notes.append})
    assert len(found.history) == 2
    assert len(notes) == 1 and "damaged" in notes[0] and "starts anew" in notes[0]
    np.testing.assert_array_equal(flat(again), weights)


@pytest.mark.slow
def test_fit__checkpoint_of_another_model_is_not_taken_up(tmp_path):
    checkpoints, notes = Checkpoints(tmp_path, "frozen", {}), []
    run(new_head(), epochs=2, options={"checkpoints": checkpoints})
    found = run(
        new_head(Head(hidden=[4])), epochs=1, options={"checkpoints": checkpoints, "note": notes.append}
    )
    assert len(found.history) == 1
    assert notes == ["the checkpoint does not fit the model: the phase starts anew"]


def trained_through_kills(folder: Path, *, epochs: int, kills: int, seed: int) -> list[int]:
    """Runs `killed_training.py`; the epochs that were done at each kill."""
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    script = Path(__file__).with_name("killed_training.py")
    command = [sys.executable, str(script), str(folder), str(epochs), str(kills), str(seed)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return [int(line) for line in result.stdout.split()]


def assert_same_result(folder: Path) -> None:
    whole, killed = folder / "whole", folder / "killed"
    assert (whole / "result.json").read_bytes() == (killed / "result.json").read_bytes()
    with np.load(whole / "weights.npz") as one, np.load(killed / "weights.npz") as other:
        assert one.files == other.files
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    assert not list((killed / "checkpoints").glob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_fit__killed_twenty_times_comes_to_the_same_end(tmp_path, seed):
    done = trained_through_kills(tmp_path, epochs=14, kills=20, seed=seed)
    # Kills in both phases.
    assert done == sorted(done) and done[0] < 14 < done[-1]
    assert_same_result(tmp_path)
