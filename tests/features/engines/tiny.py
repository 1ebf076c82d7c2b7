"""A model of a few layers, pictures for it, and a graph asked for its first output."""

import keras
import numpy as np

SIZE = 16


def tiny_model(pooled: bool = True) -> keras.Model:
    keras.utils.set_random_seed(0)
    pixels = keras.Input((SIZE, SIZE, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 127.5, -1)(pixels)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    x = keras.layers.DepthwiseConv2D(3)(x)
    x = keras.layers.BatchNormalization()(x)
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(x) if pooled else x)


def views(n: int, size: int = SIZE) -> list[np.ndarray]:
    return list(np.random.default_rng(1).integers(0, 256, (n, size, size, 3), dtype=np.uint8))


def run(graph, pictures):
    """The first output for each picture."""
    return (outputs[0] for outputs in graph.run_all(pictures))
