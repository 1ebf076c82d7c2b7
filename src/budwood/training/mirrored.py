"""Gradient steps on several accelerators of one machine: each takes a part of every batch, and all stay alike.

TensorFlow's `MirroredStrategy` keeps a copy of every variable on each device and takes the mean of the gradients. A
training goes as on one device, up to rounding, but for what is drawn at random: each device has a dropout of its own.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np

from budwood.config.learning import Finetune
from budwood.core.errors import RecipeError
from budwood.core.text import count
from budwood.training.tracing import train_on_batch


class Devices:
    """The devices that share every batch of a training.

    Args:
        names: as TensorFlow has them, such as "GPU:0"; with fewer than two everything is done as without this class.
    """

    def __init__(self, names: Sequence[str] = ()):
        self._strategy: Any = None
        if len(names) > 1:
            import tensorflow as tf

            # By its collective operations a second training of one process fails, for they are numbered anew.
            self._strategy = tf.distribute.MirroredStrategy(
                list(names), cross_device_ops=tf.distribute.ReductionToOneDevice()
            )

    def scope(self) -> AbstractContextManager[Any]:
        """Return the context in which variables have to be made."""
        return nullcontext() if self._strategy is None else self._strategy.scope()

    def copy(self, model: keras.Model) -> keras.Model:
        """Return a model with the same layers and weights on all devices; of one device, the model itself."""
        if self._strategy is None:
            return model
        with self.scope():
            twin = keras.models.clone_model(model)
        twin.set_weights(model.get_weights())
        return twin

    def train_on_batch(
        self, model: keras.Model, features: np.ndarray, targets: np.ndarray, weights: np.ndarray
    ) -> dict[str, float]:
        """Do one gradient step, and return the loss and the other figures of the batch.

        Of a batch that cannot be divided evenly, figures other than the loss count its first photo again, once for each
        photo that is lacking.

        Args:
            model: compiled, in `scope`.
            features: `(n, ...)`, float32.
            targets: `(n, classes)`, float32.
            weights: `(n,)`: how much each photo counts.
        """
        if self._strategy is None:
            return train_on_batch(model, features, targets, weights)
        number = self._strategy.num_replicas_in_sync
        batch = [features, targets, np.asarray(weights, np.float32)]
        lacking = -len(features) % number
        if lacking:
            # Each device takes the mean of its photos, so that all need as many; these weigh nothing.
            batch = [np.concatenate([part, *[part[:1]] * lacking]) for part in batch]
            batch[2][len(features) :] = 0.0
            batch[2][:] *= len(batch[2]) / len(features)
        parts = [np.split(part, number) for part in batch]
        # Variables that a first step would make, it cannot make on several devices at once.
        model._maybe_symbolic_build(data_batch=tuple(batch))
        model.make_train_function()
        model.reset_metrics()
        divided = tuple(
            self._strategy.experimental_distribute_values_from_function(
                lambda context, part=part: _constant(part[context.replica_id_in_sync_group])
            )
            for part in parts
        )
        return {name: float(value) for name, value in model.train_function(iter([divided])).items()}


ONE = Devices()


def devices_of(settings: Finetune) -> Devices:
    """Return the accelerators of this machine that a recipe's [finetune] asks for.

    Raises:
        RecipeError: TensorFlow sees fewer, or a setting means something else where a batch is divided.
    """
    number = settings.accelerators
    if number == 1:
        return ONE
    for setting, is_asked, why in (
        ("clip_norm", settings.clip_norm > 0, "each would clip the gradients of its own part of a batch"),
        (
            "batch_norm",
            settings.batch_norm == "train",
            "each would take the statistics of its own part of a batch",
        ),
    ):
        if is_asked:
            raise RecipeError(
                f"finetune.{setting} = {getattr(settings, setting)!r} does not go with finetune.accelerators = "
                f"{number}: {why}. Leave one of them out"
            )
    names = _accelerators()
    if len(names) < number:
        raise RecipeError(
            f"finetune.accelerators = {number}, and TensorFlow sees {count(len(names), 'accelerator')} on this "
            f"machine. Set it to {max(1, len(names))}, or see why TensorFlow finds no other (budwood doctor)"
        )
    return Devices(names[:number])


def _accelerators() -> list[str]:
    import tensorflow as tf

    return [one.name for one in tf.config.list_logical_devices("GPU")]


def _constant(values: np.ndarray) -> Any:
    import tensorflow as tf

    return tf.constant(values)
