"""How well a model of logits does on features whose labels are known: log-likelihood, photo by photo."""

import keras
import numpy as np
from keras import ops

from budwood.evaluation.task import SINGLE_LABEL, Task
from budwood.features.store.store import Rows
from budwood.training.measured import Measured
from budwood.training.task_training import TRAINING


def validate(
    model: keras.Model,
    rows: Rows | np.ndarray,
    targets: np.ndarray,
    batch_size: int = 1024,
    *,
    calibrate: bool = False,
    task: Task = SINGLE_LABEL,
) -> Measured:
    """Measure the model in inference mode, its layers' statistics as they are.

    Args:
        model: features in, logits `(None, classes)` out, or `(None, 1)` for the second of two classes.
        rows: features, read `batch_size` at a time.
        targets: as the task encodes labels: class numbers, where each photo has one class.
        calibrate: divide the logits by the temperature that suits these photos: the loss then says how much the model
            knows, not how its training taught it to state that. A model is saved with this temperature in it.
        task: what an answer is.
    """
    size = min(batch_size, len(targets))
    parts = []
    for first in range(0, len(targets), size):
        # The last batch begins again at the first row: a graph for one shape is enough.
        chosen = np.arange(first, first + size) % len(targets)
        batch = np.asarray(rows[chosen], np.float32)
        # A head on vectors is done sooner than a graph for it is made.
        found = model(batch, training=False) if batch.ndim == 2 else model.predict_on_batch(batch)
        parts.append(ops.convert_to_numpy(found))
    return TRAINING[task.name].measure(np.concatenate(parts)[: len(targets)], targets, calibrate)
