"""BatchNorm layers of a network that is trained from scratch."""

import keras

FORGOTTEN = 0.01
"""Share of where the statistics began that is left in them after an epoch."""


def quicken_batch_norm(model: keras.Model, steps: int) -> None:
    """Let the statistics of BatchNorm layers that train keep up with a training of few steps.

    They begin at variance 1 and are a moving average with momentum 0.99, which after 300 steps still holds a twentieth
    of that: twenty times the variance that a depthwise convolution with random weights yields. Such a network learns,
    and in inference mode says the same of every photo. The momentum is lowered to what forgets the beginning within an
    epoch, where that has too few steps for the layer's own.

    Args:
        model: what trains. Layers whose momentum is low enough, and those that are held, stay as they are.
        steps: of an epoch.

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
    >>> quicken_batch_norm(model, steps=10)
    >>> round(model.layers[0].momentum, 2)
    0.63
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
            layer.momentum = min(layer.momentum, FORGOTTEN ** (1 / steps))
