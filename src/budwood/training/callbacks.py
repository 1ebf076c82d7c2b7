"""What hangs on the training loop: Keras callbacks for checkpoints, TensorBoard, progress and a diagnosis of its start.

A `Hook` is a Keras callback that the loop tells of a few things more than Keras does. Those of a phase stand in one
list with the user's own callbacks, and are told in its order.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Literal

import keras
import numpy as np
from pydantic import TypeAdapter

from budwood.core.errors import DataError
from budwood.core.notes import NoteKind, TakesNotes
from budwood.core.progress.base import Progress, Stage
from budwood.core.scaling import LabelScaling
from budwood.evaluation.thresholds import choose_thresholds
from budwood.training.checkpoints import Checkpoints, Row
from budwood.training.diagnose import find_loss_spike
from budwood.training.kept_epochs import KeptLabels
from budwood.training.measured import Measured
from budwood.training.tensorboard import Log, open_log
from budwood.training.trainer import Trainer

Logs = dict[str, int | float] | None
"""What Keras tells a callback of a batch or an epoch."""
STAGES = {"frozen": "head"}
"""What a phase is called in the progress, where not by its own name."""


@dataclass
class FitState:
    """What is known of a phase apart from arrays; best epoch and patience follow from the history."""

    history: list[Row] = field(default_factory=list)
    before: dict[str, float] = field(default_factory=dict)
    notes: list[tuple[str, NoteKind]] = field(default_factory=list)
    seconds: float = 0.0
    stopped: str | None = None
    finished: bool = False

    @property
    def val_losses(self) -> list[float]:
        """Return the validation loss of each epoch."""
        return [row["val_loss"] for row in self.history]

    @property
    def best(self) -> Row:
        """Return the first row of lowest validation loss."""
        return min(self.history, key=lambda row: row["val_loss"])


@dataclass
class RunningFit:
    """A fit under way, as its hooks see it."""

    trainer: Trainer
    phase: str
    state: FitState
    start: list[np.ndarray]
    """The model's weights before the first epoch."""
    validate: Callable[[], Measured]
    """Measures the model as it is."""
    measured: Measured | None = None
    """The latest validation; None where a fit that is gone on with has not validated yet."""
    hooks: "tuple[Hook, ...]" = ()

    def note(self, text: str, kind: NoteKind) -> None:
        """Tell the user something that is told again where the training is gone on with."""
        self.state.notes.append((text, kind))
        self.tell(text, kind)

    def tell(self, text: str, kind: NoteKind) -> None:
        """Tell the hooks something that a user should know."""
        for hook in self.hooks:
            hook.on_note(text, kind)


