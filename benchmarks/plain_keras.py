"""The recipe that is taught everywhere, in plain Keras: frozen MobileNetV2, augmentation, a new head, 8 epochs.

Phase 1 of "Transfer Learning: Stand on a Million Shoulders" on folders train/, validation/, test/, and with
`--finetune 10` its phase 2: the top 30 % of the layers at 1e-5, at most 10 epochs, early stopping after 3:

    python -m benchmarks.plain_keras TREE --weights mobilenet_v2.weights.h5 --epochs 8 --json result.json
"""

import argparse
import json
import time
from pathlib import Path

STARTED = time.perf_counter()

import keras
import numpy as np

SIZE, BATCH = (224, 224), 32


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("tree", type=Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--finetune", type=int, default=0, help="epochs of phase 2")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    seconds = {"import": time.perf_counter() - STARTED}
    keras.utils.set_random_seed(arguments.seed)

    mark = time.perf_counter()
    load = keras.utils.image_dataset_from_directory
    train = load(
        arguments.tree / "train", image_size=SIZE, batch_size=BATCH, shuffle=True, seed=arguments.seed
    )
    validation = load(arguments.tree / "validation", image_size=SIZE, batch_size=BATCH)
    test = load(arguments.tree / "test", image_size=SIZE, batch_size=BATCH, shuffle=False)
    base = keras.applications.MobileNetV2(
        input_shape=(*SIZE, 3), include_top=False, weights=arguments.weights
    )
    base.trainable = False
    inputs = keras.Input((*SIZE, 3))
    augmentation = keras.Sequential([keras.layers.RandomFlip("horizontal"), keras.layers.RandomRotation(0.1)])
    x = keras.applications.mobilenet_v2.preprocess_input(augmentation(inputs))
    x = keras.layers.GlobalAveragePooling2D()(base(x, training=False))
    outputs = keras.layers.Dense(len(train.class_names))(keras.layers.Dropout(0.2)(x))
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    seconds["build"] = time.perf_counter() - mark

    mark = time.perf_counter()
    model.fit(train.prefetch(2), validation_data=validation.prefetch(2), epochs=arguments.epochs, verbose=2)
    seconds["fit"] = time.perf_counter() - mark

    epochs = 0
    if arguments.finetune:
        mark = time.perf_counter()
        base.trainable = True
        for layer in base.layers[: int(len(base.layers) * 0.7)]:
            layer.trainable = False
        model.compile(
            optimizer=keras.optimizers.Adam(1e-5),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        stop = keras.callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True)
        history = model.fit(
            train.prefetch(2),
            validation_data=validation.prefetch(2),
            epochs=arguments.finetune,
            callbacks=[stop],
            verbose=2,
        )
        seconds["finetune"] = time.perf_counter() - mark
        epochs = len(history.history["loss"])

    mark = time.perf_counter()
    predicted = model.predict(test.prefetch(2), verbose=0).argmax(axis=1)
    seconds["test"] = time.perf_counter() - mark

    labels = np.concatenate([batch.numpy() for _, batch in test])
    names = [Path(path).relative_to(arguments.tree).as_posix() for path in test.file_paths]
    correct = {name: int(hit) for name, hit in zip(names, predicted == labels, strict=True)}
    arguments.json.write_text(json.dumps({"seconds": seconds, "correct": correct, "finetune_epochs": epochs}))


if __name__ == "__main__":
    main()
