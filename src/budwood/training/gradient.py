"""The gradient fit: any head and any Keras optimizer, on features streamed from the store.

Nothing global is seeded or switched: layers bring their seeds, the order of the photos its own generator, so that
two fits of the same head on the same machine give identical weights on a CPU.
"""

import inspect
import math
import time
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from jaxtyping import Int

from budwood.errors import DataError, RecipeError, did_you_mean
from budwood.features.store import Rows
from budwood.progress import SILENT, Progress
from budwood.recipe import Frozen
from budwood.training.heads import LOGITS

IN_MEMORY_BYTES = 2**28
"""Features up to 256 MiB are read once; larger ones batch by batch."""
PLATEAU_FACTOR, PLATEAU_PATIENCE = 0.5, 2
"""`schedule = "reduce_on_plateau"` halves the rate after two epochs without a better validation loss."""
STEPS_AT_A_TIME = 16
"""Steps per call into TensorFlow: a head's step is short beside the call."""


@dataclass
class GradientFit:
    """What the epochs gave; the best weights are in the head."""

    history: list[dict[str, Any]]
    """A row an epoch: epoch (from 1), loss, accuracy, val_loss, val_accuracy, learning_rate (at the epoch's start),
    seconds. Losses include the head's L2 penalty."""
    best_epoch: int
    seconds: float


def fit_gradient(
    head: keras.Model,
    train: Rows | np.ndarray,
    train_labels: Int[np.ndarray, "n"],
    validation: Rows | np.ndarray,
    validation_labels: Int[np.ndarray, "m"],
    settings: Frozen,
    *,
    seed: int = 0,
    progress: Progress = SILENT,
) -> GradientFit:
    """Trains the head and leaves in it the weights of the epoch with the lowest validation loss.

    Args:
        head: a model of `heads.head_layers` from features to probabilities.
        train: training features, (n, features); only batches of it are in memory where it is large.
        train_labels: class numbers.
        validation, validation_labels: likewise, what early stopping looks at.
        settings: the recipe's [frozen]: optimizer, learning rate, schedule, epochs, batch size, early stopping.
        seed: decides the order of the photos.
        progress: told of every batch, as stage "head".

    Raises:
        RecipeError: an optimizer that does not exist or does not take a setting, or a loss that is no longer finite.
        DataError: no photo to train on or to validate with.
    """
    if not len(train) or not len(validation):
        empty = "validation" if len(train) else "train"
        raise DataError(
            f"the {empty} split is empty, but a gradient fit needs photos in both. Change data.split"
        )
    started = time.perf_counter()
    batches = _Batches(train, train_labels, settings.batch_size)
    model = _compile(head, settings, len(batches))
    best = keras.callbacks.EarlyStopping(
        "val_loss", patience=settings.early_stopping or settings.epochs, restore_best_weights=True
    )
    with progress.stage("head", total=len(batches) * settings.epochs, unit="batches") as stage:
        record = _Record(stage)
        callbacks = [record, best]
        if settings.schedule == "reduce_on_plateau":
            callbacks.append(keras.callbacks.ReduceLROnPlateau("val_loss", PLATEAU_FACTOR, PLATEAU_PATIENCE))
        model.fit(
            batches.shuffled(seed),
            steps_per_epoch=len(batches),
            shuffle=False,
            validation_data=_Batches(validation, validation_labels, max(256, settings.batch_size)),
            epochs=settings.epochs,
            callbacks=callbacks,
            verbose=0,
        )
    return GradientFit(record.history, best.best_epoch + 1, time.perf_counter() - started)


class _Batches(keras.utils.PyDataset):
    """Features and labels, batch by batch, in their order."""

    def __init__(self, rows: Rows | np.ndarray, labels: Int[np.ndarray, "n"], batch_size: int):
        super().__init__()
        size = math.prod(rows.shape) * rows.dtype.itemsize
        self.rows = rows[:] if size <= IN_MEMORY_BYTES else rows
        self.labels, self.batch_size = labels, batch_size

    def __len__(self) -> int:
        return math.ceil(len(self.labels) / self.batch_size)

    def __getitem__(self, index: int):
        first = index * self.batch_size
        return self.take(np.arange(first, min(first + self.batch_size, len(self.labels))))

    def take(self, chosen: Int[np.ndarray, "batch"]):
        return np.asarray(self.rows[chosen], np.float32), self.labels[chosen]

    def shuffled(self, seed: int):
        """Endless batches, every epoch in a new order.

        One stream rather than a reshuffle at each epoch's end: Keras fetches ahead, so that a reshuffle would reach
        some batches of an epoch and not others.
        """
        rng = np.random.default_rng(seed)
        while True:
            order = rng.permutation(len(self.labels))
            for first in range(0, len(order), self.batch_size):
                yield self.take(order[first : first + self.batch_size])


