"""OpenVINO graphs: equal to Keras, the same whatever runs beside them, kept on disk, and silent on the network."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

pytest.importorskip("openvino")

from budwood.core.errors import BackboneError
from budwood.data.images import view
from budwood.features.engines import graphs
from budwood.features.engines import openvino as openvino_graph
from budwood.features.engines.openvino import OpenVinoGraph

SIZE = 16


def tiny_model(pooled: bool = True) -> keras.Model:
    keras.utils.set_random_seed(0)
    pixels = keras.Input((SIZE, SIZE, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 127.5, -1)(pixels)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    x = keras.layers.DepthwiseConv2D(3)(x)
    x = keras.layers.BatchNormalization()(x)
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(x) if pooled else x)


def views(n: int, size: int = SIZE) -> list[np.ndarray]:
    return list(np.random.default_rng(1).integers(0, 256, (n, size, size, 3), dtype=np.uint8))


def run(graph, pictures):
    """The first output for each picture."""
    return (outputs[0] for outputs in graph.run_all(pictures))


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


def test_graph__is_converted_once(tmp_path, monkeypatch):
    model, pictures = tiny_model(), views(3)
    first = list(run(OpenVinoGraph(model, precision="f32", folder=tmp_path / "fp"), pictures))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fp"]
    monkeypatch.setattr(openvino_graph, "convert_model", None)
    again = OpenVinoGraph(model, precision="f32", folder=tmp_path / "fp")
    assert np.array_equal(first, list(run(again, pictures)))
    assert again.notes == []


@pytest.mark.parametrize("name", ["graph.xml", "graph.bin", "graph.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "lose"])
def test_graph__damaged_on_disk_is_converted_again(tmp_path, name, damage):
    model, pictures = tiny_model(), views(3)
    expected = list(run(OpenVinoGraph(model, precision="f32", folder=tmp_path / "fp"), pictures))
    file = tmp_path / "fp" / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 64
    if damage == "lose":
        file.unlink()
    else:
        file.write_bytes(data if damage == "flip" else data[: len(data) // 2])
    again = OpenVinoGraph(model, precision="f32", folder=tmp_path / "fp")
    assert np.array_equal(expected, list(run(again, pictures)))
    assert len(again.notes) == 1
    assert "damaged" in again.notes[0].text
    assert OpenVinoGraph(model, precision="f32", folder=tmp_path / "fp").notes == []


def test_graph__that_computes_something_else_is_refused(tmp_path, monkeypatch):
    graph_of_another = tiny_model()
    graph_of_another.layers[2].set_weights(
        [2 * weight for weight in graph_of_another.layers[2].get_weights()]
    )
    core = graphs.new_core()
    OpenVinoGraph(graph_of_another, precision="f32", folder=tmp_path / "other")
    other = core.read_model(tmp_path / "other" / "graph.xml")
    real = graphs._compare
    monkeypatch.setattr(graphs, "_compare", lambda graph, *rest: real(other, *rest))
    with pytest.raises(BackboneError, match=r'backbone\.engine = "keras"'):
        OpenVinoGraph(tiny_model(), precision="f32", folder=tmp_path / "fp")
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_graph__only_the_last_used_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(graphs, "MAX_GRAPHS", 2)
    model = tiny_model()
    for age, name in enumerate(["a", "b", "c"]):
        OpenVinoGraph(model, precision="f32", folder=tmp_path / name)
        if name != "c":
            os.utime(tmp_path / name, (age, age))
    assert {path.name for path in tmp_path.iterdir()} == {"b", "c"}


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


CONVERT = """
import os, sys, time
from pathlib import Path

log = Path(sys.argv[2])

def hook(event, arguments):
    if event.startswith(("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")):
        with log.open("a") as file:
            file.write(f"{event} {arguments}")
        raise PermissionError(event)

# Handed on to forked children, from one of which openvino-telemetry sends.
sys.addaudithook(hook)
if sys.argv[3] == "before":
    import openvino
    import openvino_telemetry
    # The import itself calls home, from a thread: that shows that the hook hears it.
    while openvino_telemetry.Telemetry().sender.queue_size:
        time.sleep(0.01)
    log.unlink()
import keras
from budwood.features.engines.openvino import OpenVinoGraph
pixels = keras.Input((8, 8, 3))
model = keras.Model(pixels, keras.layers.Conv2D(2, 3)(pixels))
OpenVinoGraph(model, precision="f32", folder=Path(sys.argv[1]) / "fp")
time.sleep(0.5)
print("converted")
"""


@pytest.mark.parametrize("imported", ["after", "before"])
def test_import_openvino__never_calls_home(tmp_path, imported):
    """Importing and converting open no connection and leave nothing in the home folder."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD", "JENKINS_URL")
    }
    log = tmp_path / "connections"
    done = subprocess.run(
        [sys.executable, "-c", CONVERT, str(tmp_path), str(log), imported],
        env=environment | {"HOME": str(home), "LOCALAPPDATA": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "converted" in done.stdout, done.stderr
    assert not log.exists(), log.read_text()
    if imported == "after":
        assert [path.name for path in home.rglob("*openvino*")] == []


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
