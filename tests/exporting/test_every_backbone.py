"""Every backbone in every format: it answers there as here, for one picture and for seven."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from budwood.backbones.registry import BACKBONES
from budwood.config.recipe import Head
from budwood.core.errors import RunError
from budwood.evaluation.ood import Reference
from budwood.exporting.formats import FORMATS
from budwood.exporting.network import Network
from budwood.features.engines import graphs
from budwood.inference import converted
from budwood.inference.artifact import make_artifact
from budwood.inference.predictor import vectors
from budwood.network.compose import PooledBackbone, compose
from budwood.network.graph import cut
from budwood.network.heads import head_layers

SIZE = 64
PAGE = {"web"}
"""A format that is another one's with a page beside it: `WebPage.write` is that of ONNX, see `test_web_page.py`."""


def made(folder: Path, *names: str, flip: bool = False):
    """Networks with random weights under a small head, and a reference of some noise."""
    import keras

    size = max(SIZE, *(BACKBONES[name].min_size for name in names))
    networks = []
    for number, name in enumerate(names):
        network = BACKBONES[name].build(size, weights="random", seed=number)
        settle(network, noise(size), number)
        pooled = keras.layers.GlobalAveragePooling2D(name="pooling")(network.output)
        networks.append(PooledBackbone(BACKBONES[name], keras.Model(network.input, pooled)))
    head = head_layers(Head(), 3, seed=1)
    head[0].build((None, sum(network.features for network in networks)))
    model = compose(networks, head, flip=flip)
    artifact = make_artifact(model, ["a", "b", "c"], "crop", list(names))
    frozen, _ = cut(model, artifact.info.boundary)
    rng, pixels = np.random.default_rng(0), noise(size)
    rows = vectors(np.asarray(frozen(pixels, training=False)))
    # Logits of about 1, so that no probability is 0.
    kernel = rng.standard_normal((rows.shape[1], 3)) / np.linalg.norm(rows, axis=1).mean()
    model.get_layer("head_logits").set_weights([kernel, np.zeros(3)])
    with pytest.MonkeyPatch.context() as patch:
        # By other pictures than those that settled it: they differ by 0.035 in EfficientNetV2-M with random weights.
        patch.setattr(graphs, "_compare", lambda *given: None)
        patch.setattr(converted, "_compare", lambda *given: 0.0)
        graph = converted.keep(artifact, folder / "graph", "of no file", ())
    return Network(lambda: artifact, Reference(rows[:5], np.arange(5) % 3, rows[5:]), graph.file), pixels


def noise(size):
    return np.random.default_rng(0).uniform(0, 255, (7, size, size, 3)).astype(np.float32)


def settle(network, pixels, seed):
    """Draw scales and shifts of BatchNorm, and take its statistics from these pictures, as a training leaves them.

    With statistics that nobody measured, random weights make no network to compare by. As they begin, values shrink to
    1e-12 on the way (EfficientNet-Lite0) and no shift counts. Drawn at random, they grow to 1e6: in EfficientNetV2-B0
    pixels that move by 1e-7 then move its features by 16 % in float64, and Keras's own float32 lies 67 % off.
    """
    import keras

    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
        for weight in layer.weights:
            if weight.name == "gamma":
                weight.assign(rng.uniform(0.3, 0.8, weight.shape))
            elif weight.name == "beta":
                weight.assign(rng.normal(0, 0.2, weight.shape))
    network(pixels, training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
    for layer in network.layers:
        # Scales of ConvNeXt, which begin so small that its blocks would count for nothing.
        if layer.name.endswith("_layer_scale"):
            layer.set_weights([rng.uniform(0.3, 0.8, layer.weights[0].shape)])


def refuse_other_answers(folder, *names, flip=False, only=None):
    network, pixels = made(folder, *names, flip=flip)
    expected = {name: np.asarray(some) for name, some in network.keras(pixels, training=False).items()}
    for name, form in FORMATS.items():
        if name in PAGE or only not in (None, name):
            continue
        for module in (*form.writes_with, *form.runs_with):
            pytest.importorskip(module)
        (folder / name).mkdir()
        try:
            form.write(network, folder / name)
        except RunError as error:
            assert "GB of memory" in str(error)
            continue
        run = form.load(folder / name)
        for found in (run(pixels), _one_by_one(run, pixels)):
            assert found.keys() == expected.keys(), name
            for output, some in expected.items():
                # Random weights carry rounding further than trained ones: 0.00105 in EfficientNetV2-L as LiteRT.
                assert found[output] == pytest.approx(some, abs=2e-3), (name, output)


def _one_by_one(run, pixels):
    alone = [run(pixels[at : at + 1]) for at in range(len(pixels))]
    return {name: np.concatenate([one[name] for one in alone]) for name in alone[0]}


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.slow
def test_write__every_backbone_in_every_format(name, tmp_path):
    """Each in a process of its own: what TensorFlow, the converters and the runtimes keep of one adds up to 20 GB."""
    code = f"from {__name__} import *; refuse_other_answers(Path({str(tmp_path)!r}), {name!r})"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.slow
def test_write__two_networks_of_a_picture_and_its_mirror_image(tmp_path):
    refuse_other_answers(tmp_path, "mobilenet_v3_small", "efficientnet_lite0", flip=True)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "mobilenet_v3_small"])
def test_write__a_member_of_families_in_openvino(name, tmp_path):
    """In the fast tier; `test_export.py` has a small network in every format."""
    refuse_other_answers(tmp_path, name, only="openvino")
