import math
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import keras
import numpy as np
import pytest
from scipy.special import rel_entr, softmax

from budwood.backbones.registry import get_backbone
from budwood.config.recipe import Head, Recipe
from budwood.core.errors import RecipeError
from budwood.features.extractor import with_pooling
from budwood.features.store.store import FeatureStore
from budwood.network.graph import cut
from budwood.network.heads import apply, head_layers, head_model
from budwood.network.unfreeze import Unfrozen, unfreeze
from budwood.pipeline.phases import (
    refuse_bad_settings,
    train_finetune_phase,
    train_frozen_phase,
)
from budwood.training.batches import ArrayBatches, TrainingData
from budwood.training.callbacks import Hook, KeepCheckpoints
from budwood.training.checkpoints import Checkpoints, layer_weights
from budwood.training.loop import NOTHING_BEFORE, Before

CLASSES = ["a", "b", "c"]


@pytest.fixture
def rows(tmp_path):
    """Features of three classes around three centres: 60 to train on, 15 to validate with."""
    rng = np.random.default_rng(0)
    labels = np.arange(75) % 3
    features = rng.normal(np.eye(8)[labels] * 2, 1).astype(np.float32)
    with FeatureStore(tmp_path).open("f", (8,)) as table:
        for number, row in enumerate(features):
            table.add(str(number), row)
        names = [str(number) for number in range(75)]
        yield table.reader(names[:60]), labels[:60], table.reader(names[60:]), labels[60:]


def train(rows, values, **options):
    recipe = Recipe.from_dict(values)
    return train_frozen_phase(recipe, data_of(rows), *rows[:2], **options)


def data_of(rows, classes=CLASSES):
    return TrainingData(ArrayBatches(*rows[:2]), *rows[2:], classes)


def keep(notes):
    """What takes notes and keeps their texts."""
    return lambda text, kind="general": notes.append(text)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"loss": {"class_weights": {"d": 2.0}}}, "a class `d` that the data do not have"),
        ({"head": {"logits": "single"}}, "the data have 3"),
        ({"frozen": {"fit": "gradient", "optimizer": "adm"}}, "unknown optimizer `adm`"),
        ({"finetune": {"epochs": 3, "optimizer": "adm"}}, r"finetune\.optimizer is one of"),
        ({"finetune": {"epochs": 3, "warmup_epochs": 3}}, r"Give fewer than finetune\.epochs"),
        ({"frozen": {"fit": "gradient"}, "augment": {"cutmix": 1.0}}, "without height and width"),
    ],
)
def test_refuse_bad_settings(values, fault):
    with pytest.raises(RecipeError, match=fault):
        refuse_bad_settings(Recipe.from_dict(values), 60, 8, CLASSES)


@pytest.mark.parametrize(
    "values",
    [
        {"loss": {"class_weights": {"b": 2.0}}},
        {"finetune": {"epochs": 0, "optimizer": "adm"}},
        {"frozen": {"fit": "gradient"}, "augment": {"cutmix": 1.0}, "finetune": {"epochs": 1}},
    ],
)
def test_refuse_bad_settings__good_ones_pass(values):
    refuse_bad_settings(Recipe.from_dict(values), 60, 8, CLASSES)


@pytest.mark.parametrize("fit", ["linear", "gradient"])
def test_train_frozen_phase__learns_and_says_how_well(rows, fit, at_temperature):
    result = train(rows, {"frozen": {"fit": fit, "epochs": 20, "learning_rate": 0.05}})
    best = result.history[result.best_epoch - 1]
    shares = np.asarray(head_model(result.layers, 8)(rows[2][:], training=False))
    assert best["val_accuracy"] == pytest.approx((shares.argmax(axis=1) == rows[3]).mean())
    expected = at_temperature(shares, rows[3], result.scaling)
    assert best["val_loss"] == pytest.approx(expected, rel=1e-4)
    assert result.best_val_loss == best["val_loss"]
    assert best["val_accuracy"] > 0.6
    assert result.trainable_parameters == 8 * 3 + 3
    assert (result.linear_path is not None) == (fit == "linear")
    assert ("learning_rate" in best) == (fit == "gradient")


