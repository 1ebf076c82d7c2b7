"""One TensorFlow function of a network, from which most formats are converted, with the names that exports have."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from budwood.exporting.network import PIXELS

if TYPE_CHECKING:
    import keras

SIGNATURE = "serving_default"


def trace(network: "keras.Model") -> Any:
    """Return the concrete function of a network: `pixels`, any number of pictures, to its outputs by name."""
    import tensorflow as tf

    return tf.function(
        lambda pixels: network(pixels, training=False),
        input_signature=[tf.TensorSpec((None, *network.input.shape[1:]), tf.float32, name=PIXELS)],
        autograph=False,
    ).get_concrete_function()


def above_features(network: "keras.Model") -> str:
    """Return a regular expression of the operations above the features: the head, and the distance from known photos.

    They are left at full precision where the rest is rounded: they are small, and the distance would be lost.
    """
    from budwood.network.graph import BOUNDARY

    names = [layer.name for layer in network.layers]
    # Keras and TensorFlow number the names of layers that are called again.
    return rf".*/({'|'.join(map(re.escape, names[names.index(BOUNDARY) + 1 :]))})(_\d+)?/.*"


def save_signature(network: "keras.Model", folder: Path) -> None:
    """Write a SavedModel with one signature, `serving_default`."""
    import tensorflow as tf

    module = tf.Module()
    # Variables are written with what is tracked.
    module.kept = [variable.value for variable in network.variables]
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: trace(network)})
