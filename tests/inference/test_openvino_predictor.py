"""The predictor on OpenVINO against the one on Keras."""

import numpy as np
import pytest

from budwood.data.images import view
from budwood.inference.load import load_predictor
from budwood.inference.openvino_predictor import OpenVinoPredictor
from tests.inference.asked import keras_predictor

pytest.importorskip("openvino")
pytestmark = pytest.mark.usefixtures("shared_cache")


def test_openvino__gives_what_keras_gives(session_run, photos):
    openvino, keras = load_predictor(session_run / "model"), keras_predictor(session_run)
    assert isinstance(openvino, OpenVinoPredictor)
    for one, other in zip(openvino.predict(photos), keras.predict(photos), strict=True):
        assert one.label == other.label and one.out_of_distribution == other.out_of_distribution
        assert list(one.probabilities.values()) == pytest.approx(list(other.probabilities.values()), abs=1e-5)
        assert one.distance == pytest.approx(other.distance, abs=1e-5)
    pixels = np.stack([view(photo, openvino.input.size, openvino.input.resize) for photo in photos])
    whole = np.asarray(keras.artifact.model(pixels.astype(np.float32), training=False))
    np.testing.assert_allclose(whole, [one.probabilities for one in openvino.ask(photos)], atol=1e-5)


def test_openvino__computes_in_f32_whatever_the_processor_has(session_run):
    predictor = load_predictor(session_run / "model")
    assert predictor._whole.compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "f32"
