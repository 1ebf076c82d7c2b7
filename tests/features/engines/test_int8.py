"""A graph made int8: close to the one it was made of, kept, and named by what it was made on."""

import numpy as np
import pytest

from budwood.features.engines.engine import Engine
from budwood.features.engines.graphs import read_kept
from budwood.features.engines.int8 import calibration_key, quantize
from budwood.features.engines.openvino import OpenVinoGraph
from tests.features.engines.tiny import run, tiny_model, views


def test_quantize__close_to_the_graph_and_kept(tmp_path, own_cache):
    pytest.importorskip("nncf")
    pictures = views(20)
    exact = OpenVinoGraph(tiny_model(), precision="f32", folder=own_cache / "graphs" / "f32")
    expected = np.array(list(run(exact, pictures)))
    folder = own_cache / "graphs" / "int8"
    made = quantize(read_kept(own_cache / "graphs" / "f32")[0], pictures, folder)
    assert any(node.get_type_name() == "FakeQuantize" for node in made.get_ops())
    kept = Engine.kept("int8", expected.shape[1:])
    found = np.array(list(kept.run(pictures)))
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert 0 < error < 0.1
    # The one that it was made of is as it was.
    assert np.array_equal(expected, list(run(exact, pictures)))


def test_calibration_key__of_the_pictures_and_the_libraries(monkeypatch):
    pytest.importorskip("nncf")
    pictures = views(3)
    key = calibration_key(pictures)
    assert key == calibration_key(list(pictures)) != calibration_key(pictures[:2])
    monkeypatch.setattr("budwood.features.engines.int8.version", lambda name: "0")
    assert calibration_key(pictures) != key
