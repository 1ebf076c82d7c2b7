"""One gradient step of a compiled model, whose graph TensorFlow makes once for batches of any size.

Left to itself, Keras makes one graph for the size of the first batch and a second one for the last batch of an epoch,
which is smaller; each takes a second or more.
"""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np


def train_on_batch(
    model: keras.Model, features: np.ndarray, targets: np.ndarray, weights: np.ndarray
) -> dict[str, float]:
    """Do one gradient step, and return the loss and the other figures of the batch.

    Args:
        model: compiled.
        features: `(n, ...)`, float32.
        targets: `(n, columns)`.
        weights: `(n,)`: how much each photo counts.
    """
    batch = tuple(np.asarray(part, np.float32) for part in (features, targets, weights))
    if model.train_function is None and keras.backend.backend() == "tensorflow":
        model.train_function = _traced_once(model, batch)
    return model.train_on_batch(*batch, return_dict=True)


def _traced_once(model: keras.Model, batch: tuple[np.ndarray, ...]) -> Callable[[Iterator[Any]], Any]:
    import tensorflow as tf

    shapes = [tf.TensorSpec((None, *part.shape[1:]), tf.float32) for part in batch]

    @tf.function(input_signature=shapes, autograph=False)
    def step(*parts: Any) -> Any:
        return model.train_step(parts)

    return lambda batches: step(*next(batches))
