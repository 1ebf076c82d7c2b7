"""Converted graphs: kept on disk, joined and cut, and silent on the network."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from budwood.core.errors import BackboneError
from budwood.evaluation.ood import Reference
from budwood.features.engines import graphs
from budwood.features.engines import openvino as openvino_graph
from budwood.features.engines.openvino import OpenVinoGraph
from tests.features.engines.tiny import run, tiny_model, views

openvino = pytest.importorskip("openvino")


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
    core = graphs.openvino_core()
    OpenVinoGraph(graph_of_another, precision="f32", folder=tmp_path / "other")
    other = core.read_model(tmp_path / "other" / "graph.xml")
    real = graphs._compare
    monkeypatch.setattr(graphs, "_compare", lambda graph, *rest: real(other, *rest))
    with pytest.raises(BackboneError, match=r'backbone\.engine = "keras"'):
        OpenVinoGraph(tiny_model(), precision="f32", folder=tmp_path / "fp")
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


@pytest.mark.slow
def test_graph__only_the_last_used_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(graphs, "MAX_GRAPHS", 2)
    model = tiny_model()
    for age, name in enumerate(["a", "b", "c"]):
        OpenVinoGraph(model, precision="f32", folder=tmp_path / name)
        if name != "c":
            os.utime(tmp_path / name, (age, age))
    assert {path.name for path in tmp_path.iterdir()} == {"b", "c"}


def mean_colours(scale: float, mirrored: bool):
    """A feature extractor of three features, and a head that gives them back."""
    ops = openvino.opset13
    pixels = ops.parameter([1, 4, 4, 3], openvino.Type.u8)
    means = ops.reduce_mean(ops.convert(pixels, "f32"), np.array([1, 2]), keep_dims=False)
    # Traced for one picture, layers that reshape name that number.
    means = ops.reshape(means, ops.constant([1, 3], np.int64), False)
    features = ops.multiply(means, ops.constant(scale, np.float32))
    if mirrored:
        other = ops.add(features, ops.constant(9, np.float32))
        features = ops.concat([ops.unsqueeze(one, np.array([1])) for one in (features, other)], 1)
    return openvino.Model([features], [pixels])


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("scales", [(1.0,), (1.0, -3.0)])
def test_with_distance__is_that_of_the_reference(scales, mirrored):
    width = 3 * len(scales)
    rows = openvino.opset13.parameter([-1, 2, width] if mirrored else [-1, width], openvino.Type.f32)
    head = openvino.Model([openvino.opset13.relu(rows)], [rows])
    whole = graphs.join([mean_colours(scale, mirrored) for scale in scales], head)
    rng = np.random.default_rng(0)
    for num in (1, 2, 40):
        rows = rng.normal(size=(num, width)).astype(np.float32)
        known = Reference(rows, np.zeros(num, np.int64), rows)
        compiled = graphs.compile_graph(graphs.with_distance(whole.clone(), known.directions, known.nth))
        for pixels in (views(1, 4)[0], np.zeros((4, 4, 3), np.uint8)):
            _, *parts, distance = compiled(pixels[None]).to_tuple()
            features = np.concatenate(parts, axis=-1)
            expected = known.distance(features.mean(axis=1) if mirrored else features)
            np.testing.assert_allclose(distance[0], expected, atol=1e-6)
            assert distance.shape == (1, 1) and len(parts) == len(scales)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("scales", [(1.0,), (1.0, -3.0)])
def test_of_any_batch__answers_as_one_picture_at_a_time_does(scales, mirrored):
    width = 3 * len(scales)
    rows = openvino.opset13.parameter([-1, 2, width] if mirrored else [-1, width], openvino.Type.f32)
    head = openvino.Model([openvino.opset13.relu(rows)], [rows])
    whole = graphs.join([mean_colours(scale, mirrored) for scale in scales], head)
    directions = np.eye(width, dtype=np.float32)[:2]
    whole = graphs.with_distance(whole, directions, 2)
    alone = graphs.compile_graph(whole.clone())
    outputs = ("probabilities", "distance")
    exported = graphs.of_any_batch(whole, outputs, "head/")
    assert [output.any_name for output in exported.outputs] == [*outputs]
    assert exported.input("pixels").get_element_type() == openvino.Type.f32
    compiled, pictures = graphs.compile_graph(exported), views(5, 4)
    for batch in (pictures, pictures[:1]):
        found = compiled(np.stack(batch).astype(np.float32))
        for number, picture in enumerate(batch):
            one = alone(picture[None])
            for output in outputs:
                np.testing.assert_array_equal(found[output][number], one[output][0])
    named = {
        node.get_type_name() for node in exported.get_ops() if node.get_friendly_name().startswith("head/")
    }
    assert {"Relu", "MatMul", "TopK"} <= named and not {"Parameter", "Multiply"} & named


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


@pytest.mark.slow
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


def part(weights):
    """A graph from pixels (1, 2, 2, 3) to features: their mean over the picture, times a matrix."""
    ops = openvino.opset13
    pixels = ops.parameter([1, 2, 2, 3], openvino.Type.u8)
    mean = ops.reduce_mean(ops.convert(pixels, "f32"), ops.constant(np.array([1, 2])), keep_dims=False)
    return openvino.Model([ops.matmul(mean, ops.constant(weights), False, False)], [pixels])


def head(weights):
    ops = openvino.opset13
    rows = ops.parameter([-1, len(weights)], openvino.Type.f32)
    return openvino.Model([ops.softmax(ops.matmul(rows, ops.constant(weights), False, False), 1)], [rows])


@pytest.mark.parametrize("widths", [(4,), (4, 2), (1, 2, 3)])
def test_join__is_cut_into_its_parts_and_its_head_again(widths):
    rng = np.random.default_rng(0)
    kernels = [rng.normal(size=(3, width)).astype(np.float32) * 0.01 for width in widths]
    top = rng.normal(size=(sum(widths), 5)).astype(np.float32)
    pixels = rng.integers(0, 256, (1, 2, 2, 3), np.uint8)
    mean = pixels.astype(np.float32).mean(axis=(1, 2))
    features = [mean @ kernel for kernel in kernels]
    logits = np.concatenate(features, axis=1) @ top
    expected = np.exp(logits) / np.exp(logits).sum()

    def joined():
        return graphs.join([part(kernel) for kernel in kernels], head(top))

    found = graphs.compile_graph(joined())(pixels)
    np.testing.assert_allclose(found["probabilities"], expected, rtol=1e-4)
    for number, one in enumerate(features):
        np.testing.assert_allclose(found[f"features_{number}"], one, rtol=1e-4)
        alone = graphs.compile_graph(graphs.only_output(joined(), number + 1))(pixels)
        np.testing.assert_allclose(alone[0], one, rtol=1e-4)
    rows = rng.normal(size=(7, sum(widths))).astype(np.float32)
    shares = np.exp(rows @ top) / np.exp(rows @ top).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        graphs.compile_graph(graphs.above_features(joined()))(rows)[0], shares, rtol=1e-4
    )


def test_has_bf16__by_what_openvino_says_and_not_without_it(monkeypatch):
    capabilities = graphs.openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert graphs.has_bf16() == ("BF16" in capabilities)

    def absent():
        raise ImportError("openvino")

    monkeypatch.setattr(graphs, "import_openvino", absent)
    assert not graphs.has_bf16()


def test_read_kept__nothing_where_nothing_is(tmp_path):
    assert graphs.read_kept(tmp_path / "nowhere") == (None, "")


def test_checksums__of_both_files(tmp_path):
    for name in ("a.xml", "a.bin"):
        (tmp_path / name).write_bytes(b"abc")
    # The first test vector of FIPS 180-2.
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert graphs.checksums(tmp_path, "a") == {"a.xml": expected, "a.bin": expected}


def test_compile_graph__signals_are_handled_when_graphs_are_gone():
    """By another process, for what is tested against is a fault of memory."""
    code = """
import gc, os, signal, time
import numpy as np
from budwood.features.engines.graphs import compile_graph, import_openvino
signal.signal(signal.SIGINT, lambda *given: print("heard"))

def compiled():
    openvino = import_openvino()
    pixels = openvino.opset13.parameter([1, 3], np.float32)
    return compile_graph(openvino.Model([openvino.opset13.relu(pixels)], [pixels]))

one, other = compiled(), compiled()
del one
gc.collect()
del other
gc.collect()
os.kill(os.getpid(), signal.SIGINT)
time.sleep(0.1)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr


def test_convert__ctrl_c_meanwhile_is_no_failure_of_openvino(monkeypatch):
    """OpenVINO asks Python for every layer, and makes an error of its own of what that raises."""

    def interrupted(traced):
        signal.raise_signal(signal.SIGINT)
        raise RuntimeError("Converting input model KeyboardInterrupt")

    monkeypatch.setattr(graphs, "import_openvino", lambda: SimpleNamespace(convert_model=interrupted))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            graphs.convert(None)
    finally:
        signal.signal(signal.SIGINT, before)
