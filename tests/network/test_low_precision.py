import numpy as np
import pytest
from keras import ops

from budwood.network.low_precision import convolution, depthwise_convolution

RNG = np.random.default_rng(0)


def gradients(function, inputs, kernel):
    """What comes out, and the gradients of a function of it by inputs and kernel."""
    import tensorflow as tf

    inputs, kernel = tf.constant(inputs, tf.float32), tf.constant(kernel, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch([inputs, kernel])
        found = function(inputs, kernel)
        loss = tf.reduce_sum(tf.sin(tf.cast(found, tf.float32)))
    return found, *tape.gradient(loss, [inputs, kernel])


def assert_near(found, expected, error):
    found, expected = np.asarray(ops.cast(found, "float32")), np.asarray(expected)
    assert found.shape == expected.shape
    assert np.linalg.norm(found - expected) <= error * np.linalg.norm(expected)
    # Of f32 it would be nearer by far: the test sees that it is not.
    assert np.linalg.norm(found - expected) > 1e-5 * np.linalg.norm(expected)


@pytest.mark.parametrize(
    ("kernel", "options"),
    [
        ((1, 1, 16, 32), {"strides": (1, 1), "padding": "valid"}),
        ((1, 1, 16, 32), {"strides": (1, 1), "padding": "same"}),
        ((1, 1, 16, 32), {"strides": (2, 2), "padding": "same"}),
        ((1, 1, 8, 32), {"strides": (1, 1), "padding": "same"}),
        ((3, 3, 16, 32), {"strides": (2, 2), "padding": "same"}),
        ((3, 3, 16, 32), {"strides": (1, 1), "padding": "valid", "dilation_rate": (2, 2)}),
    ],
    ids=["pointwise", "pointwise, same", "strided", "grouped", "three by three", "dilated"],
)
def test_convolution__is_that_of_f32_up_to_rounding(kernel, options):
    options = {"dilation_rate": (1, 1), **options}
    inputs, kernel = RNG.normal(size=(3, 10, 10, 16)), RNG.normal(size=kernel) / 4
    found = gradients(lambda *given: convolution(*given, options), inputs, kernel)
    expected = gradients(lambda *given: ops.conv(*given, **options), inputs, kernel)
    assert [one.dtype.name for one in found] == ["bfloat16", "float32", "float32"]
    for one, other in zip(found, expected, strict=True):
        assert_near(one, other, 0.02)


@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize(
    "options",
    [
        {"strides": (1, 1), "padding": "same", "dilation_rate": (1, 1)},
        {"strides": (2, 2), "padding": "valid", "dilation_rate": (1, 1)},
        {"strides": (1, 1), "padding": "same", "dilation_rate": (2, 2)},
    ],
    ids=["plain", "strided", "dilated"],
)
def test_depthwise_convolution__is_that_of_f32_up_to_rounding(options, multiplier):
    inputs, kernel = RNG.normal(size=(3, 10, 10, 8)), RNG.normal(size=(3, 3, 8, multiplier)) / 3
    found = gradients(lambda *given: depthwise_convolution(*given, options), inputs, kernel)
    expected = gradients(lambda *given: ops.depthwise_conv(*given, **options), inputs, kernel)
    assert [one.dtype.name for one in found] == ["bfloat16", "float32", "float32"]
    for one, other in zip(found, expected, strict=True):
        assert_near(one, other, 0.02)
