"""Trains a tiny network in both phases, in one process to the end and in others that are killed again and again.

    python killed_training.py FOLDER EPOCHS KILLS SEED

Each training is a process forked from this one, which has imported everything and computed nothing; so that what is
killed is a real process, and importing TensorFlow is paid for once. Leaves `result.json` and `weights.npz` of the two
trainings in FOLDER/whole and FOLDER/killed, and tells the epochs of both phases that were done at each kill.
"""

import json
import os
import random
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np

from budwood.config.recipe import Recipe
from budwood.network.graph import cut
from budwood.network.heads import apply
from budwood.network.unfreeze import Unfrozen
from budwood.pipeline.phases import train_finetune_phase, train_frozen_phase
from budwood.training.batches import ArrayBatches, TrainingData
from budwood.training.callbacks import FindLossSpike, KeepCheckpoints
from budwood.training.checkpoints import Checkpoints, layer_weights, read
from budwood.training.loop import Before

CLASSES = ["a", "b", "c"]
# Collected as a module too, where it has no arguments.
EPOCHS = int(sys.argv[2]) if __name__ == "__main__" else 1
STEPS = {"epochs": EPOCHS, "batch_size": 8, "early_stopping": 0, "schedule": "reduce_on_plateau"}
RECIPE = Recipe.from_dict(
    {
        "augment": {"mixup": 0.2},
        "head": {"hidden": [8], "dropout": 0.3, "batch_norm": True},
        "loss": {"label_smoothing": 0.1, "class_weights": "balanced"},
        "distill": {"run": "teacher", "weight": 0.3},
        "frozen": {"fit": "gradient", "ema": 0.9, "learning_rate": 0.02, **STEPS},
        "finetune": {"learning_rate": 0.01, "depth_decay": 0.5, "clip_norm": 1.0, **STEPS},
    }
)


def network() -> keras.Model:
    def conv(name: str, seed: int):
        return keras.layers.Conv2D(
            6, 3, padding="same", kernel_initializer=keras.initializers.HeNormal(seed=seed), name=name
        )

    pixels = keras.Input((8, 8, 3), name="pixels")
    x = keras.layers.ReLU(name="stem_relu")(conv("stem", 1)(pixels))
    x = keras.layers.BatchNormalization(name="low_norm")(conv("low", 2)(x))
    x = keras.layers.DepthwiseConv2D(
        3, depthwise_initializer=keras.initializers.HeNormal(seed=3), name="high"
    )(keras.layers.ReLU(name="low_relu")(x))
    x = keras.layers.Dropout(0.2, seed=4, name="high_drop")(x)
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D(name="pooling")(x))


def train(folder: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(96) % 3
    pixels = rng.normal(np.eye(3)[labels][:, None, None, :], 1.5, size=(96, 8, 8, 3)).astype(np.float32)
    train, validation = slice(64), slice(64, 96)
    taught = rng.dirichlet(np.ones(3), 64).astype(np.float32)

    def checkpoints(phase: str) -> Checkpoints:
        return Checkpoints(folder / "checkpoints", phase, {"recipe": RECIPE.to_toml()}, keep="all")

    def data(features: np.ndarray) -> TrainingData:
        batches = ArrayBatches(features[train], labels[train], taught)
        return TrainingData(batches, features[validation], labels[validation], CLASSES)

    base = network()
    features = np.asarray(base(pixels, training=False))
    frozen = train_frozen_phase(
        RECIPE,
        data(features),
        features[train],
        labels[train],
        callbacks=[KeepCheckpoints(checkpoints("frozen"))],
    )
    model = keras.Model(base.input, apply(frozen.layers, base.output))
    for layer in model.layers[:3]:
        layer.trainable = False
    features = np.asarray(cut(model, "stem_relu")[0](pixels, training=False))
    finetuned = train_finetune_phase(
        RECIPE,
        model,
        Unfrozen("stem_relu", ("low", "low_norm", "high"), {"low": 1, "low_norm": 1, "high": 0}, ()),
        data(features),
        Before(len(frozen.history), frozen.best_val_loss),
        callbacks=[KeepCheckpoints(checkpoints("finetune")), FindLossSpike()],
    )
    np.savez(folder / "weights.npz", **layer_weights(model))
    phases = [
        {key: value for key, value in asdict(phase).items() if key in ("history", "best_epoch", "stopped")}
        for phase in (frozen, finetuned)
    ]
    (folder / "result.json").write_text(json.dumps(phases, indent=2))


def fork(folder: Path) -> int:
    """Starts a training in a process of its own; gives its number."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        train(folder)
        status = 0
    finally:
        os._exit(status)


def epochs_done(folder: Path) -> int:
    files = (folder / "checkpoints").glob("*-last.npz")
    return sum(len(read(file)[0]["history"]) for file in files)


def kill_some_time(child: int, folder: Path, early: bool, moments: random.Random) -> None:
    """At any moment: early, while it begins, or a while after its first new checkpoint. It may end before."""
    before = epochs_done(folder)
    if not early:
        while epochs_done(folder) == before and not os.waitid(
            os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT
        ):
            time.sleep(0.002)
    time.sleep(moments.uniform(0, 1 if early else 0.05))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def main(folder: Path, kills: int, moments: random.Random) -> None:
    whole, killed = folder / "whole", folder / "killed"
    whole.mkdir()
    killed.mkdir()
    assert os.waitpid(fork(whole), 0)[1] == 0
    for number in range(kills):
        kill_some_time(fork(killed), killed, number % 5 == 4, moments)
        print(epochs_done(killed), flush=True)
    assert os.waitpid(fork(killed), 0)[1] == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[3]), random.Random(int(sys.argv[4])))
