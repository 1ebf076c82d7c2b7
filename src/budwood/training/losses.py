"""What gradient steps make smaller where a photo has one label: losses, their targets, and what epochs are measured by.

Targets are shares of every class, one-hot where nothing is mixed; so label smoothing, focal loss, class weights and
mixing work together, and for one logit as for one per class.
"""

from collections.abc import Callable

import keras
import numpy as np
from jaxtyping import Float32, Int
from keras import ops

from budwood.config.learning import Distill, Loss
from budwood.evaluation.calibration import SMALLEST
from budwood.training.measured import TOP


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
