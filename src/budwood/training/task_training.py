"""How gradient steps learn each task: its loss, its targets, its weights, and what the epochs are measured by."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from jaxtyping import Float, Float32

from budwood.config.learning import Distill, Loss
from budwood.config.recipe import Recipe
from budwood.config.task_rules import refuse_for_single_label
from budwood.evaluation.calibration import soften
from budwood.evaluation.task import MULTI_LABEL, SINGLE_LABEL
from budwood.training.class_weights import class_weights
from budwood.training.label_losses import (
    LabelDistillation,
    LabelLoss,
    label_targets,
    make_label_metrics,
    soften_labels,
)
from budwood.training.label_weights import label_weights
from budwood.training.losses import Distillation, make_loss, make_metrics, one_hot
from budwood.training.measured import MEASURE, Measured

Own = Float[np.ndarray, "n"] | None
Weights = Float[np.ndarray, "..."]
"""Of classes, `(classes,)`; of several labels a photo, those of photos without and with each, `(2, labels)`."""


@dataclass(frozen=True)
class TaskTraining:
    """How gradient steps learn a task."""

    loss: Callable[[Loss, int, Weights | None], keras.losses.Loss]
    """From the recipe's [loss], the number of logits, and weights: what is made smaller."""
    metrics: Callable[[int, int], list[keras.metrics.Metric]]
    """From the numbers of logits and classes: what an epoch is measured by."""
    shares: Callable[[np.ndarray, int], Float32[np.ndarray, "n classes"]]
    """From targets and the number of classes: what the loss and mixing take, a share for each class."""
    measure: Callable[[np.ndarray, np.ndarray, bool], Measured]
    """From logits, targets and whether the logits are calibrated first: what the model makes of each photo."""
    weights: Callable[[Loss, np.ndarray, Sequence[str], Own], np.ndarray]
    """From the recipe's [loss], the training photos' targets, the classes' names and the photos' own weights: the
    weights of classes."""
    of_photos: Callable[[np.ndarray, Weights], np.ndarray]
    """From shares and weights: how much each photo counts, by what it shows."""
    distillation: Callable[[keras.losses.Loss, int, Distill], keras.losses.Loss]
    """From a loss, the number of logits and the recipe's [distill]: the loss with a teacher beside it."""
    soften: Callable[[np.ndarray, float], np.ndarray]
    """From a teacher's probabilities and a temperature: what that loss takes of it."""


def _class_loss(loss: Loss, num_logits: int, weights: Weights | None = None) -> keras.losses.Loss:
    refuse_for_single_label(Recipe(loss=loss))
    # The weights of classes are those of photos.
    return make_loss(loss, num_logits)


def _label_loss(loss: Loss, num_logits: int, weights: Weights | None = None) -> keras.losses.Loss:
    return LabelLoss(loss, weights)


def _label_weights(loss: Loss, targets: np.ndarray, labels: Sequence[str], own: Own) -> np.ndarray:
    """Return weights whose mean over all labels of all photos is 1, unknown ones counted as 0: so the loss has the size
    that it has where all are known."""
    return label_weights(loss, targets, labels, own) / np.mean(~np.isnan(targets))


SINGLE_LABEL_TRAINING = TaskTraining(
    _class_loss,
    make_metrics,
    one_hot,
    MEASURE[SINGLE_LABEL.name],
    class_weights,
    np.matmul,
    Distillation,
    soften,
)
MULTI_LABEL_TRAINING = TaskTraining(
    _label_loss,
    make_label_metrics,
    label_targets,
    MEASURE[MULTI_LABEL.name],
    _label_weights,
    # Labels have their weights within the loss.
    lambda shares, weights: np.ones(len(shares), np.float32),
    LabelDistillation,
    soften_labels,
)
TRAINING: Mapping[str, TaskTraining] = {
    SINGLE_LABEL.name: SINGLE_LABEL_TRAINING,
    MULTI_LABEL.name: MULTI_LABEL_TRAINING,
}
"""By the name of the task; every one of `evaluation.task.TASKS` has its entry."""
