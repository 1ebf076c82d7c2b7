"""The second output: how far a picture lies from known photos, in the graph."""

import numpy as np
import pytest

from budwood.evaluation.ood import Reference
from budwood.exporting.network import Network, knows_others, network_of
from budwood.features.engines.graphs import compile_graph
from budwood.inference.artifact import load_artifact, read_reference
from budwood.inference.predictor import vectors
from budwood.network.graph import cut

pytestmark = pytest.mark.usefixtures("tiny_backbones")
PIXELS = np.random.default_rng(3).integers(0, 256, (5, 64, 64, 3)).astype(np.float32)


def _features(artifact):
    return vectors(np.asarray(cut(artifact.model, artifact.info.boundary)[0](PIXELS, training=False)))


def test_network_of__gives_the_distance_of_the_reference(tiny_run):
    artifact = load_artifact(tiny_run / "model")
    reference = read_reference(tiny_run / "model", artifact.info)
    found = network_of(artifact, reference)(PIXELS, training=False)
    expected = reference.distance(_features(artifact))
    assert np.asarray(found["distance"]) == pytest.approx(expected[:, None], rel=1e-4, abs=1e-6)
    assert np.asarray(found["probabilities"]) == pytest.approx(np.asarray(artifact.model(PIXELS)), abs=1e-6)


def test_network_of__of_one_known_photo_the_distance_is_from_it(tiny_run):
    artifact = load_artifact(tiny_run / "model")
    features = _features(artifact)
    reference = Reference(features[:1], np.zeros(1, int), features)
    found = np.asarray(network_of(artifact, reference)(PIXELS, training=False)["distance"])
    assert found[:, 0] == pytest.approx(reference.distance(features), abs=1e-6) and abs(found[0, 0]) < 1e-6


def test_network_of__without_a_reference_has_one_output(tiny_run):
    assert set(network_of(load_artifact(tiny_run / "model"), None).output) == {"probabilities"}


@pytest.mark.parametrize("kept", [True, False])
def test_openvino__gives_what_keras_gives(kept, tiny_run, tmp_path):
    artifact = load_artifact(tiny_run / "model")
    reference = read_reference(tiny_run / "model", artifact.info)
    network = Network(lambda: artifact, reference, tiny_run / "model/openvino/model.xml" if kept else None)
    compiled = compile_graph(network.openvino(tmp_path))
    expected = network.keras(PIXELS, training=False)
    assert kept is not any(tmp_path.iterdir())
    for pixels, wanted in ((PIXELS, slice(None)), (PIXELS[:1], slice(1))):
        found = compiled(pixels)
        for name in ("probabilities", "distance"):
            assert found[name] == pytest.approx(np.asarray(expected[name])[wanted], abs=1e-5)


def test_knows_others__of_two_held_out_photos():
    rows = np.eye(3, dtype=np.float32)
    assert not knows_others(None)
    assert not knows_others(Reference(rows, np.arange(3), rows[:1]))
    assert knows_others(Reference(rows, np.arange(3), rows + 0.1))
