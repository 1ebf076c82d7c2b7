"""Convolutions in bf16, for gradient steps on a CPU that has it: f32 weights in, gradients in f32 out.

A product of two bf16 numbers is exact in f32, in which processors add them up, so that only what goes in and what comes
out is rounded, to eight bits (Kalamkar et al. 2019, "A study of BFLOAT16 for deep learning training"). Two gradients
are not left to TensorFlow (2.21), whose ways to them are slow in bf16: that of a pointwise convolution's kernel is a
matrix product here, and those of a depthwise convolution are computed in f32.
"""

from typing import Any, Literal, TypedDict

from keras import ops

Precision = Literal["f32", "bf16"]

BF16 = "bfloat16"


class Options(TypedDict):
    """Strides, padding and dilation of a convolution, as `keras.ops.conv` takes them. Channels come last."""

    strides: Any
    padding: str
    dilation_rate: Any


def convolution(inputs: Any, kernel: Any, options: Options) -> Any:
    """Return a convolution in bf16.

    Args:
        inputs: `(n, height, width, channels)`, f32 or bf16.
        kernel: `(height, width, channels a group, filters)`, f32, which is what its gradient comes in.
        options: how it goes over the inputs.
    """
    inputs, kernel = ops.cast(inputs, BF16), ops.cast(kernel, BF16)
    is_pointwise = tuple(kernel.shape[:2]) == (1, 1) and kernel.shape[2] == inputs.shape[-1]
    if is_pointwise and set(_pair(options["strides"])) == {1}:
        return _pointwise(inputs, kernel)
    return ops.conv(inputs, kernel, data_format="channels_last", **options)


def depthwise_convolution(inputs: Any, kernel: Any, options: Options) -> Any:
    """Return a depthwise convolution in bf16, whose gradients are computed in f32.

    Args:
        inputs: `(n, height, width, channels)`, f32 or bf16.
        kernel: `(height, width, channels, multiplier)`, f32.
        options: how it goes over the inputs. With a dilation, or with strides that are not alike, it is computed in
            f32.
    """
    strides = _pair(options["strides"])
    if set(_pair(options["dilation_rate"])) != {1} or len(set(strides)) > 1:
        inputs = ops.cast(inputs, "float32")
        found = ops.depthwise_conv(inputs, kernel, data_format="channels_last", **options)
        return ops.cast(found, BF16)
    return _depthwise(ops.cast(inputs, BF16), kernel, [1, *strides, 1], options["padding"].upper())


def _pointwise(inputs: Any, kernel: Any) -> Any:
    import tensorflow as tf

    @tf.custom_gradient
    def product(inputs: Any, kernel: Any) -> Any:
        def gradient(upstream: Any) -> Any:
            channels, filters = kernel.shape[2:]
            of_inputs = tf.nn.conv2d(upstream, tf.transpose(kernel, (0, 1, 3, 2)), 1, "VALID")
            of_kernel = tf.matmul(
                tf.reshape(inputs, (-1, channels)), tf.reshape(upstream, (-1, filters)), transpose_a=True
            )
            return of_inputs, tf.reshape(of_kernel, kernel.shape)

        return tf.nn.conv2d(inputs, kernel, 1, "VALID"), gradient

    return product(inputs, kernel)


def _depthwise(inputs: Any, kernel: Any, strides: list[int], padding: str) -> Any:
    import tensorflow as tf

    @tf.custom_gradient
    def product(inputs: Any, kernel: Any) -> Any:
        def gradient(upstream: Any) -> Any:
            upstream = tf.cast(upstream, tf.float32)
            options = {"out_backprop": upstream, "strides": strides, "padding": padding}
            of_inputs = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=tf.shape(inputs), filter=kernel, **options
            )
            of_kernel = tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
                input=tf.cast(inputs, tf.float32), filter_sizes=kernel.shape, **options
            )
            return tf.cast(of_inputs, inputs.dtype), of_kernel

        return tf.nn.depthwise_conv2d(inputs, tf.cast(kernel, inputs.dtype), strides, padding), gradient

    return product(inputs, kernel)


def _pair(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value, value)
