"""The training loop, one for every boundary: from the features of a batches to the logits of a model.

Nothing global is seeded or switched. The order of the photos comes from the seed and the number of the epoch, and what
dropout draws is set by the seed; so two fits give identical weights on one machine's CPU, and a training that was
killed goes on to the very weights that it would have reached.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import keras
import numpy as np
from jaxtyping import Int

from budwood.config.recipe import Augment, Distill, Finetune, Frozen, Loss
from budwood.core.errors import DataError, RecipeError
from budwood.core.progress.base import SILENT, Progress
from budwood.data.augment import PLAIN
from budwood.features.store.store import Rows
from budwood.training.batches import Batches
from budwood.training.checkpoints import Checkpoints
from budwood.training.diagnose import find_loss_spike
from budwood.training.mixing import refuse_bad_mixing
from budwood.training.optimizers import current_rate
from budwood.training.tensorboard import open_log
from budwood.training.trainer import NO_TEACHER, Trainer
from budwood.training.validation import Measured, validate

STAGES = {"frozen": "head"}
"""What a phase is called in the progress, where not by its own name."""
VECTORS_AT_A_TIME = 1024
"""Rows of a batch in validation; larger features are validated in the batches of the training."""


class DivergedError(RecipeError):
    """The loss was not a finite number before one epoch was done; the model is as it was."""


@dataclass(frozen=True)
class Fitted:
    """What the epochs gave; the weights of the best one are in the model."""

    history: list[dict[str, Any]]
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
    batches: Batches,
    validation: Rows | np.ndarray,
    validation_labels: Int[np.ndarray, "m"],
    settings: Frozen | Finetune,
    loss: Loss,
    *,
    classes: Sequence[str],
    phase: str = "frozen",
    augment: Augment = PLAIN,
    distill: Distill = NO_TEACHER,
    seed: int = 0,
    first_epoch: int = 1,
    best_before: float = math.inf,
    rates: Mapping[str, float] = {},
    checkpoints: Checkpoints | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    log_folder: Path | None = None,
    progress: Progress = SILENT,
    note: Callable[[str], None] = lambda line: None,
) -> Fitted:
    """Trains a model by gradient steps and leaves in it the weights of the epoch with the lowest validation loss.

    Args:
        model: features `(None, *batches.shape)` in, logits `(None, classes)` out, or `(None, 1)` for the second of two
            classes. It is compiled here: what `trainable` says now is what trains.
        batches: the training photos.
        validation, validation_labels: features and class numbers of what early stopping looks at.
        settings: the recipe's [frozen] or [finetune].
        loss: the recipe's [loss].
        classes: names of the classes, in the order of their numbers.
        phase: names progress, checkpoints and logs; "finetune" is watched for a spike at its start.
        augment: of it mixup and cutmix; views are the batches's.
        distill: the recipe's [distill]; where it names a run, the batches has that teacher.
        seed: decides order, mixing and dropout.
        first_epoch: number of the first epoch; phases are counted through.
        best_before: lowest validation loss of the phase before, from which early stopping counts its patience.
        rates: multiples of the learning rate, by layer.
        checkpoints: what to go on from after every epoch is kept there. A training found there is gone on with, and
            one that had ended is returned at once.
        callbacks: Keras callbacks, told of this model. What they remember is not in the checkpoints.
        log_folder: where logs for TensorBoard go, in a folder of the phase.
        progress: told of every batch.
        note: told what the user should know.

    Raises:
        RecipeError: settings that do not go together.
        DivergedError: the loss is not finite in the first epoch already; the model has the weights that it came with.
        DataError: no photo to train on or to validate with.
        RunError: the checkpoints are of another training.

    >>> from budwood.training.batches import ArrayBatches
    >>> features, labels = np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1])
    >>> pixels = keras.Input((4,))
    >>> model = keras.Model(pixels, keras.layers.Dense(2, kernel_initializer="zeros")(pixels))
    >>> batches = ArrayBatches(features, labels)
    >>> found = fit(model, batches, features, labels, Frozen(epochs=3), Loss(), classes=["a", "b"])
    >>> len(found.history), found.best_epoch, round(found.before["val_loss"], 4)
    (3, 3, 0.6931)
    """
    if not len(batches.labels) or not len(validation_labels):
        empty = "validation" if len(batches.labels) else "train"
        raise DataError(
            f"the {empty} split is empty, but gradient steps need photos in both. Change data.split"
        )
    refuse_bad_mixing(augment, batches.shape, batches.labels)
    trainer = Trainer(
        model,
        batches,
        settings,
        loss,
        classes=classes,
        augment=augment,
        seed=seed,
        rates=rates,
        distill=distill,
    )
    trainer.seed_random_layers(first_epoch)
    start = trainer.weights()
    batch_size = settings.batch_size if len(batches.shape) > 1 else VECTORS_AT_A_TIME

    def measure() -> Measured:
        return validate(model, validation, validation_labels, batch_size, calibrate=True)

    def tell(line: str) -> None:
        state.notes.append(line)
        note(line)

    state = _resume(trainer, checkpoints, note)
    losses_before = None
    if not state.history:
        measured = measure()
        state.before, losses_before = measured.row(), measured.losses
    begun, resumed = time.perf_counter() - state.seconds, len(state.history)
    watchers = keras.callbacks.CallbackList(
        list(callbacks), model=model, epochs=first_epoch - 1 + settings.epochs, steps=trainer.num_batches
    )
    model.stop_training = False
    if not state.finished:
        watchers.on_train_begin()

    num_steps = trainer.num_batches * settings.epochs
    with (
        progress.stage(STAGES.get(phase, phase), total=num_steps, unit="batches") as stage,
        open_log(log_folder / phase if log_folder and not state.finished else None) as log,
    ):
        stage.advance(resumed * trainer.num_batches)
        while not state.finished:
            epoch = first_epoch + len(state.history)
            watchers.on_epoch_begin(epoch - 1)  # Keras counts from 0
            rate = current_rate(model.optimizer)
            trained = trainer.run_epoch(epoch, watchers, stage)
            with trainer.averaged():
                measured = measure()
                row = {"epoch": epoch, **trained, **measured.row(), "learning_rate": rate}
                if not math.isfinite(row["loss"] + row["val_loss"]):
                    state.stopped = f"the loss is no longer a finite number in epoch {epoch}"
                    advice = f"Lower {phase}.learning_rate, it was {rate:g}"
                    if not state.history:
                        trainer.set_weights(start)
                        raise DivergedError(f"{state.stopped}. {advice}")
                    tell(f"{state.stopped}: the weights of epoch {state.best['epoch']} stay. {advice}")
                    state.finished = True
                else:
                    state.history.append(row)
                    is_best = state.best is row
                    if is_best:
                        trainer.best = trainer.weights()
                    if checkpoints:
                        checkpoints.write_weights(model, epoch, row, is_best)
                    if phase == "finetune" and losses_before is not None:
                        spike = find_loss_spike(
                            model, start, losses_before, measured.losses, lambda: measure().losses
                        )
                        losses_before = None
                        if spike:
                            tell(spike.words)
                    log(row)
                    watchers.on_epoch_end(epoch - 1, {key: row[key] for key in row if key != "epoch"})
                    _lower_rate(model.optimizer, state.val_losses, settings)
                    state.finished, state.stopped = _ends(state.val_losses, best_before, settings, model)
            state.seconds = time.perf_counter() - begun
            if checkpoints:
                checkpoints.write_last(asdict(state), trainer.arrays())
    if len(state.history) > resumed:
        watchers.on_train_end()
    trainer.set_weights(trainer.best)
    return Fitted(state.history, state.best["epoch"], state.seconds, state.before, state.stopped)


@dataclass
class _State:
    """What is known of a phase apart from arrays; best epoch and patience follow from the history."""

    history: list[dict[str, Any]] = field(default_factory=list)
    before: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    stopped: str | None = None
    finished: bool = False

    @property
    def val_losses(self) -> list[float]:
        return [row["val_loss"] for row in self.history]

    @property
    def best(self) -> dict[str, Any]:
        return min(self.history, key=lambda row: row["val_loss"])


def _resume(trainer: Trainer, checkpoints: Checkpoints | None, note: Callable[[str], None]) -> _State:
    """The state in the checkpoints, with everything in the trainer as it was then; a new one where there is none."""
    found = checkpoints.read_last(note) if checkpoints else None
    if found is None:
        return _State()
    values, arrays = found
    if not trainer.restore(arrays):
        note("the checkpoint does not fit the model: the phase starts anew")
        return _State()
    state = _State(**{known.name: values[known.name] for known in fields(_State)})
    for line in state.notes:
        note(line)
    return state


def _ends(
    losses: Sequence[float], best_before: float, settings: Frozen | Finetune, model: keras.Model
) -> tuple[bool, str | None]:
    """Whether this was the last epoch, and why where it comes early."""
    if len(losses) == settings.epochs:
        return True, None
    if model.stop_training:
        return True, "a callback asked to stop"
    best, waited = best_before, 0
    for loss in losses:
        best, waited = (loss, 0) if loss < best else (best, waited + 1)
    if settings.early_stopping and waited >= settings.early_stopping:
        return True, f"no better validation loss in {waited} epochs"
    return False, None


def _lower_rate(
    optimizer: keras.optimizers.Optimizer, losses: Sequence[float], settings: Frozen | Finetune
) -> None:
    """Lowers the rate of "reduce_on_plateau" where the loss has been no better for as long as the recipe waits."""
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
