"""What gradient steps make smaller where a photo has one label: losses, their targets, and what epochs are measured by.

Targets are shares of every class, one-hot where nothing is mixed; so label smoothing, focal loss, class weights and
mixing work together, and for one logit as for one per class.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import keras
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int
from keras import ops

from budwood.config.learning import Distill, Loss
from budwood.core.scaling import Scaling
from budwood.evaluation.calibration import SMALLEST, fit_temperature

TOP = 5
"""Top-5 accuracy is told where there are more classes than this."""


def make_loss(loss: Loss, num_logits: int) -> keras.losses.Loss:
    """Return the loss from logits `(n, num_logits)` and shares of as many classes; for one logit, of the
    second class.

    >>> make_loss(Loss(label_smoothing=0.1), num_logits=3).name
    'categorical_crossentropy'
    """
    options = {"from_logits": True, "label_smoothing": loss.label_smoothing}
    if num_logits == 1 and loss.focal:
        return keras.losses.BinaryFocalCrossentropy(gamma=loss.focal, **options)
    if num_logits == 1:
        return keras.losses.BinaryCrossentropy(**options)
    if loss.focal:
        # Alpha of 1: gamma alone, so that gamma 0 is cross-entropy. Class weights are their own setting.
        return keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=loss.focal, **options)
    return keras.losses.CategoricalCrossentropy(**options)


class Distillation(keras.losses.Loss):
    """A loss of which a share is the distance to a teacher (Hinton, Vinyals and Dean 2015).

    (1 - w) * plain + w * T^2 * KL(teacher || student), both at temperature T. The factor T^2 keeps the weight of the
    teacher's gradients about the same whatever T is. Weights of photos count for both parts.

    Takes logits `(n, num_logits)`, and as targets `(n, num_logits + classes)` those of `plain` with the teacher's
    shares at T beside them (`soften`).

    Args:
        plain: what the labels are held against.
        num_logits: of the student: 1 for the second of two classes.
        distill: the recipe's [distill]; of it temperature and weight.
    """

    def __init__(self, plain: keras.losses.Loss, num_logits: int, distill: Distill):
        super().__init__(name="distillation")
        self.plain, self.num_logits = plain, num_logits
        self.temperature, self.weight = distill.temperature, distill.weight

    def call(self, y_true, y_pred):
        labels, taught = y_true[:, : self.num_logits], y_true[:, self.num_logits :]
        pair = ops.concatenate([-y_pred / 2, y_pred / 2], axis=1) if self.num_logits == 1 else y_pred
        learned = ops.log_softmax(pair / self.temperature, axis=1)
        # A share of 0 adds nothing, and its logarithm must stay finite.
        distance = ops.sum(taught * (ops.log(ops.maximum(taught, SMALLEST)) - learned), axis=1)
        return (1 - self.weight) * self.plain.call(labels, y_pred) + (
            self.weight * self.temperature**2 * distance
        )


def make_metrics(num_logits: int, num_classes: int) -> list[keras.metrics.Metric]:
    """Accuracy, and top-5 accuracy of more than five classes. Of mixed targets the largest share counts.

    Targets beyond the first `num_logits`, which are a teacher's, have no part in them.
    """

    def of_labels(function: Callable, name: str, **options: int) -> keras.metrics.Metric:
        return keras.metrics.MeanMetricWrapper(
            lambda target, logits: function(target[:, :num_logits], logits, **options), name=name
        )

    if num_logits == 1:
        return [of_labels(_single_logit_accuracy, "accuracy")]
    metrics = [of_labels(keras.metrics.categorical_accuracy, "accuracy")]
    if num_classes > TOP:
        metrics.append(of_labels(keras.metrics.top_k_categorical_accuracy, "top5_accuracy", k=TOP))
    return metrics


def _single_logit_accuracy(target, logit):
    return ops.cast(ops.equal(target > 0.5, logit > 0), "float32")


def one_hot(labels: Int[np.ndarray, "n"], num_classes: int) -> Float32[np.ndarray, "n classes"]:
    """Return shares of the classes that are 1 for the label and 0 elsewhere."""
    return np.eye(num_classes, dtype=np.float32)[labels]


@dataclass(frozen=True)
class Measured:
    """What a model makes of each photo."""

    losses: Float64[np.ndarray, "n"]
    """Negative log-likelihood of the right answer after `scaling`: no smoothing, no penalty, no weights."""
    correct: Bool[np.ndarray, "n"]
    in_top5: Bool[np.ndarray, "n"] | None
    """Where there are more than five classes."""
    scaling: Scaling | None
    """By which the logits were calibrated, where they were."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """What else is measured of all photos together, by its name."""

    def row(self, prefix: str = "val_") -> dict[str, float]:
        """Their means, as columns of a history."""
        row = {f"{prefix}loss": float(self.losses.mean()), f"{prefix}accuracy": float(self.correct.mean())}
        if self.in_top5 is not None:
            row[f"{prefix}top5_accuracy"] = float(self.in_top5.mean())
        row |= {f"{prefix}{name}": value for name, value in self.figures.items()}
        if isinstance(self.scaling, float):
            row["temperature"] = self.scaling
        return row


def from_logits(logits: np.ndarray, labels: Int[np.ndarray, "n"], calibrate: bool = False) -> Measured:
    """Return what logits `(n, classes)`, or `(n, 1)` for two classes, are worth beside the labels."""
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