def test_train_frozen_phase__linear_fit_honours_class_weights(rows):
    plain, weighted = (
        train(rows, {"frozen": {"l2_strengths": [0.1]}, "loss": loss})
        for loss in ({}, {"class_weights": {"a": 50.0}})
    )
    shares = [np.asarray(head_model(result.layers, 8)(rows[2][:])) for result in (plain, weighted)]
    assert (shares[1].argmax(axis=1) == 0).sum() > (shares[0].argmax(axis=1) == 0).sum()


def test_train_frozen_phase__shards_are_gone_through_by_what_is_given(rows, monkeypatch):
    values, shards = {"frozen": {"l2_strengths": [0.1]}}, []

    def over(function, some, *more):
        shards.append(len(some))
        return map(function, some, *more)

    monkeypatch.setattr("budwood.training.sharded_probe.probe_place", lambda *sizes: "shards")
    found = train(rows, values, open_map=lambda progress: nullcontext(over))
    assert set(shards) == {32}
    assert found.history == train(rows, values).history


def test_train_frozen_phase__says_that_the_linear_fit_gave_way(rows, monkeypatch):
    monkeypatch.setattr("budwood.training.linear_probe.linear_fits", lambda *sizes: False)
    monkeypatch.setattr("budwood.training.linear_probe.probe_place", lambda *sizes: None)
    notes = []
    result = train(rows, {"frozen": {"fit": "linear", "epochs": 1}}, note=keep(notes))
    assert result.recipe.frozen.fit == "gradient"
    assert len(notes) == 1 and "gradient steps instead" in notes[0]


def test_train_frozen_phase__cutmix_waits_for_fine_tuning(rows):
    values = {"frozen": {"fit": "gradient", "epochs": 1}, "augment": {"cutmix": 1.0}}
    with pytest.raises(RecipeError, match="without height and width"):
        train(rows, values)
    notes = []
    train(rows, values | {"finetune": {"epochs": 1}}, note=keep(notes))
    assert len(notes) == 1 and "no part in the training of the head" in notes[0]


class RecordStart(Hook):
    """Keeps the validation loss before the first step."""

    val_loss = math.nan

    @contextmanager
    def running(self):
        self.val_loss = self.fit.state.before["val_loss"]
        yield


def network():
    def conv(name, seed):
        initializer = keras.initializers.HeNormal(seed=seed)
        return keras.layers.Conv2D(4, 3, kernel_initializer=initializer, name=name)

    pixels = keras.Input((8, 8, 3), name="pixels")
    x = keras.layers.ReLU(name="low_relu")(conv("low", 1)(pixels))
    x = keras.layers.BatchNormalization(name="norm")(conv("middle", 2)(x))
    x = conv("high", 3)(keras.layers.ReLU(name="middle_relu")(x))
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D(name="pooling")(x))


