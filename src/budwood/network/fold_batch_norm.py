"""Frozen BatchNorm folded into the convolutions below it while a model trains: fewer passes over the activations.

With its statistics, gamma and beta held still, BatchNorm multiplies every channel by one number and adds another. A
convolution whose kernel is multiplied by the first gives the same, and the multiplication is then over the kernel, not
over activations that are hundreds of times as large. Only the way of computing changes, up to rounding: the variables,
their gradients and their optimizer are those of the model.
"""

from typing import Any

import keras
from keras import ops

from budwood.network.graph import nodes


def fold_batch_norm(model: keras.Model) -> keras.Model:
    """Return a twin of a flat model on the same variables, each frozen BatchNorm folded into the convolution
    below it.

    Args:
        model: a flat functional model of one input and one output. A BatchNorm layer that trains, or one that does not
            stand alone on a convolution without activation, stays a step of its own.

    Returns:
        The model itself where there is nothing to fold; else another one that shares its layers, whose trainable
        variables are the same in the same order. It is made to run, not to be saved.

    >>> pixels = keras.Input((4, 4, 3))
    >>> normed = keras.layers.BatchNormalization(trainable=False)(keras.layers.Conv2D(2, 3, use_bias=False)(pixels))
    >>> [type(layer).__name__ for layer in fold_batch_norm(keras.Model(pixels, normed)).layers]
    ['InputLayer', 'FoldedConvolution']
    """
    pairs = _pairs(model)
    if not pairs:
        return model
    norms = {id(norm) for norm in pairs.values()}

    def call(layer: keras.Operation, *arguments: Any, **options: Any) -> Any:
        if id(layer) in norms:
            # Its part was done by the convolution.
            return arguments[0]
        norm = pairs.get(layer.name)
        return FoldedConvolution.of(layer, norm)(*arguments) if norm else layer(*arguments, **options)

    twin = keras.models.clone_model(
        model,
        input_tensors=keras.Input(batch_shape=model.input.shape, dtype=model.input.dtype),
        clone_function=lambda layer: layer,
        call_function=call,
    )
    same = [id(one) for one in twin.trainable_variables] == [id(one) for one in model.trainable_variables]
    # The optimizer knows its variables by their order too.
    return twin if same else model


class FoldedConvolution(keras.layers.Layer):
    """A convolution and the frozen BatchNorm on it, as one convolution with a bias."""

    @classmethod
    def of(
        cls, convolution: keras.layers.Layer, norm: keras.layers.BatchNormalization
    ) -> "FoldedConvolution":
        """Return the fold of a built Conv2D or DepthwiseConv2D without activation, and a built norm of its channels."""
        layer = cls(name=f"{convolution.name}_folded", dtype=convolution.dtype_policy)
        layer.convolution, layer.norm = convolution, norm
        return layer

    def call(self, inputs: Any) -> Any:
        convolution, norm = self.convolution, self.norm
        scale = ops.rsqrt(norm.moving_variance + norm.epsilon)
        if norm.scale:
            scale = scale * norm.gamma
        shift = -norm.moving_mean * scale
        if norm.center:
            shift = shift + norm.beta
        if convolution.use_bias:
            shift = shift + convolution.bias * scale
        options = {
            "strides": convolution.strides,
            "padding": convolution.padding,
            "dilation_rate": convolution.dilation_rate,
            "data_format": convolution.data_format,
        }
        kernel = convolution.kernel
        if isinstance(convolution, keras.layers.DepthwiseConv2D):
            # (height, width, channels, multiplier); the channels that come out are counted multiplier by multiplier.
            found = ops.depthwise_conv(inputs, kernel * ops.reshape(scale, kernel.shape[2:]), **options)
        else:
            found = ops.conv(inputs, kernel * scale, **options)
        return found + shift

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.convolution.compute_output_shape(input_shape)


def _pairs(model: keras.Model) -> dict[str, keras.layers.BatchNormalization]:
    """Return the BatchNorm layer to be folded into each convolution, by the convolution's name."""
    calls = nodes(model)
    users: dict[str, list[keras.Operation]] = {}
    for node in calls:
        for parent in node.parent_nodes:
            users.setdefault(parent.operation.name, []).append(node.operation)
    pairs = {}
    for node in calls:
        layer = node.operation
        above = users.get(layer.name, [])
        if len(above) == 1 and _takes_a_scale(layer) and _is_still(above[0]):
            pairs[layer.name] = above[0]
    return pairs


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
