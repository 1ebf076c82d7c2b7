"""How well a model of logits does on features whose labels are known: log-likelihood, photo by photo."""

from dataclasses import dataclass

import keras
import numpy as np
from jaxtyping import Bool, Float64, Int
from keras import ops

from budwood.evaluation.calibration import fit_temperature
from budwood.features.store.store import Rows
from budwood.training.losses import TOP


@dataclass(frozen=True)
class Measured:
    """What a model makes of each photo."""

    losses: Float64[np.ndarray, "n"]
    """Negative log-likelihood of the right class at `temperature`: no smoothing, no penalty, no weights."""
    correct: Bool[np.ndarray, "n"]
    in_top5: Bool[np.ndarray, "n"] | None
    """Where there are more than five classes."""
    temperature: float | None
    """By which the logits were divided, where they were calibrated."""

    def row(self, prefix: str = "val_") -> dict[str, float]:
        """Their means, as columns of a history."""
        row = {f"{prefix}loss": float(self.losses.mean()), f"{prefix}accuracy": float(self.correct.mean())}
        if self.in_top5 is not None:
            row[f"{prefix}top5_accuracy"] = float(self.in_top5.mean())
        if self.temperature is not None:
            row["temperature"] = self.temperature
        return row


def validate(
    model: keras.Model,
    rows: Rows | np.ndarray,
    labels: Int[np.ndarray, "n"],
    batch_size: int = 1024,
    *,
    calibrate: bool = False,
) -> Measured:
    """Measures the model in inference mode, its layers' statistics as they are.

    Args:
        model: features in, logits `(None, classes)` out, or `(None, 1)` for the second of two classes.
        rows: features, read `batch_size` at a time.
        labels: class numbers.
        calibrate: divide the logits by the temperature that suits these photos: the loss then says how much the model
            knows, not how its training taught it to state that. A model is saved with this temperature in it.
    """
    size = min(batch_size, len(labels))
    parts = []
    for first in range(0, len(labels), size):
        # The last batch begins again at the first row: a graph for one shape is enough.
        chosen = np.arange(first, first + size) % len(labels)
        batch = np.asarray(rows[chosen], np.float32)
        # A head on vectors is done sooner than a graph for it is made.
        found = model(batch, training=False) if batch.ndim == 2 else model.predict_on_batch(batch)
        parts.append(ops.convert_to_numpy(found))
    return from_logits(np.concatenate(parts)[: len(labels)], labels, calibrate)


def from_logits(logits: np.ndarray, labels: Int[np.ndarray, "n"], calibrate: bool = False) -> Measured:
    """What logits `(n, classes)`, or `(n, 1)` for two classes, are worth beside the labels."""
    from scipy.special import log_softmax

    logits = logits.astype(np.float64)
    if logits.shape[1] == 1:
        logits = np.concatenate([-logits / 2, logits / 2], axis=1)
    temperature = fit_temperature(logits, labels) if calibrate else None
    of_label = np.arange(len(labels)), labels
    higher = (logits > logits[of_label][:, None]).sum(axis=1)
    return Measured(
        -log_softmax(logits / (temperature or 1.0), axis=1)[of_label],
        logits.argmax(axis=1) == labels,
        higher < TOP if logits.shape[1] > TOP else None,
        temperature,
    )
