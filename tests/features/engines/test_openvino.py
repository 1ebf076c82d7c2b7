"""OpenVINO graphs: equal to Keras, the same whatever runs beside them, kept on disk, and silent on the network."""

import json

import keras
import numpy as np
import pytest

pytest.importorskip("openvino")

from budwood.data.images import view
from budwood.features.engines import openvino as openvino_graph
from budwood.features.engines.openvino import OpenVinoGraph
from tests.features.engines.tiny import SIZE, run, tiny_model, views


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("pooled", [True, False])
def test_run__agrees_with_keras_in_any_shape(tmp_path, pooled):
    model = tiny_model(pooled)
    pictures = views(21)
    found = np.stack(list(run(OpenVinoGraph(model, precision="f32", folder=tmp_path / "fp"), iter(pictures))))
    expected = model.predict_on_batch(np.stack(pictures).astype(np.float32))
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert relative_error(found, expected) < 1e-4


def test_run__leaves_the_loose_ends_of_swish_behind(tmp_path):
    keras.utils.set_random_seed(0)
    pixels = keras.Input((SIZE, SIZE, 3), name="pixels")
    x = keras.layers.Conv2D(4, 3, activation="swish")(keras.layers.Rescaling(1 / 127.5, -1)(pixels))
    inside = keras.layers.Activation("swish")(keras.layers.Conv2D(5, 3)(x))
    for model in (keras.Model(pixels, inside), keras.Model(pixels, keras.layers.Conv2D(6, 3)(inside))):
        graph = OpenVinoGraph(model, precision="f32", folder=tmp_path / str(model.output.shape[-1]))
        found = np.stack(list(run(graph, views(2))))
        expected = model.predict_on_batch(np.stack(views(2)).astype(np.float32))
        assert found.shape == expected.shape
        assert relative_error(found, expected) < 1e-4


def test_run__depends_on_the_picture_alone(tmp_path):
    graph = OpenVinoGraph(tiny_model(), precision="f32", folder=tmp_path / "fp")
    pictures = views(23)
    forward = np.stack(list(run(graph, pictures)))
    backward = np.stack(list(run(graph, pictures[::-1])))[::-1]
    alone = np.stack([next(run(graph, [picture])) for picture in pictures])
    assert np.array_equal(forward, backward)
    assert np.array_equal(forward, alone)


def test_run__takes_no_more_pictures_than_it_can_work_on(tmp_path):
    graph = OpenVinoGraph(tiny_model(), precision="f32", folder=tmp_path / "fp")
    taken = []

    def source():
        for number, pixels in enumerate(views(100)):
            taken.append(number)
            yield pixels

    rows = run(graph, source())
    next(rows)
    assert len(taken) <= 2 * openvino_graph.num_cores() + 1
    rows.close()


def test_run__of_nothing_is_nothing(tmp_path):
    assert list(run(OpenVinoGraph(tiny_model(), precision="f32", folder=tmp_path / "fp"), [])) == []


def test_run__passes_on_what_its_source_raises(tmp_path):
    graph = OpenVinoGraph(tiny_model(), precision="f32", folder=tmp_path / "fp")

    def source():
        yield from views(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run(graph, source()))
    assert len(list(run(graph, views(3)))) == 3


def test_precision__bf16_is_near_f32_or_says_that_it_is_f32(tmp_path):
    model, pictures = tiny_model(), views(5)
    rough = OpenVinoGraph(model, precision="bf16", folder=tmp_path / "fp")
    exact = OpenVinoGraph(model, precision="f32", folder=tmp_path / "fp")
    found, expected = np.stack(list(run(rough, pictures))), np.stack(list(run(exact, pictures)))
    if rough.notes:
        assert "bf16" in rough.notes[0].text and rough.notes[0].kind == "precision"
        assert np.array_equal(found, expected)
    else:
        assert 0 < relative_error(found, expected) < 5e-2


@pytest.mark.slow
def test_run__real_network_agrees_with_keras(test_data, tmp_path):
    weights = test_data / "weights" / "mobilenet_v2_1.0_224_no_top.weights.h5"
    pixels = keras.Input((96, 96, 3))
    network = keras.applications.MobileNetV2(
        include_top=False, pooling="avg", input_shape=(96, 96, 3), weights=str(weights)
    )
    model = keras.Model(pixels, network(keras.layers.Rescaling(1 / 127.5, -1)(pixels)))
    files = sorted((test_data / "datasets" / "flower_photos" / "roses").glob("*.jpg"))[:8]
    pictures = [view(file, 96) for file in files]
    expected = model.predict_on_batch(np.stack(pictures).astype(np.float32))
    for precision, limit in (("f32", 1e-4), ("bf16", 5e-2)):
        graph = OpenVinoGraph(model, precision=precision, folder=tmp_path / "fp")
        assert relative_error(np.stack(list(run(graph, pictures))), expected) < limit
    assert json.loads((tmp_path / "fp" / "graph.json").read_text()).keys() == {"graph.xml", "graph.bin"}
