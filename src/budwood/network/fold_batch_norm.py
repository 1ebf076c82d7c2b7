"""Frozen BatchNorm folded into the convolutions below it while a model trains: fewer passes over the activations.

With its statistics, gamma and beta held still, BatchNorm multiplies every channel by one number and adds another. A
convolution whose kernel is multiplied by the first gives the same, and the multiplication is then over the kernel, not
over activations that are hundreds of times as large. Only the way of computing changes, up to rounding: the variables,
their gradients and their optimizer are those of the model.

BatchNorm whose statistics are fixed while gamma and beta are trained is not folded: the gradient of gamma would then
need that of the whole kernel, and a gradient step takes 1.4 times as long (docs/experiments/log.md).

The folded convolutions may compute in bf16; variables, gradients of variables and everything else stay in f32.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras
from keras import ops

from budwood.network.graph import nodes
from budwood.network.low_precision import BF16, Options, Precision, convolution, depthwise_convolution


def fold_batch_norm(
    model: keras.Model, precision: Precision = "f32", held: Collection[str] = ()
) -> keras.Model:
    """Return a twin of a flat model on the same variables, each frozen BatchNorm folded into the convolution
    below it.

    Args:
        model: a flat functional model of one input and one output. A BatchNorm layer that trains, or one that does not
            stand alone on a convolution without activation, stays a step of its own.
        precision: of the folded convolutions. In "bf16" (TensorFlow alone) so are the activations between two of them;
            sums, such as those of residual connections, are of f32.
        held: names of BatchNorm layers whose gamma and beta are trained and whose statistics are fixed.

    Returns:
        The model itself where there is nothing to fold or to hold; else another one that shares its layers, whose
        trainable variables are the same in the same order. It is made to run, not to be saved.

    >>> pixels = keras.Input((4, 4, 3))
    >>> normed = keras.layers.BatchNormalization(trainable=False)(keras.layers.Conv2D(2, 3, use_bias=False)(pixels))
    >>> [type(layer).__name__ for layer in fold_batch_norm(keras.Model(pixels, normed)).layers]
    ['InputLayer', 'FoldedConvolution']
    """
    for folds in (_folds(model, precision), {}):
        twin = _twin(model, folds, held)
        # The optimizer knows its variables by their order too.
        if [id(one) for one in twin.trainable_variables] == [id(one) for one in model.trainable_variables]:
            break
    return twin


def _twin(model: keras.Model, folds: Mapping[str, "Fold"], held: Collection[str]) -> keras.Model:
    if not folds and not held:
        return model
    done = {id(layer) for fold in folds.values() for layer in (fold.norm, fold.activation)}
    # One that stands in two places is one layer.
    steps = {layer.name: HeldBatchNorm.of(layer) for layer in model.layers if layer.name in held}

    def call(layer: keras.Operation, *arguments: Any, **options: Any) -> Any:
        if id(layer) in done:
            # Its part was done by the convolution.
            return arguments[0]
        if fold := folds.get(layer.name):
            return FoldedConvolution.of(layer, fold)(*arguments)
        return steps[layer.name](*arguments) if layer.name in steps else layer(*arguments, **options)

    return keras.models.clone_model(
        model,
        input_tensors=keras.Input(batch_shape=model.input.shape, dtype=model.input.dtype),
        clone_function=lambda layer: layer,
        call_function=call,
    )


@dataclass(frozen=True)
class Fold:
    """The layers that are folded into one convolution, and the number formats of the result."""

    norm: keras.layers.BatchNormalization
    activation: keras.Operation | None = None
    """The ReLU applied to the normalised output inside the fold; None where the fold ends with the norm."""
    precision: Precision = "f32"
    dtype: str = "float32"
    """The dtype of the output tensor."""


class HeldBatchNorm(keras.layers.Layer):
    """A BatchNorm layer that runs on its moving statistics also while its gamma and beta train."""

    @classmethod
    def of(cls, norm: keras.layers.BatchNormalization) -> "HeldBatchNorm":
        """Return the layer that calls `norm`, which is built, in inference mode."""
        layer = cls(name=f"{norm.name}_held", dtype=norm.dtype_policy, autocast=False)
        layer.norm = norm
        return layer

    def call(self, inputs: Any) -> Any:
        return self.norm(inputs, training=False)

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        return keras.KerasTensor(inputs.shape, dtype=self.norm.compute_dtype)


class FoldedConvolution(keras.layers.Layer):
    """A convolution and the frozen BatchNorm on it, as one convolution with a bias."""

    @classmethod
    def of(cls, convolution: keras.layers.Layer, fold: Fold) -> "FoldedConvolution":
        """Return the fold of a built Conv2D or DepthwiseConv2D without activation, and a built norm of its channels."""
        # What comes in bf16 stays so.
        layer = cls(name=f"{convolution.name}_folded", dtype=convolution.dtype_policy, autocast=False)
        layer.convolution, layer.fold = convolution, fold
        return layer

    def call(self, inputs: Any) -> Any:
        layer, norm = self.convolution, self.fold.norm
        scale = ops.rsqrt(norm.moving_variance + norm.epsilon)
        if norm.scale:
            scale = scale * norm.gamma
        shift = -norm.moving_mean * scale
        if norm.center:
            shift = shift + norm.beta
        if layer.use_bias:
            shift = shift + layer.bias * scale
        options = Options(strides=layer.strides, padding=layer.padding, dilation_rate=layer.dilation_rate)
        is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        # (height, width, channels, multiplier); the channels that come out are counted multiplier by multiplier.
        kernel = layer.kernel * (ops.reshape(scale, layer.kernel.shape[2:]) if is_depthwise else scale)
        if self.fold.precision == "bf16":
            found = (depthwise_convolution if is_depthwise else convolution)(inputs, kernel, options)
            found = found + ops.cast(shift, BF16)
            if self.fold.activation is not None:
                found = self.fold.activation.call(found)
            return ops.cast(found, self.fold.dtype)
        function = ops.depthwise_conv if is_depthwise else ops.conv
        return function(inputs, kernel, data_format="channels_last", **options) + shift

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        return keras.KerasTensor(self.convolution.compute_output_shape(inputs.shape), dtype=self.fold.dtype)


def _folds(model: keras.Model, precision: Precision) -> dict[str, Fold]:
    """Return the fold of each convolution that has a frozen BatchNorm of its own, by the convolution's name."""
    calls = nodes(model)
    users: dict[str, list[keras.Operation]] = {}
    for node in calls:
        for parent in node.parent_nodes:
            users.setdefault(parent.operation.name, []).append(node.operation)
    folds = {}
    for node in calls:
        layer = node.operation
        above = users.get(layer.name, [])
        if len(above) == 1 and _takes_a_scale(layer) and _is_still(above[0]):
            folds[layer.name] = Fold(above[0], precision=precision)
    if precision == "f32":
        return folds
    places = Counter(node.operation.name for node in calls)
    # What stands in two places is a step of its own, for it is left out wherever it stands.
    once = {name for name, number in places.items() if number == 1}
    return {name: _between(fold, folds, users, once) for name, fold in folds.items()}


