"""The head: the new layers from a pooled feature vector to class probabilities, as plain Keras layers.

They come as a list, so that the same layers can be trained on stored features and then be put on the backbone,
which gives one flat model.
"""

from collections.abc import Sequence

import keras

from budwood.recipe import Head
from budwood.training.linear import LinearFit

LOGITS = "head_logits"
PROBABILITIES = "probabilities"


def head_layers(head: Head, num_classes: int, seed: int = 0) -> list[keras.layers.Layer]:
    """The untrained layers that the recipe's [head] describes, first to last.

    Batch norm and dropout where asked, then for every hidden width a dense ReLU layer with its own batch norm and
    dropout, then the dense layer `head_logits` and the softmax `probabilities`, both float32. The penalty
    `head.l2` is on kernels alone. Initial weights and dropout follow from the seed.

    >>> [layer.name for layer in head_layers(Head(hidden=[64], dropout=0.2), num_classes=5)]
    ['head_dropout', 'head_dense_1', 'head_dropout_1', 'head_logits', 'probabilities']
    """
    layers = _regularisers(head, "", seed)
    for number, width in enumerate(head.hidden, start=1):
        seed_here = seed + 1000 * number
        layers.append(
            keras.layers.Dense(
                width,
                activation="relu",
                kernel_initializer=keras.initializers.HeNormal(seed=seed_here),
                kernel_regularizer=_penalty(head),
                name=f"head_dense_{number}",
            )
        )
        layers += _regularisers(head, f"_{number}", seed_here)
    logits = keras.layers.Dense(
        num_classes,
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        kernel_regularizer=_penalty(head),
        dtype="float32",
        name=LOGITS,
    )
    return [*layers, logits, _softmax()]


def linear_layers(fit: LinearFit) -> list[keras.layers.Layer]:
    """The two layers of a linear head, with the fitted weights in them."""
    features, num_classes = fit.kernel.shape
    logits = keras.layers.Dense(num_classes, dtype="float32", name=LOGITS)
    logits.build((None, features))
    logits.set_weights([fit.kernel, fit.bias])
    return [logits, _softmax()]


def apply(layers: Sequence[keras.layers.Layer], tensor: keras.KerasTensor) -> keras.KerasTensor:
    """The tensor that leaves the last layer when `tensor` enters the first."""
    for layer in layers:
        tensor = layer(tensor)
    return tensor


def head_model(layers: Sequence[keras.layers.Layer], features: int) -> keras.Model:
    """The layers as a model from feature vectors (None, features) to what the last layer gives.

    >>> head_model(head_layers(Head(), num_classes=3), features=8).output.shape
    (None, 3)
    """
    features_in = keras.Input((features,), name="features")
    return keras.Model(features_in, apply(layers, features_in), name="head")


def _regularisers(head: Head, suffix: str, seed: int) -> list[keras.layers.Layer]:
    layers: list[keras.layers.Layer] = []
    if head.batch_norm:
        layers.append(keras.layers.BatchNormalization(name=f"head_batch_norm{suffix}"))
    if head.dropout:
        layers.append(keras.layers.Dropout(head.dropout, seed=seed, name=f"head_dropout{suffix}"))
    return layers


def _penalty(head: Head) -> keras.regularizers.Regularizer | None:
    return keras.regularizers.L2(head.l2) if head.l2 else None


def _softmax() -> keras.layers.Layer:
    return keras.layers.Activation("softmax", dtype="float32", name=PROBABILITIES)
