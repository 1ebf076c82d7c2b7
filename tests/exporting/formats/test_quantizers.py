"""What makes a network int8, format by format: layers are left where that is asked, and logits are calibrated."""

import numpy as np
import pytest

from budwood.core.scaling import LabelScaling
from budwood.evaluation.multi_label import MultiLabel
from budwood.evaluation.task import SINGLE_LABEL
from budwood.exporting.formats import FORMATS
from budwood.exporting.int8 import _logits
from budwood.exporting.network import Network
from budwood.inference.artifact import load_artifact, read_reference

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_backbones")]
SAMPLE = list(np.random.default_rng(0).uniform(0, 255, (20, 1, 64, 64, 3)).astype(np.float32))
NEEDED = {"openvino": ["nncf"], "onnx": ["nncf", "tf2onnx", "onnxruntime"], "litert": ["ai_edge_litert"]}


@pytest.fixture(params=NEEDED)
def form(request):
    for module in NEEDED[request.param]:
        pytest.importorskip(module)
    return FORMATS[request.param]


def graph_of(run):
    return run / "model" / "openvino" / "model.xml"


def written(form, quantizer, folder, *how):
    folder.mkdir()
    quantizer.write(folder, *how)
    answers = [form.load(folder)(pixels) for pixels in SAMPLE]
    return {name: np.concatenate([one[name] for one in answers]) for name in answers[0]}


def test_write__layers_that_are_left_bring_no_noise_and_logits_are_scaled(form, tiny_run, tmp_path):
    artifact = load_artifact(tiny_run / "model")
    network = Network(lambda: artifact, read_reference(tiny_run / "model", artifact.info), graph_of(tiny_run))
    (tmp_path / "plain").mkdir()
    form.write(network, tmp_path / "plain")
    exact = [form.load(tmp_path / "plain")(pixels) for pixels in SAMPLE]
    exact = {name: np.concatenate([one[name] for one in exact]) for name in exact[0]}
    quantizer = form.quantizer(network, tmp_path / "plain", SAMPLE)
    rounded = written(form, quantizer, tmp_path / "rounded")
    apart = {name: np.abs(rounded[name] - exact[name]).max() for name in exact}
    assert min(apart.values()) > 1e-5 and apart["distance"] < 0.1

    layers = list(quantizer.noisiest())
    assert len(layers) > 5 and len(set(layers)) == len(layers)
    left = written(form, quantizer, tmp_path / "left", layers[: 3 * len(layers) // 4])
    noise = [np.abs(some["probabilities"] - exact["probabilities"]).mean() for some in (left, rounded)]
    assert noise[0] < noise[1]
    sizes = [sum(file.stat().st_size for file in (tmp_path / name).iterdir()) for name in ("left", "rounded")]
    assert sizes[0] != sizes[1]

    scaled = written(form, quantizer, tmp_path / "scaled", (), 2.0)
    softer = SINGLE_LABEL.probabilities(_logits(SINGLE_LABEL, rounded["probabilities"]), 2.0)
    assert scaled["probabilities"] == pytest.approx(softer, abs=0.01)
    assert scaled["distance"] == pytest.approx(rounded["distance"], abs=1e-5)


def test_write__each_label_has_a_scaling_of_its_own(form, tiny_label_run, tmp_path):
    artifact = load_artifact(tiny_label_run / "model")
    network = Network(lambda: artifact, None, graph_of(tiny_label_run))
    (tmp_path / "plain").mkdir()
    form.write(network, tmp_path / "plain")
    quantizer = form.quantizer(network, tmp_path / "plain", SAMPLE)
    rounded = written(form, quantizer, tmp_path / "rounded")["probabilities"]
    labels = rounded.shape[1]
    scaling = LabelScaling(tuple(1.0 + 0.2 * number for number in range(labels)), (0.1,) * labels)
    scaled = written(form, quantizer, tmp_path / "scaled", (), scaling)["probabilities"]
    task = MultiLabel((0.5,) * labels)
    assert scaled == pytest.approx(task.probabilities(_logits(task, rounded), scaling), abs=0.01)