class _Record(keras.callbacks.Callback):
    """Keeps the history, tells the progress, and stops where the loss is no number."""

    def __init__(self, stage):
        super().__init__()
        self.stage, self.history = stage, []
        self.batches_told = 0

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        rate = self.model.optimizer.learning_rate
        self.learning_rate = float(keras.ops.convert_to_numpy(rate))
        self.started, self.batches_told = time.perf_counter(), 0

    def on_train_batch_end(self, batch: int, logs=None) -> None:
        self.stage.advance(batch + 1 - self.batches_told)
        self.batches_told = batch + 1

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        if not math.isfinite(logs["loss"]) or not math.isfinite(logs["val_loss"]):
            raise RecipeError(
                f"the loss is no longer a finite number in epoch {epoch + 1}. "
                f"Lower frozen.learning_rate, it was {self.learning_rate:g}"
            )
        row = {key: float(logs[key]) for key in ("loss", "accuracy", "val_loss", "val_accuracy")}
        seconds = time.perf_counter() - self.started
        self.history.append(
            {"epoch": epoch + 1, **row, "learning_rate": self.learning_rate, "seconds": seconds}
        )


def _compile(head: keras.Model, settings: Frozen, steps_per_epoch: int) -> keras.Model:
    """The head up to its logits, which the loss takes without rounding a small probability to zero."""
    model = keras.Model(head.input, head.get_layer(LOGITS).output)
    model.compile(
        optimizer=make_optimizer(settings, steps_per_epoch),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        steps_per_execution=min(STEPS_AT_A_TIME, steps_per_epoch),
        # XLA compiles for longer than a head trains, and its steps on a CPU are slower.
        jit_compile=False,
    )
    return model


def make_optimizer(settings: Frozen, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """The optimizer that the recipe's [frozen] names, with its schedule. Biases and norms do not decay.

    Raises RecipeError for an unknown name, or a setting that the optimizer does not take.

    >>> make_optimizer(Frozen(optimizer="sgd", momentum=0.9), steps_per_epoch=10).momentum
    0.9
    """
    classes = _optimizers()
    kind = classes.get(settings.optimizer.lower())
    if kind is None:
        raise RecipeError(
            f"unknown optimizer `{settings.optimizer}`.{did_you_mean(settings.optimizer.lower(), classes)} "
            f"frozen.optimizer is one of: {', '.join(classes)}"
        )
    options: dict[str, Any] = {"learning_rate": _learning_rate(settings, steps_per_epoch)}
    accepted = inspect.signature(kind).parameters
    for key in ("momentum", "weight_decay"):
        value = getattr(settings, key)
        if key in accepted:
            options[key] = value
        elif value:
            raise RecipeError(
                f"the optimizer {settings.optimizer} takes no {key}. "
                f"Leave out frozen.{key}, or choose another optimizer"
            )
    optimizer = kind(**options)
    if settings.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _optimizers() -> dict[str, type[keras.optimizers.Optimizer]]:
    # These two wrap others.
    wrappers = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer"}
    return {
        name.lower(): kind
        for name, kind in sorted(vars(keras.optimizers).items())
        if inspect.isclass(kind) and issubclass(kind, keras.optimizers.Optimizer) and name not in wrappers
    }


def _learning_rate(settings: Frozen, steps_per_epoch: int):
    warmup = round(settings.warmup_epochs * steps_per_epoch)
    steps = settings.epochs * steps_per_epoch
    if settings.schedule == "reduce_on_plateau" and warmup:
        raise RecipeError(
            'frozen.warmup_epochs goes with schedule = "constant" or "cosine". '
            'Set it to 0, or choose another schedule than "reduce_on_plateau"'
        )
    if warmup >= steps:
        raise RecipeError(
            f"frozen.warmup_epochs = {settings.warmup_epochs:g} leaves none of the {settings.epochs} epochs. "
            "Give fewer than frozen.epochs"
        )
    if settings.schedule == "cosine" or warmup:
        return keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else settings.learning_rate,
            decay_steps=steps - warmup,
            # A decay to 1 is a constant.
            alpha=0.0 if settings.schedule == "cosine" else 1.0,
            warmup_target=settings.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
    return settings.learning_rate