def test_train_finetune_phase__trains_what_is_unfrozen_and_nothing_else(tmp_path, at_temperature):
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    pixels = rng.normal(np.eye(3)[labels][:, None, None, :], 1.5, size=(90, 8, 8, 3)).astype(np.float32)
    base = network()
    vectors = np.asarray(base(pixels))
    values = {
        "head": {"hidden": [4]},
        "frozen": {"epochs": 3},
        "finetune": {"epochs": 3, "learning_rate": 0.01, "depth_decay": 0.01},
    }
    data = vectors[:60], labels[:60], vectors[60:], labels[60:]
    frozen = train(data, values)
    model = keras.Model(base.input, apply(frozen.layers, base.output))
    for name in ("low", "norm"):
        model.get_layer(name).trainable = False
    before = layer_weights(model)
    features = np.asarray(keras.Model(base.input, base.get_layer("low_relu").output)(pixels))
    start = RecordStart()
    result = train_finetune_phase(
        frozen.recipe,
        model,
        Unfrozen("low_relu", ("middle", "high"), {"middle": 1, "high": 0}, ()),
        data_of((features[:60], labels[:60], features[60:], labels[60:])),
        Before(3, frozen.best_val_loss),
        callbacks=[KeepCheckpoints(Checkpoints(tmp_path, "finetune", {})), start],
    )
    assert [row["epoch"] for row in result.history] == [4, 5, 6]
    # The head gives on the features what it gave at the end of phase 1.
    assert start.val_loss == pytest.approx(frozen.best_val_loss, rel=1e-4)
    moved = {name: np.abs(value - before[name]).max() for name, value in layer_weights(model).items()}
    assert all(moved[f"low/{number}"] == 0 for number in range(2))
    assert all(moved[f"norm/{number}"] == 0 for number in range(4))
    assert 0 < moved["middle/0"] < moved["high/0"] / 20
    assert moved["head_logits/0"] > 0
    assert result.trainable_parameters == 2 * (3 * 3 * 4 * 4 + 4) + (4 * 4 + 4) + (4 * 3 + 3)
    # The flat model holds the best epoch's weights.
    shares = np.asarray(model(pixels[60:], training=False))
    expected = at_temperature(shares, labels[60:], result.scaling)
    assert result.best_val_loss == pytest.approx(expected, rel=1e-4)
    assert result.layers == [] and (tmp_path / "finetune-last.npz").exists()


def test_train_finetune_phase__from_the_pixels_with_one_logit_and_cutmix():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    pixels = (rng.normal(size=(60, 8, 8, 3)) * 20 + 100 + 30 * labels[:, None, None, None]).clip(0, 255)
    pixels = pixels.astype(np.uint8)
    base = network()
    vectors = np.asarray(base(pixels.astype(np.float32)))
    recipe = Recipe.from_dict(
        {
            "head": {"logits": "single"},
            "augment": {"cutmix": 1.0},
            "finetune": {"epochs": 2, "learning_rate": 0.001},
        }
    )
    arguments = (vectors[:40], labels[:40], vectors[40:], labels[40:])
    frozen = train_frozen_phase(recipe, data_of(arguments, ["a", "b"]), *arguments[:2])
    start = RecordStart()
    model = keras.Model(base.input, apply(frozen.layers, base.output))
    train_finetune_phase(
        recipe,
        model,
        Unfrozen("pixels", ("low", "middle", "high"), {"low": 2, "middle": 1, "high": 0}, ()),
        data_of((pixels[:40], labels[:40], pixels[40:], labels[40:]), ["a", "b"]),
        Before(1, frozen.best_val_loss),
        callbacks=[start],
    )
    assert start.val_loss == pytest.approx(frozen.best_val_loss, rel=1e-3)
    assert frozen.trainable_parameters == 4 + 1
    pair = model.get_layer("logit_pair").get_weights()[0]
    np.testing.assert_array_equal(pair, [[-0.5, 0.5]])
    assert np.asarray(model(pixels[40:].astype(np.float32))).shape == (20, 2)


