"""Gradient steps that several devices share: the curve is that of one device.

The devices are parts of one processor, in a process of their own, for TensorFlow divides it only when it starts.
"""

import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from budwood.config.learning import Finetune
from budwood.core.errors import RecipeError
from budwood.training import mirrored

# 50 photos in batches of 16: the last one has two, which three devices cannot share.
FIT = """
    import json, sys
    import tensorflow as tf

    devices, settings, times = int(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
    held = {"norm"} if settings.get("parameters") == "scale-and-bias" else set()
    processor, *_ = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * devices)

    import keras
    import numpy as np
    from budwood.config.recipe import Recipe
    from budwood.training import mirrored
    from budwood.training.batches import ArrayBatches, TrainingData
    from budwood.training.loop import fit

    mirrored._accelerators = lambda: [f"CPU:{number}" for number in range(devices)]
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(50, 8, 8, 3)).astype(np.float32)
    labels = (rows[..., 0].mean((1, 2)) > 0).astype(int) + (rows[..., 1].mean((1, 2)) > 0.05)

    def made():
        keras.utils.set_random_seed(1)
        pixels = keras.Input((8, 8, 3))
        x = keras.layers.Conv2D(8, 3, name="conv")(pixels)
        x = keras.layers.BatchNormalization(trainable=bool(held), name="norm")(x)
        x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
        return keras.Model(pixels, keras.layers.Dense(3)(x))

    found = []
    for accelerators in (1, *[devices] * times):
        model = made()
        data = TrainingData(ArrayBatches(rows, labels), rows[:20], labels[:20], ["a", "b", "c"])
        recipe = Recipe.from_dict({"finetune": settings | {"accelerators": accelerators}})
        fitted = fit(model, data, recipe, "finetune", rates={"conv": 0.5}, held=held)
        norm = model.get_layer("norm")
        assert not held or float(abs(norm.gamma - 1.0).numpy().max()) > 0
        assert float(abs(norm.moving_mean.numpy()).max()) == 0
        curve = [[row["loss"], row["val_loss"]] for row in fitted.history]
        found.append([fitted.best_epoch, curve, [float(abs(one).sum()) for one in model.get_weights()]])
    print(json.dumps(found))
"""
SETTINGS = {"epochs": 4, "batch_size": 16, "learning_rate": 0.02, "schedule": "cosine"}


@pytest.mark.parametrize(
    ("devices", "settings", "times"),
    [
        (2, {"optimizer": "adamw", "weight_decay": 0.05, "ema": 0.9}, 1),
        pytest.param(2, {"optimizer": "adam", "parameters": "scale-and-bias"}, 1, marks=pytest.mark.slow),
        # Two trainings follow one another in one process, as those of an ensemble do.
        pytest.param(3, {"optimizer": "sgd", "momentum": 0.9}, 2, marks=pytest.mark.slow),
    ],
)
def test_fit__on_several_devices_gives_the_curve_of_one(devices, settings, times):
    arguments = [str(devices), json.dumps(SETTINGS | settings), str(times)]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FIT), *arguments], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    one, *several = json.loads(done.stdout)
    assert one[1][-1][0] < one[1][0][0]
    for found in several:
        assert found[0] == one[0]
        np.testing.assert_allclose(found[1], one[1], rtol=1e-4)
        np.testing.assert_allclose(found[2], one[2], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"clip_norm": 1.0}, "finetune.clip_norm = 1.0 does not go with finetune.accelerators = 2"),
        ({"batch_norm": "train"}, "finetune.batch_norm = 'train' does not go with"),
        ({}, "TensorFlow sees 1 accelerator on this machine. Set it to 1"),
    ],
)
def test_devices_of__what_cannot_be_shared_is_refused(settings, words, monkeypatch):
    monkeypatch.setattr(mirrored, "_accelerators", lambda: ["GPU:0"])
    with pytest.raises(RecipeError, match=words):
        mirrored.devices_of(Finetune(accelerators=2, **settings))
    assert mirrored.devices_of(Finetune(**settings)) is mirrored.ONE