class Hook(keras.callbacks.Callback):
    """A Keras callback that is also told of the loop's own doings; every method may be left out."""

    fit: RunningFit
    """Set by the loop before anything else is told."""
    why: str | None = None
    """Why it asked to stop, in words, where it did."""

    def restore(self) -> FitState | None:
        """Return the state to go on from, with the trainer's arrays put back; None where there is none."""
        return None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Entered when the state is known, and left when the fit has ended or failed."""
        yield

    def on_epoch_done(self) -> None:
        """Take note of an epoch's end, after every callback's `on_epoch_end`, with the weights as they go on
        being trained."""

    def on_note(self, text: str, kind: NoteKind) -> None:
        """Take what a user should know."""


class KeepCheckpoints(Hook):
    """Keeps after every epoch what a killed training goes on from, and goes on from what it finds.

    Args:
        checkpoints: where.
        goal: what the thresholds of several labels are chosen for, `evaluate.thresholds`.
    """

    def __init__(self, checkpoints: Checkpoints, goal: Literal["f1"] | float = "f1"):
        super().__init__()
        self.checkpoints, self.goal = checkpoints, goal

    def restore(self) -> FitState | None:
        found = self.checkpoints.read_last(lambda line: self.fit.tell(line, "checkpoint"))
        if found is None:
            return None
        values, arrays = found
        if not self.fit.trainer.restore(arrays):
            self.fit.tell("the checkpoint does not fit the model: the phase starts anew", "checkpoint")
            return None
        return TypeAdapter(FitState).validate_python({one.name: values[one.name] for one in fields(FitState)})

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        row = self.fit.state.history[-1]
        best = self.fit.state.best is row
        self.checkpoints.write_weights(self.model, int(row["epoch"]), row, best, self._labels())

    def on_epoch_done(self) -> None:
        self.checkpoints.write_last(asdict(self.fit.state), self.fit.trainer.arrays())

    def _labels(self) -> KeptLabels | None:
        measured = self.fit.measured
        if measured is None or measured.answers is None or not isinstance(measured.scaling, LabelScaling):
            return None
        shares, targets = measured.answers
        thresholds = None
        # A precision that an epoch does not reach is no reason to end the training.
        with suppress(DataError):
            names = [str(place) for place in range(targets.shape[1])]
            thresholds = choose_thresholds(targets, shares, names, goal=self.goal).values
        return KeptLabels(scale=measured.scaling.scale, shift=measured.scaling.shift, thresholds=thresholds)


class FindLossSpike(Hook):
    """Says after the first epoch whether, and why, the network has become clearly worse in it."""

    @contextmanager
    def running(self) -> Iterator[None]:
        self.before = None if self.fit.state.history else self.fit.measured
        yield

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        before, after = self.before, self.fit.measured
        self.before = None
        if before is None or after is None:
            return
        spike = find_loss_spike(
            self.model, self.fit.start, before.losses, after.losses, lambda: self.fit.validate().losses
        )
        if spike:
            self.fit.note(spike.words, "loss_spike")


class KeepToTime(Hook):
    """Ends a phase after the last epoch that is over by a time of `time.monotonic`."""

    TRACED = 2
    """The first steps of a phase, which are no measure of the others: its graph is traced and compiled meanwhile."""

    def __init__(self, until: float, backbone: str | None = None):
        super().__init__()
        self.until, self.backbone = until, backbone
        self.begun = 0.0
        self.steps = self.steps_before = 0

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self.begun, self.steps_before = time.monotonic(), self.steps

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self.steps += 1
        if self.steps == self.TRACED and self.fit.trainer.num_batches > 2 * self.TRACED:
            self.begun, self.steps_before = time.monotonic(), self.steps

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        now = time.monotonic()
        done, planned = len(self.fit.state.history), self.fit.trainer.epochs
        counted, every = self.steps - self.steps_before, self.fit.trainer.num_batches
        # Validation is in it: of few steps that counts too much, which errs on the safe side.
        epoch_takes = (now - self.begun) * every / max(1, counted)
        if done < planned and now + epoch_takes > self.until:
            self.model.stop_training = True
            self.why = f"the time is over after {done} of {planned} epochs"
            of = f" of {self.backbone}" if self.backbone else ""
            self.fit.note(f"{self.fit.phase}{of}: {self.why}", "budget")


class WriteTensorBoard(Hook):
    """Writes each row of the history as logs for TensorBoard, in a folder of the phase."""

    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder
        self.log: Log = lambda row: None

    @contextmanager
    def running(self) -> Iterator[None]:
        with open_log(None if self.fit.state.finished else self.folder / self.fit.phase) as self.log:
            yield

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.log(self.fit.state.history[-1])


class ShowProgress(Hook):
    """Shows a stage of the progress that advances with every batch; those of a fit that is gone on with are counted."""

    def __init__(self, progress: Progress):
        super().__init__()
        self.progress = progress
        self.stage: Stage | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        phase, num_batches = self.fit.phase, self.fit.trainer.num_batches
        total = num_batches * self.fit.trainer.epochs
        with self.progress.stage(STAGES.get(phase, phase), total=total, unit="batches") as self.stage:
            self.stage.advance(len(self.fit.state.history) * num_batches)
            yield

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        if self.stage is not None:
            self.stage.advance()


class TellUser(Hook):
    """Hands on what a user should know."""

    def __init__(self, note: TakesNotes):
        super().__init__()
        self.note = note

    def on_note(self, text: str, kind: NoteKind) -> None:
        self.note(text, kind)