def _between(
    fold: Fold,
    folds: Mapping[str, Fold],
    users: Mapping[str, list[keras.Operation]],
    once: Collection[str],
) -> Fold:
    """Return a fold whose output is bf16 where only folded convolutions read it, directly or after a ReLU."""
    above = users.get(fold.norm.name, [])
    alone = len(above) == 1 and _is_relu(above[0]) and above[0].name in once
    activation = above[0] if alone else None
    takers = above if activation is None else users.get(activation.name, [])
    if takers and all(taker.name in folds for taker in takers):
        return replace(fold, activation=activation, dtype=BF16)
    return fold


def _is_relu(layer: keras.Operation) -> bool:
    return type(layer) is keras.layers.ReLU or (
        type(layer) is keras.layers.Activation and layer.activation is keras.activations.relu
    )


def _takes_a_scale(layer: keras.Operation) -> bool:
    return (
        # Not their subclasses: a transposed convolution has its channels elsewhere.
        type(layer) in (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
        and layer.activation is keras.activations.linear
        and layer.data_format == "channels_last"
    )


def _is_still(layer: keras.Operation) -> bool:
    # Keras runs a layer that is not trainable in inference mode, whatever the call says.
    return (
        type(layer) is keras.layers.BatchNormalization
        and not layer.trainable
        and tuple(layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]) in ((-1,), (3,))
    )
