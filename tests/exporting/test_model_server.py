"""The layout of model servers. Neither of them is at hand: that they take it is untried."""

import hashlib
import re
import runpy
import sys

import pytest

from budwood.core.errors import RunError
from budwood.core.files import read_json
from budwood.data.images import view
from budwood.exporting.model_server import triton_configuration
from budwood.run import load
from tests.exporting.test_contract import INFO, contract

pytestmark = pytest.mark.usefixtures("shared_cache", "tiny_backbones")


def test_export__for_model_servers(tiny_run, session_colours, tmp_path, monkeypatch, capsys):
    run = load(tiny_run)
    found = run.export("openvino", tmp_path / "flowers", server=True, data=session_colours)
    assert {path.name for path in (tmp_path / "flowers" / "1").iterdir()} == {"model.xml", "model.bin"}
    assert set(found.contract.files) == {"1/model.xml", "1/model.bin"}
    (model,) = read_json(tmp_path / "flowers" / "config.json")["model_config_list"]
    assert model["config"] == {
        "name": "flowers",
        "base_path": "/models/flowers",
        "plugin_config": {"INFERENCE_PRECISION_HINT": "f32"},
    }
    assert (
        'key: "ENFORCE_BF16" value: { string_value: "NO" }' in (tmp_path / "flowers/config.pbtxt").read_text()
    )
    assert "--config_path /models/flowers/config.json" in (tmp_path / "flowers" / "README.md").read_text()

    # The golden answers are those of the run for these photos.
    golden = read_json(tmp_path / "flowers" / "golden.json")
    assert 0 < len(golden) <= 20
    for one in golden:
        photo = session_colours / one["photo"]
        square = view(photo, 64, run.files.model.input.resize)
        assert one["square_sha256"] == hashlib.sha256(square.tobytes()).hexdigest()
        said = run.predict(photo)[0]
        assert one["probabilities"] == pytest.approx(list(said.probabilities.values()), abs=1e-4)
        assert one["distance"] == pytest.approx(said.distance, abs=1e-4)

    # The program finds the model where it is now.
    monkeypatch.setattr(sys, "argv", ["predict.py", str(session_colours / golden[0]["photo"])])
    runpy.run_path(str(tmp_path / "flowers" / "predict.py"))
    shares = re.findall(r"(?m)^([01]\.\d+)  ", capsys.readouterr().out)
    assert sorted(map(float, shares)) == pytest.approx(sorted(golden[0]["probabilities"]), abs=2e-3)


def test_triton_configuration__states_every_tensor():
    text = triton_configuration(contract(INFO))
    assert 'backend: "onnxruntime"' in text and "ENFORCE_BF16" not in text
    assert '{ name: "pixels" data_type: TYPE_FP32 dims: [ -1, 64, 64, 3 ] }' in text
    assert '{ name: "probabilities" data_type: TYPE_FP32 dims: [ -1, 2 ] }' in text
    assert '{ name: "distance" data_type: TYPE_FP32 dims: [ -1, 1 ] }' in text


def test_export__other_formats_are_for_no_model_server(tiny_run, session_colours, tmp_path):
    with pytest.raises(RunError, match="do not both know LiteRT. Take --format openvino or onnx"):
        load(tiny_run).export("litert", tmp_path / "out", server=True, data=session_colours)
