"""The training loop, one for every boundary: from stored features to the logits of a model.

Nothing global is seeded or switched. The order of the photos comes from the seed and the number of the epoch, and what
dropout draws is set by the seed; so two fits give identical weights on one machine's CPU, and a training that was
killed goes on to the very weights that it would have reached.
"""

import math
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

import keras

from budwood.config.learning import Finetune, Frozen
from budwood.config.recipe import Recipe
from budwood.core.errors import DataError, RecipeError
from budwood.training.batches import TrainingData
from budwood.training.callbacks import FitState, Hook, RunningFit
from budwood.training.checkpoints import Row
from budwood.training.measured import Measured
from budwood.training.mirrored import ONE, devices_of
from budwood.training.mixing import refuse_bad_mixing
from budwood.training.optimizers import current_rate
from budwood.training.trainer import Trainer
from budwood.training.validation import validate

VECTORS_AT_A_TIME = 1024
"""Rows of a batch in validation; larger features are validated in the batches of the training."""


class DivergedError(RecipeError):
    """The loss was not a finite number before one epoch was done; the model is as it was."""


@dataclass(frozen=True)
class Before:
    """What went before a phase."""

    epochs: int = 0
    """Their number; epochs are counted on through the phases."""
    val_loss: float = math.inf
    """The lowest validation loss, from which early stopping counts its patience."""


NOTHING_BEFORE = Before()


@dataclass(frozen=True)
class Fitted:
    """What the epochs gave; the weights of the best one are in the model."""

    history: list[Row]
    """A row an epoch: epoch, loss, accuracy, top5_accuracy (of more than five classes), the same three with `val_`,
    and learning_rate (at the epoch's start). `loss` is what was made smaller, with smoothing, weights and penalty, on
    the batches as they were trained on; `val_loss` is the plain negative log-likelihood at `temperature`, the one
    that suits the validation photos."""
    best_epoch: int
    """The first one of lowest validation loss."""
    seconds: float
    """In all the processes that a resumed training took."""
    before: dict[str, float]
    """The columns with `val_` before the first epoch."""
    stopped: str | None
    """Why it ended before its last epoch, in words."""


