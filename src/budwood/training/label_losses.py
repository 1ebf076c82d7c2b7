"""What gradient steps make smaller where a photo may have several labels: a binary loss for each, on logits.

Targets are 1, 0, or between the two where photos are mixed or labels smoothed; a target that is not a number is not
known, and has no part in losses and metrics. Of a mixture in which either photo's label is unknown it is unknown:
whatever were put in its place would be made up, and a share of the known one alone is no target of the mixture.
"""

import keras
import numpy as np
from jaxtyping import Float, Float32
from keras import ops

from budwood.config.learning import Distill, Loss
from budwood.evaluation.calibration import SMALLEST


class LabelLoss(keras.losses.Loss):
    """The mean over a photo's labels of their binary cross-entropies, from logits `(n, labels)`.

    Of a label that the photo has, -weight * (1 - p)^g+ * log p; of one that it has not, -weight * q^g- * log(1 - q)
    with q = max(p - clip, 0). Focal loss is g+ = g- (Lin et al. 2017), the asymmetric one g- > g+ (Ridnik et al. 2021).
    A target between 0 and 1 takes its share of both. Unknown labels add nothing.

    Args:
        loss: the recipe's [loss]; of it focal, asymmetric, clip and label_smoothing.
        weights: of photos without each label, and with it; by default 1.

    >>> loss = LabelLoss(Loss())
    >>> round(float(loss(np.array([[1.0, np.nan]]), np.zeros((1, 2), np.float32))), 4)
    0.3466
    """

    def __init__(self, loss: Loss, weights: Float[np.ndarray, "2 labels"] | None = None):
        super().__init__(name="binary_cross_entropy")
        self.smoothing, self.clip = loss.label_smoothing, loss.clip
        self.gamma, self.gamma_without = loss.focal, loss.asymmetric or loss.focal
        self.weights = np.ones((2, 1), np.float32) if weights is None else weights.astype(np.float32)

    def call(self, y_true, y_pred):
        known = ops.cast(ops.isfinite(y_true), y_pred.dtype)
        has = ops.where(ops.isfinite(y_true), y_true, ops.zeros_like(y_true))
        weight = known * (has * self.weights[1] + (1 - has) * self.weights[0])
        has = has * (1 - self.smoothing) + self.smoothing / 2
        losses = has * self._with(y_pred) + (1 - has) * self._without(y_pred)
        return ops.mean(weight * losses, axis=-1)

    def _with(self, logits):
        loss = ops.softplus(-logits)
        return ops.exp(-self.gamma * ops.softplus(logits)) * loss if self.gamma else loss

    def _without(self, logits):
        if not self.clip:
            loss = ops.softplus(logits)
            return ops.exp(-self.gamma_without * ops.softplus(-logits)) * loss if self.gamma_without else loss
        # Above 0, where the power has a slope.
        shares = ops.maximum(ops.sigmoid(logits) - self.clip, SMALLEST)
        loss = -ops.log1p(-shares)
        return shares**self.gamma_without * loss if self.gamma_without else loss


class LabelDistillation(keras.losses.Loss):
    """A loss of which a share is the distance to a teacher, label by label (Hinton, Vinyals and Dean 2015).

    (1 - w) * plain + w * T^2 * mean KL(teacher || student), both with logits divided by T. The teacher says something
    of every label, known or not. Weights of photos count for both parts, those of labels for `plain`.

    Takes logits `(n, labels)`, and as targets `(n, 2 * labels)` those of `plain` with the teacher's probabilities at T
    beside them (`soften_labels`).

    Args:
        plain: what the labels are held against.
        num_logits: number of labels.
        distill: the recipe's [distill]; of it temperature and weight.
    """

    def __init__(self, plain: keras.losses.Loss, num_logits: int, distill: Distill):
        super().__init__(name="distillation")
        self.plain, self.num_logits = plain, num_logits
        self.temperature, self.weight = distill.temperature, distill.weight

    def call(self, y_true, y_pred):
        labels, taught = y_true[:, : self.num_logits], y_true[:, self.num_logits :]
        learned = y_pred / self.temperature
        # A share of 0 adds nothing, and its logarithm must stay finite.
        entropy = sum(-share * ops.log(ops.maximum(share, SMALLEST)) for share in (taught, 1 - taught))
        distance = ops.mean(ops.softplus(learned) - taught * learned - entropy, axis=-1)
        return (1 - self.weight) * self.plain.call(labels, y_pred) + (
            self.weight * self.temperature**2 * distance
        )


def soften_labels(
    probabilities: Float[np.ndarray, "n labels"], temperature: float
) -> Float[np.ndarray, "n labels"]:
    """Return probabilities of labels at another temperature, by which their logits are divided.

    >>> soften_labels(np.array([[0.8, 0.5]]), temperature=2.0).round(4).tolist()
    [[0.6667, 0.5]]
    """
    from scipy.special import expit

    with_label, without = (np.maximum(shares, SMALLEST) for shares in (probabilities, 1 - probabilities))
    return expit((np.log(with_label) - np.log(without)) / temperature)


def make_label_metrics(num_logits: int, num_classes: int) -> list[keras.metrics.Metric]:
    """Return the share of photos of which every known label is right, and the share of known labels that are.

    Of mixed targets those above a half count as had. Targets beyond the first `num_logits`, which are a teacher's, have
    no part in them.
    """

    def exact(target, logits):
        known, right = _known_and_right(target[:, :num_logits], logits)
        return ops.cast(ops.all(ops.logical_or(right, ops.logical_not(known)), axis=-1), "float32")

    return [keras.metrics.MeanMetricWrapper(exact, name="accuracy"), _LabelAccuracy(num_logits)]


class _LabelAccuracy(keras.metrics.Mean):
    def __init__(self, num_logits: int):
        super().__init__(name="label_accuracy")
        self.num_logits = num_logits

    def update_state(self, y_true, y_pred, sample_weight=None):
        known, right = _known_and_right(y_true[:, : self.num_logits], y_pred)
        super().update_state(ops.cast(right, "float32"), sample_weight=ops.cast(known, "float32"))


def _known_and_right(targets, logits):
    return ops.isfinite(targets), ops.equal(targets > 0.5, logits > 0)


def label_targets(
    targets: Float[np.ndarray, "n labels"], num_classes: int
) -> Float32[np.ndarray, "n labels"]:
    """Return the targets, which loss and mixing take as they are."""
    return targets.astype(np.float32)