@pytest.mark.parametrize("batch_norm", ["frozen", pytest.param("train", marks=pytest.mark.slow)])
def test_train_finetune_phase__from_features_gives_what_the_uncut_model_gives(batch_norm, monkeypatch):
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 3
    pixels = rng.integers(0, 256, (40, 64, 64, 3)).astype(np.float32)
    recipe = Recipe.from_dict(
        {
            "finetune": {
                **{"epochs": 2, "batch_size": 8, "optimizer": "sgd", "learning_rate": 0.01},
                **{"unfreeze": {"blocks": 1}, "batch_norm": batch_norm, "early_stopping": 0},
                "precision": "f32",
            }
        }
    )
    backbone = get_backbone("efficientnet_lite0")
    weights = []
    for is_cut in (True, False):
        base = with_pooling(backbone.build(64), "avg")
        model = keras.Model(base.input, apply(head_layers(Head(), 3), base.output))
        unfrozen = unfreeze(model, backbone, recipe.finetune)
        if not is_cut:
            # Keras alone, every layer a step of its own.
            unfrozen = replace(unfrozen, boundary="pixels")
            monkeypatch.setattr("budwood.training.trainer.fold_batch_norm", lambda model, *_: model)
        rows = np.asarray(cut(model, unfrozen.boundary)[0](pixels, training=False))
        assert rows.shape[1] == (64 if not is_cut else 2)
        train_finetune_phase(
            recipe,
            model,
            unfrozen,
            data_of((rows[:32], labels[:32], rows[32:], labels[32:])),
            NOTHING_BEFORE,
        )
        weights.append(layer_weights(model))
    start = layer_weights(backbone.build(64))
    moved = max(np.abs(weights[0][name] - value).max() for name, value in start.items())
    assert moved > 1e-3
    # Rounding differs by processor, and then a ReLU6 may fall on the other side of its edge: as a whole, therefore.
    for name, value in weights[0].items():
        far = np.linalg.norm(value - start[name]) if name in start else 0.0
        assert np.linalg.norm(value - weights[1][name]) <= 0.02 * far + 1e-4 * np.linalg.norm(value), name


def test_train_finetune_phase__of_scale_and_bias_alone_gives_what_plain_steps_on_held_statistics_give():
    import tensorflow as tf

    labels = np.arange(40) % 3
    pixels = np.random.default_rng(0).integers(0, 256, (40, 64, 64, 3)).astype(np.float32)
    steps = {"epochs": 1, "batch_size": 8, "optimizer": "sgd", "learning_rate": 0.01, "early_stopping": 0}
    own = {"unfreeze": {"blocks": 2}, "parameters": "scale-and-bias"}
    recipe = Recipe.from_dict({"finetune": {**steps, **own}})
    backbone = get_backbone("efficientnet_lite0")

    def unfrozen_model():
        base = with_pooling(backbone.build(64), "avg")
        model = keras.Model(base.input, apply(head_layers(Head(), 3), base.output))
        return model, unfreeze(model, backbone, recipe.finetune)

    model, unfrozen = unfrozen_model()
    before = layer_weights(model)
    rows = np.asarray(cut(model, unfrozen.boundary)[0](pixels, training=False))
    data = data_of((rows[:32], labels[:32], rows[32:], labels[32:]))
    result = train_finetune_phase(recipe, model, unfrozen, data, NOTHING_BEFORE)
    assert result.trainable_parameters == sum(np.prod(one.shape) for one in model.trainable_weights)

    expected, _ = unfrozen_model()
    logits = cut(expected, "head_logits")[0]
    order = np.random.default_rng([recipe.seed, 1]).permutation(32)
    for number in range(4):
        chosen = order[8 * number : 8 * number + 8]
        with tf.GradientTape() as tape:
            answers = logits(pixels[chosen], training=False)
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels[chosen], answers)
            loss = tf.reduce_mean(loss)
        trained = logits.trainable_variables
        for variable, gradient in zip(trained, tape.gradient(loss, trained), strict=True):
            variable.assign_sub(0.01 * gradient)
    found, wanted = layer_weights(model), layer_weights(expected)
    moved = {name for name in found if not np.array_equal(found[name], before[name])}
    # Gamma and beta, not the mean and the variance that come after them; and the head.
    assert moved == {f"{name}/{number}" for name in (*unfrozen.held, "head_logits") for number in (0, 1)}
    for name in moved:
        far = np.linalg.norm(wanted[name] - before[name])
        assert np.linalg.norm(found[name] - wanted[name]) <= 0.02 * far, name


