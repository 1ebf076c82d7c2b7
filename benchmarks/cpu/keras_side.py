"""The lesson in plain Keras 3, on whichever backend KERAS_BACKEND names.

KERAS_BACKEND=jax python -m benchmarks.cpu.keras_side TREE --weights FILE --json result.json
"""

import time

STARTED = time.perf_counter()

import keras
import numpy as np

from benchmarks.cpu import lesson
from benchmarks.cpu.lesson import BATCH, SIZE, Photos, Result


class Batches(keras.utils.PyDataset):
    """Photos, decoded when they are needed, in a new order in every epoch."""

    def __init__(self, photos: Photos, *, seed: int | None = None) -> None:
        super().__init__(workers=2, use_multiprocessing=False, max_queue_size=4)
        self.photos, self.rng = photos, None if seed is None else np.random.default_rng(seed)
        self.order = np.arange(len(photos.paths))
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self.order) // BATCH)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.order[index * BATCH : (index + 1) * BATCH]
        return np.stack([lesson.pixels(self.photos.paths[row]) for row in rows]), self.photos.labels[rows]

    def on_epoch_end(self) -> None:
        if self.rng is not None:
            self.order = self.rng.permutation(len(self.order))


class Clock(keras.callbacks.Callback):
    """Seconds of each epoch without its validation."""

    def __init__(self, into: list[float]) -> None:
        super().__init__()
        self.into, self.begun = into, 0.0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.begun = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.last = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.into.append(self.last - self.begun)


def main() -> None:
    parser = lesson.arguments()
    parser.add_argument("--bf16", action="store_true", help="layers in bf16, weights in f32")
    arguments = parser.parse_args()
    result = Result(seconds={"import": time.perf_counter() - STARTED})
    keras.utils.set_random_seed(arguments.seed)
    if arguments.bf16:
        keras.config.set_dtype_policy("mixed_bfloat16")
    train, validation, test = lesson.split_photos(arguments)
    result.trained_on = len(train.paths)
    with result.timed("build"):
        base = keras.applications.MobileNetV2(
            input_shape=(SIZE, SIZE, 3), include_top=False, weights=str(arguments.weights)
        )
        base.trainable = False
        inputs = keras.Input((SIZE, SIZE, 3))
        augmented = keras.layers.RandomRotation(lesson.ROTATION)(
            keras.layers.RandomFlip("horizontal")(inputs)
        )
        scaled = keras.applications.mobilenet_v2.preprocess_input(augmented)
        pooled = keras.layers.GlobalAveragePooling2D()(base(scaled, training=False))
        logits = keras.layers.Dense(int(train.labels.max()) + 1)(keras.layers.Dropout(lesson.DROPOUT)(pooled))
        model = keras.Model(inputs, logits)
        plain = keras.applications.mobilenet_v2.preprocess_input(inputs)
        extractor = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(base(plain, training=False)))

    if not arguments.no_features:
        # The graph is compiled before the clock starts.
        extractor.predict(Batches(lesson.photos_of(arguments.tree, "train", BATCH)), verbose=0)
        lesson.fit_head(
            result,
            lambda photos: extractor.predict(Batches(photos), verbose=0),
            train,
            None if arguments.limit else test,
        )

    batches, held_out = Batches(train, seed=arguments.seed), Batches(validation)

    def fit(epochs: int, rate: float, seconds: list[float]) -> None:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer=keras.optimizers.Adam(rate), loss=loss, metrics=["accuracy"])
        model.fit(batches, validation_data=held_out, epochs=epochs, callbacks=[Clock(seconds)], verbose=2)

    with result.timed("head"):
        fit(arguments.epochs, lesson.HEAD_RATE, result.epochs["head"])
    with result.timed("tune"):
        base.trainable = True
        first = [layer.name for layer in base.layers].index(lesson.FIRST_TRAINED)
        for number, layer in enumerate(base.layers):
            layer.trainable = number >= first and not isinstance(layer, keras.layers.BatchNormalization)
        fit(arguments.finetune, lesson.TUNE_RATE, result.epochs["tune"])
    if not arguments.limit:
        with result.timed("test"):
            hits = model.predict(Batches(test), verbose=0).argmax(axis=1) == test.labels
        result.correct = {name: int(hit) for name, hit in zip(test.names, hits, strict=True)}
    result.write(arguments.json)


if __name__ == "__main__":
    main()
