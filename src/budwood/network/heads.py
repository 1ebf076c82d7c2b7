"""The head: the new layers from a pooled feature vector to class probabilities, as plain Keras layers.

They come as a list, so that the same layers can be trained on stored features and then be put on the backbone,
which gives one flat model.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import keras
import numpy as np
from jaxtyping import Float32

from budwood.config.recipe import Head
from budwood.core.errors import RecipeError
from budwood.core.scaling import LabelScaling, Scaling, folded

LOGITS = "head_logits"
PAIR = "logit_pair"
PROBABILITIES = "probabilities"
PLAIN = Head()
SOFTMAX = "softmax"
"""What makes probabilities of logits where one class is right: `evaluation.task` names the activation of each task."""


def head_layers(
    head: Head, num_classes: int, seed: int = 0, activation: str = SOFTMAX
) -> list[keras.layers.Layer]:
    """Return the untrained layers that the recipe's [head] describes, first to last.

    Batch norm and dropout where asked, then for every hidden width a dense ReLU layer with its own batch norm and
    dropout, then the dense layer `head_logits` and `probabilities`, which the activation makes of them, both
    float32. The penalty `head.l2` is on kernels alone. Initial weights and dropout follow from the seed.

    With `head.logits = "single"` the dense layer gives one number z, and between the two stands a fixed one that gives
    -z/2 and z/2, of which the softmax makes the same as a sigmoid does: 1 - s(z) and s(z).

    Raise RecipeError where a single logit is asked for more than two classes, or where a photo may have several labels.

    >>> [layer.name for layer in head_layers(Head(hidden=[64], dropout=0.2), num_classes=5)]
    ['head_dropout', 'head_dense_1', 'head_dropout_1', 'head_logits', 'probabilities']
    """
    refuse_bad_head(head, num_classes, activation)
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
        1 if head.logits == "single" else num_classes,
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        kernel_regularizer=_penalty(head),
        dtype="float32",
        name=LOGITS,
    )
    return [*layers, logits, *_probabilities(head, activation)]


@runtime_checkable
class Linear(Protocol):
    """A fitted linear head: logits are features @ kernel + bias."""

    @property
    def kernel(self) -> Float32[np.ndarray, "features classes"]: ...

    @property
    def bias(self) -> Float32[np.ndarray, "classes"]: ...


def linear_layers(
    fit: Linear, head: Head = PLAIN, seed: int = 0, activation: str = SOFTMAX
) -> list[keras.layers.Layer]:
    """Return the layers of a linear head, with the fitted weights in them.

    Of the recipe's [head] `logits` counts; `dropout` and `l2` are put in place for phase 2, the fit knew nothing of
    them.
    """
    kernel, bias = fit.kernel, fit.bias
    refuse_bad_head(head, len(bias), activation)
    if head.logits == "single":
        kernel, bias = kernel[:, 1:] - kernel[:, :1], bias[1:] - bias[:1]
    logits = keras.layers.Dense(len(bias), kernel_regularizer=_penalty(head), dtype="float32", name=LOGITS)
    logits.build((None, len(kernel)))
    logits.set_weights([kernel, bias])
    return [*_regularisers(head, "", seed), logits, *_probabilities(head, activation)]


def mean_layers(
    heads: Sequence[Sequence[keras.layers.Layer]],
    scalings: Sequence[Scaling],
    head: Head = PLAIN,
    activation: str = SOFTMAX,
) -> list[keras.layers.Layer]:
    """Return one linear head on the joined features of several networks: the mean of their logits, each at
    its temperature.

    Args:
        heads: of each network a linear head, as `linear_layers` gives it, trained further or not.
        scalings: by which the logits of each are calibrated before the mean is taken.
    """
    trained = [to_logits(layers)[-1].get_weights() for layers in heads]
    shares = [
        _share(kernel, bias, scaling, len(heads))
        for (kernel, bias), scaling in zip(trained, scalings, strict=True)
    ]
    kernel = np.concatenate([kernel for kernel, _ in shares])
    bias = np.sum([bias for _, bias in shares], axis=0)
    logits = keras.layers.Dense(len(bias), dtype="float32", name=LOGITS)
    logits.build((None, len(kernel)))
    logits.set_weights([kernel, bias])
    return [logits, *_probabilities(head, activation)]


def _share(
    kernel: np.ndarray, bias: np.ndarray, scaling: Scaling, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of one of so many networks in the mean of their calibrated logits."""
    temperature = 1.0
    if isinstance(scaling, LabelScaling):
        kernel, bias = scaling.fold(kernel, bias)
    else:
        temperature = scaling
    share = np.float32(1 / (number * temperature))
    return kernel * share, bias * share


def to_logits(layers: Sequence[keras.layers.Layer]) -> list[keras.layers.Layer]:
    """Return the layers of a head up to its logits, which the losses take: no small probability is rounded to
    zero."""
    return list(layers[: [layer.name for layer in layers].index(LOGITS) + 1])


def scale_logits(model: keras.Model, scaling: Scaling) -> None:
    """Put a temperature, or the scaling of each label, into the weights of the layer `head_logits` of a model that
    nothing else uses."""
    layer = model.get_layer(LOGITS)
    kernel, bias = layer.get_weights()
    layer.set_weights(list(folded(kernel, bias, scaling)))


def refuse_bad_head(head: Head, num_classes: int, activation: str = SOFTMAX) -> None:
    """Raise RecipeError where a single logit is asked for more than two classes, or where a photo may have several
    labels, which no softmax tells apart."""
    if head.logits == "single" and activation != SOFTMAX:
        raise RecipeError(
            'head.logits = "single" tells apart two classes of which a photo has one, but photos here may have several '
            'labels. Set head.logits = "per-class"'
        )
    if head.logits == "single" and num_classes != 2:
        raise RecipeError(
            f'head.logits = "single" tells two classes apart, but the data have {num_classes}. '
            'Set head.logits = "per-class"'
        )


def apply(layers: Sequence[keras.layers.Layer], tensor: keras.KerasTensor) -> keras.KerasTensor:
    """Return the tensor that leaves the last layer when `tensor` enters the first."""
    for layer in layers:
        tensor = layer(tensor)
    return tensor


def head_model(layers: Sequence[keras.layers.Layer], features: int) -> keras.Model:
    """Return the layers as a model from feature vectors (None, features) to what the last layer gives.

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


def _probabilities(head: Head, activation: str) -> list[keras.layers.Layer]:
    """Return what makes probabilities of logits."""
    shares = keras.layers.Activation(activation, dtype="float32", name=PROBABILITIES)
    if head.logits == "per-class":
        return [shares]
    pair = keras.layers.Dense(2, use_bias=False, trainable=False, dtype="float32", name=PAIR)
    pair.build((None, 1))
    pair.set_weights([np.array([[-0.5, 0.5]], np.float32)])
    return [pair, shares]
