"""What brings raw pixels to the range that a network was trained on, as layers of the model."""

from collections.abc import Sequence
from typing import Any

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of red, green and blue in [0, 1]."""
CAFFE_MEAN = (103.939, 116.779, 123.68)
"""Of blue, green and red in [0, 255]."""


def symmetric(pixels: Any) -> Any:
    """Scale pixels to [-1, 1]: the style that Keras calls "tf"."""
    import keras

    return keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="preprocess")(pixels)


def symmetric_by_128(pixels: Any) -> Any:
    """Scale pixels to [-1, 127/128]."""
    import keras

    return keras.layers.Rescaling(1 / 128, offset=-1.0, name="preprocess")(pixels)


def standardised(
    pixels: Any, mean: Sequence[float] = IMAGENET_MEAN, deviation: Sequence[float] = IMAGENET_STD
) -> Any:
    """Scale pixels to [0, 1], then less the mean of each channel and by its deviation: the style that Keras
    calls "torch"."""
    import keras

    scale = [1 / (255 * float(value)) for value in deviation]
    offset = [-float(value) / float(width) for value, width in zip(mean, deviation, strict=True)]
    return keras.layers.Rescaling(scale, offset, name="preprocess")(pixels)


def centred_bgr(pixels: Any) -> Any:
    """Blue, green, red, each less its mean: the style that Keras calls "caffe"."""
    import keras

    # Keras has no layer that reorders channels; this convolution picks each of them, to the last bit.
    swapped = keras.layers.Conv2D(
        3,
        1,
        use_bias=False,
        trainable=False,
        kernel_initializer=keras.initializers.Constant(
            [[[[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]]]
        ),
        name="preprocess_bgr",
    )(pixels)
    return keras.layers.Rescaling(1.0, [-mean for mean in CAFFE_MEAN], name="preprocess")(swapped)
