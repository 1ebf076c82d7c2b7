"""The recipe that is taught everywhere, with a sigmoid a label: plain Keras on the split of a run of Budwood.

Frozen MobileNetV2, augmentation, a new head of one sigmoid a label, 8 epochs; then the top 30 % of the layers at 1e-5,
at most 10 epochs, early stopping after 3. On any backend of Keras; it needs Keras, NumPy and Pillow:

    python -m benchmarks.plain_keras_labels PHOTOS RUN/split.csv --weights mobilenet_v2.weights.h5 --json keras.json
"""

import argparse
import csv
import json
import math
import time
from pathlib import Path

import keras
import numpy as np
from PIL import Image

SIZE, BATCH = 224, 32


class Batches(keras.utils.PyDataset):
    """The photos of a split in batches, in another order every epoch where a seed is given."""

    def __init__(self, pixels: np.ndarray, targets: np.ndarray, seed: int | None = None):
        super().__init__()
        self.pixels, self.targets, self.order = pixels, targets, np.arange(len(pixels))
        self.random = None if seed is None else np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self) -> int:
        return math.ceil(len(self.pixels) / BATCH)

    def __getitem__(self, place: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.order[place * BATCH : (place + 1) * BATCH]
        return self.pixels[rows].astype(np.float32), self.targets[rows]

    def on_epoch_end(self) -> None:
        if self.random is not None:
            self.random.shuffle(self.order)


def read_split(
    photos: Path, file: Path
) -> tuple[list[str], dict[str, tuple[list[str], np.ndarray, np.ndarray]]]:
    """The labels, and of each split the names of its photos, pixels `(n, 224, 224, 3)` uint8, targets `(n, labels)`."""
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    labels = sorted({label for row in rows for label in row["label"].split(";") if label})
    found = {}
    for split in ("train", "validation", "test"):
        some = [row for row in rows if row["split"] == split]
        pixels = np.empty((len(some), SIZE, SIZE, 3), np.uint8)
        targets = np.zeros((len(some), len(labels)), np.float32)
        for place, row in enumerate(some):
            with Image.open(photos / row["name"]) as picture:
                resized = picture.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
                pixels[place] = np.asarray(resized)
            targets[place] = [label in row["label"].split(";") for label in labels]
        found[split] = ([row["name"] for row in some], pixels, targets)
    return labels, found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("split", type=Path, help="split.csv of a run, without unknown labels")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--finetune", type=int, default=10, help="epochs of the second phase at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    keras.utils.set_random_seed(arguments.seed)
    labels, parts = read_split(arguments.photos, arguments.split)
    train = Batches(*parts["train"][1:], seed=arguments.seed)
    validation, test = Batches(*parts["validation"][1:]), Batches(*parts["test"][1:])
    base = keras.applications.MobileNetV2(
        input_shape=(SIZE, SIZE, 3), include_top=False, weights=arguments.weights
    )
    base.trainable = False
    inputs = keras.Input((SIZE, SIZE, 3))
    augmentation = keras.Sequential([keras.layers.RandomFlip("horizontal"), keras.layers.RandomRotation(0.1)])
    x = keras.applications.mobilenet_v2.preprocess_input(augmentation(inputs))
    x = keras.layers.GlobalAveragePooling2D()(base(x, training=False))
    model = keras.Model(inputs, keras.layers.Dense(len(labels), "sigmoid")(keras.layers.Dropout(0.2)(x)))
    seconds, answers = {}, {}

    mark = time.perf_counter()
    model.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")
    model.fit(train, validation_data=validation, epochs=arguments.epochs, verbose=2)
    seconds["frozen"] = time.perf_counter() - mark
    answers["frozen"] = model.predict(test, verbose=0).tolist()
    epochs = 0
    if arguments.finetune:
        mark = time.perf_counter()
        base.trainable = True
        for layer in base.layers[: int(len(base.layers) * 0.7)]:
            layer.trainable = False
        model.compile(keras.optimizers.Adam(1e-5), "binary_crossentropy")
        stop = keras.callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True)
        history = model.fit(
            train, validation_data=validation, epochs=arguments.finetune, callbacks=[stop], verbose=2
        )
        epochs = len(history.history["loss"])
        seconds["finetune"] = time.perf_counter() - mark
        answers["finetune"] = model.predict(test, verbose=0).tolist()
    arguments.json.write_text(
        json.dumps(
            {
                **{"labels": labels, "names": parts["test"][0], "probabilities": answers},
                **{"finetune_epochs": epochs, "seconds": seconds, "backend": keras.backend.backend()},
            }
        )
    )


if __name__ == "__main__":
    main()