def fit(
    model: keras.Model,
    data: TrainingData,
    recipe: Recipe,
    phase: Literal["frozen", "finetune"] = "frozen",
    *,
    before: Before = NOTHING_BEFORE,
    rates: Mapping[str, float] = {},
    held: Collection[str] = (),
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Fitted:
    """Train a model by gradient steps and leave in it the weights of the epoch with the lowest validation loss.

    Args:
        model: features `(None, *batches.shape)` in, logits `(None, classes)` out, or `(None, 1)` for the second of two
            classes. It is compiled here: what `trainable` says now is what trains.
        data: the training photos, and those that early stopping looks at.
        recipe: its [frozen] or [finetune], [loss] and [distill] decide, its seed, and of [augment] mixup and cutmix.
            Where [distill] names a run, the batches have that teacher.
        phase: which of the two it is.
        before: what went before this phase.
        rates: multiples of the learning rate, by layer.
        held: names of BatchNorm layers whose gamma and beta are trained and whose statistics are fixed.
        callbacks: Keras callbacks, told of this model in their order, and hooks of `budwood.training.callbacks`
            among them. With `KeepCheckpoints` a training that was killed is gone on with, and one that had ended is
            returned at once; what other callbacks remember is not in the checkpoints.

    Raises:
        RecipeError: settings that do not go together.
        DivergedError: the loss is not finite in the first epoch already; the model has the weights that it came with.
        DataError: no photo to train on or to validate with.
        RunError: the checkpoints are of another training.

    >>> import numpy as np
    >>> from budwood.training.batches import ArrayBatches
    >>> features, labels = np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1])
    >>> pixels = keras.Input((4,))
    >>> model = keras.Model(pixels, keras.layers.Dense(2, kernel_initializer="zeros")(pixels))
    >>> data = TrainingData(ArrayBatches(features, labels), features, labels, ["a", "b"])
    >>> found = fit(model, data, Recipe.from_dict({"frozen": {"epochs": 3}}))
    >>> len(found.history), found.best_epoch, round(found.before["val_loss"], 4)
    (3, 3, 0.6931)
    """
    _refuse_empty_split(data)
    refuse_bad_mixing(recipe.augment, data.batches.shape, data.batches.labels)
    settings: Frozen | Finetune = getattr(recipe, phase)
    devices = devices_of(settings) if isinstance(settings, Finetune) else ONE
    given, model = model, devices.copy(model)
    trainer = Trainer(model, data.batches, data.classes, recipe, settings, rates, held, data.task, devices)
    trainer.seed_random_layers(before.epochs + 1)
    batch_size = settings.batch_size if len(data.batches.shape) > 1 else VECTORS_AT_A_TIME

    def measure() -> Measured:
        validation, targets = data.validation, data.validation_labels
        if given is not model:
            # One device answers, for each of several would be given the whole batch.
            given.set_weights(model.get_weights())
        return validate(given, validation, targets, batch_size, calibrate=True, task=data.task)

    hooks = tuple(callback for callback in callbacks if isinstance(callback, Hook))
    running = RunningFit(trainer, phase, FitState(), trainer.weights(), measure, hooks=hooks)
    state = _restore(running)
    if not state.history:
        running.measured = measure()
        state.before = running.measured.row()
    begun, resumed = time.perf_counter() - state.seconds, len(state.history)
    watchers = keras.callbacks.CallbackList(
        list(callbacks), model=model, epochs=before.epochs + settings.epochs, steps=trainer.num_batches
    )
    model.stop_training = False
    if not state.finished:
        watchers.on_train_begin()

    with ExitStack() as stack:
        for hook in hooks:
            stack.enter_context(hook.running())
        while not state.finished:
            epoch = before.epochs + len(state.history) + 1
            watchers.on_epoch_begin(epoch - 1)  # Keras counts from 0
            rate = current_rate(model.optimizer)
            trained = trainer.run_epoch(epoch, watchers)
            with trainer.averaged():
                running.measured = measure()
                row: Row = {"epoch": epoch, **trained, **running.measured.row(), "learning_rate": rate}
                diverged = not math.isfinite(row["loss"] + row["val_loss"])
                if not diverged:
                    state.history.append(row)
                    if state.best is row:
                        trainer.best = trainer.weights()
                    watchers.on_epoch_end(epoch - 1, {key: row[key] for key in row if key != "epoch"})
                    _lower_rate(model.optimizer, state.val_losses, settings)
                    state.finished, state.stopped = _ends(
                        state.val_losses, before.val_loss, settings, model, hooks
                    )
            if diverged:
                # After the moving average, which puts the weights of before itself back.
                _end_diverged(running, epoch, rate, given)
            state.seconds = time.perf_counter() - begun
            for hook in hooks:
                hook.on_epoch_done()
    if len(state.history) > resumed:
        watchers.on_train_end()
    trainer.set_weights(trainer.best)
    if given is not model:
        given.set_weights(trainer.best)
    return Fitted(state.history, int(state.best["epoch"]), state.seconds, state.before, state.stopped)


def _refuse_empty_split(data: TrainingData) -> None:
    if not len(data.batches.labels) or not len(data.validation_labels):
        empty = "validation" if len(data.batches.labels) else "train"
        raise DataError(
            f"the {empty} split is empty, but gradient steps need photos in both. Change data.split"
        )


def _restore(running: RunningFit) -> FitState:
    """Return the state that a hook has kept, with everything in the trainer as it was then; else the new one."""
    for hook in running.hooks:
        hook.fit = running
    found = None
    for hook in running.hooks:
        found = found or hook.restore()
    if found is not None:
        running.state = found
        for text, kind in found.notes:
            running.tell(text, kind)
    return running.state


def _end_diverged(running: RunningFit, epoch: int, rate: float, given: keras.Model) -> None:
    """End the fit at the best epoch so far.

    Where there is none, raise DivergedError, with the first weights put back into the model that trains and into the
    one that was given.
    """
    state = running.state
    state.stopped = f"the loss is no longer a finite number in epoch {epoch}"
    advice = f"Lower {running.phase}.learning_rate, it was {rate:g}"
    if not state.history:
        running.trainer.set_weights(running.start)
        given.set_weights(running.start)
        raise DivergedError(f"{state.stopped}. {advice}")
    running.note(f"{state.stopped}: the weights of epoch {state.best['epoch']} stay. {advice}", "diverged")
    state.finished = True


def _ends(
    losses: Sequence[float],
    best_before: float,
    settings: Frozen | Finetune,
    model: keras.Model,
    hooks: Sequence[Hook],
) -> tuple[bool, str | None]:
    """Return whether this was the last epoch, and why where it comes early."""
    if len(losses) == settings.epochs:
        return True, None
    if model.stop_training:
        return True, next((hook.why for hook in hooks if hook.why), "a callback asked to stop")
    best, waited = best_before, 0
    for loss in losses:
        best, waited = (loss, 0) if loss < best else (best, waited + 1)
    if settings.early_stopping and waited >= settings.early_stopping:
        return True, f"no better validation loss in {waited} epochs"
    return False, None


def _lower_rate(
    optimizer: keras.optimizers.Optimizer, losses: Sequence[float], settings: Frozen | Finetune
) -> None:
    """Lower the rate of "reduce_on_plateau" where the loss has been no better for as long as the recipe
    waits."""
    if settings.schedule != "reduce_on_plateau":
        return
    best, waited = math.inf, 0
    for loss in losses:
        # Each time the rate was lowered the waiting begins anew.
        waited = 0 if waited == settings.plateau_patience else waited
        best, waited = (loss, 0) if loss < best else (best, waited + 1)
    if waited == settings.plateau_patience:
        rate = current_rate(optimizer)
        # A rate that began below the floor stays there.
        floor = min(rate, settings.plateau_floor)
        optimizer.learning_rate = max(rate * settings.plateau_factor, floor)
