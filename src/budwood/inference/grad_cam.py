"""Where in a picture a class is seen: Grad-CAM (Selvaraju et al. 2017), on the last feature maps of a saved model.

Only what lies above these maps, the pooling and the head, is run backwards: that takes microseconds, and the maps
themselves come with the forward pass.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from jaxtyping import Float, Float32, Int, UInt8
from PIL import Image

from budwood.core.errors import BackboneError
from budwood.network.graph import nodes

POOLING = (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D)
BATCH_SIZE = 16


class GradCam:
    """Grad-CAM for a flat model from pixels to probabilities, of one backbone or of an ensemble.

    What is asked for is the class's log-odds, log p - log(1 - p), not its logit: a softmax knows nothing but
    differences of logits, so a single logit, one for each of two classes, and any number shifted by the same amount
    give one map. Of several labels a photo, where each has a sigmoid, the log-odds are the label's logit.
    The weight of a channel is the mean of the gradient over its map, as in the paper.

    Of several backbones the maps are added up, each in log-odds for its share of the picture, before what is negative
    is left out; of a picture and its mirror image likewise.

    Args:
        model: raw 0-255 pixels `(None, S, S, 3)` in, probabilities out; `logits` is the layer of which these are made.
        pooled: names of the layers that pool the last feature maps, one for each backbone.
        logits: name of the layer that gives the logits, one for each class or a single one.

    Raises:
        BackboneError: Keras does not run on TensorFlow, or a layer pools no feature maps.
    """

    def __init__(self, model: keras.Model, *, pooled: Sequence[str], logits: str):
        if keras.backend.backend() != "tensorflow":
            raise BackboneError(
                f"Grad-CAM is tried with Keras on TensorFlow alone, and this is {keras.backend.backend()}. "
                "Set KERAS_BACKEND=tensorflow"
            )
        calls = {node.operation.name: node for node in nodes(model)}
        for name in pooled:
            if name not in calls or not isinstance(calls[name].operation, POOLING):
                raise BackboneError(
                    f"{model.name} has no layer `{name}` that pools feature maps. Train it again with this version"
                )
        maps = [calls[name].input_tensors[0] for name in pooled]
        self.size = int(model.input.shape[1])
        self._below = _compiled(keras.Model(model.input, maps))
        self._above = keras.Model(maps, calls[logits].output_tensors[0])
        self._independent = getattr(model.layers[-1], "activation", None) is keras.activations.sigmoid

    def maps(
        self, pictures: UInt8[np.ndarray, "n size size 3"], targets: Int[np.ndarray, "n"]
    ) -> Float32[np.ndarray, "n size size"]:
        """Return for each picture what speaks for a class where: log-odds for each share of the picture, 0 or more.

        Args:
            pictures: as the model sees them.
            targets: the number of a class for each.

        Returns:
            The mean of a map is what all that speaks for the class adds to its log-odds, to first order. All 0 where
            nothing does.
        """
        found = [np.zeros((0, self.size, self.size), np.float32)]
        for start in range(0, len(pictures), BATCH_SIZE):
            rows = slice(start, start + BATCH_SIZE)
            found.append(self._maps_of_batch(pictures[rows].astype(np.float32), targets[rows]))
        return np.concatenate(found)

    def _maps_of_batch(
        self, pixels: Float32[np.ndarray, "n size size 3"], targets: Int[np.ndarray, "n"]
    ) -> Float32[np.ndarray, "n size size"]:
        maps = self._below(pixels)
        total = np.zeros(pixels.shape[:3], np.float32)
        for tensor, gradient in zip(maps, self._gradients(maps, targets), strict=True):
            activations, weights = np.asarray(tensor), np.asarray(gradient).mean(axis=(1, 2))
            seen = np.einsum("nhwc,nc->nhw", activations, weights)
            # A cell holds so many log-odds, and is so large a part of the picture.
            seen *= seen.shape[1] * seen.shape[2]
            for number, cells in enumerate(seen.reshape(len(pixels), -1, *seen.shape[1:])):
                total[number] += _enlarged(cells[0], self.size)
                for mirrored in cells[1:]:
                    total[number] += _enlarged(mirrored[:, ::-1], self.size)
        return np.maximum(total, 0.0)

    def _gradients(self, maps: list[Any], targets: Int[np.ndarray, "n"]) -> list[Any]:
        """Return the gradients of the log-odds of each picture's class, with respect to its maps."""
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(maps)
            logits = self._above(maps if len(maps) > 1 else maps[0], training=False)
            if logits.shape[1] == 1 and not self._independent:
                odds = logits[:, 0] * tf.constant(2.0 * targets - 1.0, tf.float32)
            else:
                chosen = tf.one_hot(targets, logits.shape[1], on_value=True, off_value=False, dtype=tf.bool)
                odds = tf.boolean_mask(logits, chosen)
                if not self._independent:
                    odds -= tf.reduce_logsumexp(tf.where(chosen, -np.inf, logits), axis=1)
        return tape.gradient(odds, maps)


def _compiled(model: keras.Model) -> Callable[[np.ndarray], list[Any]]:
    """Return the model as one traced graph for batches of any size: it is run in less than half the time."""
    import tensorflow as tf

    def run(pixels: Any) -> list[Any]:
        outputs = model(pixels, training=False)
        return list(outputs) if isinstance(outputs, list | tuple) else [outputs]

    return tf.function(run, input_signature=[tf.TensorSpec(model.input.shape, tf.float32)], autograph=False)


def _enlarged(cells: Float[np.ndarray, "height width"], size: int) -> Float32[np.ndarray, "size size"]:
    image = Image.fromarray(np.ascontiguousarray(cells, np.float32))
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
