import keras
import numpy as np
import pytest

from budwood.backbones import preprocessing


@pytest.mark.parametrize(
    ("function", "mode"),
    [
        (preprocessing.symmetric, "tf"),
        (preprocessing.standardised, "torch"),
        (preprocessing.centred_bgr, "caffe"),
    ],
)
def test_preprocessing__is_what_keras_calls_it(function, mode):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3)).astype(np.float32)
    start = keras.Input((4, 4, 3))
    model = keras.Model(start, function(start))
    expected = keras.applications.imagenet_utils.preprocess_input(pixels.copy(), "channels_last", mode)
    np.testing.assert_allclose(model(pixels), expected, atol=2e-5 if mode != "caffe" else 1e-4)
    assert all(layer.name.startswith("preprocess") for layer in model.layers[1:])
    assert model.trainable_weights == []


def test_symmetric_by_128__never_reaches_one():
    found = np.asarray(preprocessing.symmetric_by_128(np.array([[0.0, 128.0, 255.0]], np.float32)))
    np.testing.assert_allclose(found, [[-1, 0, 127 / 128]])


def test_standardised__with_a_mean_and_a_deviation_of_its_own():
    pixels = np.array([[[[0.0, 127.5, 255.0]]]], np.float32)
    found = preprocessing.standardised(pixels, (0.5, 0.5, 0.5), (0.25, 0.5, 1.0))
    np.testing.assert_allclose(np.asarray(found)[0, 0, 0], [-2, 0, 0.5], atol=1e-6)