def test_train_finetune_phase__of_scale_and_bias_alone_leaves_batch_norm_of_the_head_its_own_statistics():
    pixels = np.random.default_rng(0).integers(0, 256, (24, 64, 64, 3)).astype(np.float32)
    own = {"epochs": 1, "batch_size": 8, "unfreeze": {"blocks": 1}, "parameters": "scale-and-bias"}
    recipe = Recipe.from_dict({"head": {"batch_norm": True}, "finetune": own})
    backbone = get_backbone("efficientnet_lite0")
    base = with_pooling(backbone.build(64), "avg")
    model = keras.Model(base.input, apply(head_layers(recipe.head, 3), base.output))
    unfrozen = unfreeze(model, backbone, recipe.finetune)
    before = layer_weights(model)
    rows = np.asarray(cut(model, unfrozen.boundary)[0](pixels, training=False))
    data = data_of((rows[:16], np.arange(16) % 3, rows[16:], np.arange(8) % 3))
    train_finetune_phase(recipe, model, unfrozen, data, NOTHING_BEFORE)
    found = layer_weights(model)
    moved = {name for name in found if not np.array_equal(found[name], before[name])}
    # Gamma, beta, mean and variance of the head's; of the backbone's gamma and beta.
    assert moved == {
        *(f"head_batch_norm/{number}" for number in range(4)),
        *(f"{name}/{number}" for name in (*unfrozen.held, "head_logits") for number in (0, 1)),
    }


def test_refuse_bad_settings__a_teacher_without_part():
    recipe = Recipe.from_dict({"distill": {"run": "r"}, "frozen": {"fit": "linear"}})
    with pytest.raises(RecipeError, match=r"learns from the labels alone.*frozen.fit=gradient"):
        refuse_bad_settings(recipe, 100, 8, CLASSES)
    refuse_bad_settings(recipe.with_settings(["finetune.epochs=1"]), 100, 8, CLASSES)
    # A linear probe that gives way.
    refuse_bad_settings(recipe, 10**9, 1280, CLASSES)


def test_train_frozen_phase__a_linear_fit_says_that_it_does_not_listen_to_the_teacher(rows):
    notes = []
    values = {"distill": {"run": "r"}, "frozen": {"fit": "linear"}, "finetune": {"epochs": 1}}
    result = train(rows, values, note=keep(notes))
    assert any("labels alone" in line for line in notes)
    assert result.linear_path == train(rows, {"frozen": {"fit": "linear"}}).linear_path


def test_train_frozen_phase__a_teacher_makes_up_for_labels():
    """Few labels, a third of them wrong, and a teacher that knows how likely each class is."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 6))

    def draw(num):
        truth = np.arange(num) % 3
        points = centres[truth] + rng.normal(size=(num, 6))
        # Of Gaussians of unit variance and equal shares.
        logits = points @ centres.T - (centres**2).sum(axis=1) / 2
        return points.astype(np.float32), truth, softmax(logits, axis=1).astype(np.float32)

    features, truth, taught = draw(30)
    labels = np.where(rng.random(30) < 1 / 3, (truth + 1) % 3, truth)
    validation, held_out = draw(60)[:2], draw(3000)

    def student(**distill):
        settings = {"fit": "gradient", "epochs": 60, "learning_rate": 0.05, "early_stopping": 0}
        recipe = Recipe.from_dict({"frozen": settings, "distill": distill})
        data = TrainingData(ArrayBatches(features, labels, taught), *validation, CLASSES)
        result = train_frozen_phase(recipe, data, features, labels)
        shares = np.asarray(head_model(result.layers, 6)(held_out[0]))
        distance = rel_entr(held_out[2], shares).sum(axis=1).mean()
        return distance, (shares.argmax(axis=1) == held_out[1]).mean()

    alone, distilled = student(), student(run="r", weight=0.9, temperature=2.0)
    assert distilled[0] < alone[0] / 3
    assert distilled[1] > alone[1] + 0.03
