import numpy as np
import pytest

from budwood.exporting.formats.tracing import SIGNATURE, save_signature, trace


@pytest.fixture(scope="module")
def network():
    import keras

    pixels = keras.Input((4, 4, 3))
    mean = keras.layers.GlobalAveragePooling2D()(pixels)
    return keras.Model(pixels, {"probabilities": keras.layers.Softmax()(mean), "distance": mean})


def test_trace__names_what_goes_in_and_comes_out(network):
    traced = trace(network)
    assert list(traced.structured_input_signature[1]) == [] and traced.inputs[0].shape.as_list()[0] is None
    assert set(traced.structured_outputs) == {"probabilities", "distance"}


def test_save_signature__is_read_by_tensorflow_alone(network, tmp_path):
    import tensorflow as tf

    save_signature(network, tmp_path / "model")
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    pixels = np.ones((3, 4, 4, 3), np.float32)
    found = loaded.signatures[SIGNATURE](pixels=tf.constant(pixels))
    assert found["probabilities"].numpy() == pytest.approx(np.full((3, 3), 1 / 3))
