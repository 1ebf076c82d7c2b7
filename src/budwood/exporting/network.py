"""What is exported: the saved model, and beside its probabilities how far a picture lies from known photos.

What tells pictures that show none of the classes is a distance from photos that were learned from
(`budwood.evaluation.ood`): one minus the second largest of some cosine similarities. That is a dense layer without a
bias on features of length 1, so it fits into the graph of every format.
"""

import math
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from budwood.core.tensorflow import usual_keras
from budwood.evaluation.ood import ACCEPTANCE, Reference
from budwood.features.engines.graphs import of_any_batch, openvino_core, with_distance
from budwood.inference import converted
from budwood.inference.artifact import Artifact

if TYPE_CHECKING:
    import keras

PIXELS, PROBABILITIES, DISTANCE = "pixels", "probabilities", "distance"
"""What the input and the outputs are called in every format."""
ABOVE_FEATURES = "above_features/"
"""How the names of operations above the features begin in a graph of OpenVINO: the head, and the distance."""
SIMILARITIES = "similarities"
"""The layer of the similarities to the known photos."""


class Network:
    """The model of a run as formats take it: as Keras has it, or as the graph of OpenVINO that the run answers by.

    Args:
        read: reads the saved model. It is called where a format begins with Keras, which takes TensorFlow, or where
            there is no graph.
        reference: by which it is known how far a picture lies from known photos; None where that is no output.
        graph: the file of the run's own graph; None where it has none.
    """

    def __init__(
        self, read: Callable[[], Artifact], reference: Reference | None = None, graph: Path | None = None
    ):
        self._read, self._reference, self._graph = read, reference, graph

    @cached_property
    def keras(self) -> "keras.Model":
        """A model from pixels to a mapping: "probabilities" `(None, classes)`, and where there is a reference
        "distance" `(None, 1)`."""
        with usual_keras():
            return network_of(self._artifact, self._reference)

    def openvino(self, scratch: Path) -> Any:
        """Return the same as a graph of OpenVINO.

        Args:
            scratch: a folder where the graph is made if there is none; it has to stay as long as what is returned.

        Raises:
            ConversionError: there is none, and OpenVINO knows no such model.
        """
        file = self._graph
        if file is None:
            file = converted.keep(self._artifact, scratch, self._artifact.info.sha256, ()).file
        graph = openvino_core().read_model(file)
        if self._reference is not None:
            graph = with_distance(graph, self._reference.directions, self._reference.nth)
        return of_any_batch(graph, (PROBABILITIES, DISTANCE), ABOVE_FEATURES)

    @cached_property
    def _artifact(self) -> Artifact:
        return self._read()


def knows_others(reference: Reference | None) -> bool:
    """Return whether a reference tells pictures that show none of the classes: it takes two held-out photos."""
    return reference is not None and math.isfinite(reference.threshold(ACCEPTANCE))


def network_of(artifact: Artifact, reference: Reference | None) -> "keras.Model":
    """Return a model from pixels to a mapping: "probabilities" `(None, classes)`, and where there is a reference
    "distance" `(None, 1)`. It shares its layers with the artifact's model."""
    import keras

    from budwood.network.graph import cut

    outputs = {PROBABILITIES: artifact.model.output}
    if reference is not None:
        frozen, _ = cut(artifact.model, artifact.info.boundary)
        outputs[DISTANCE] = _distance(frozen.output, reference)
    return keras.Model(artifact.model.input, outputs, name=artifact.model.name)


def _distance(features: "keras.KerasTensor", reference: Reference) -> "keras.KerasTensor":
    import keras

    if len(features.shape) == 3:
        # Of a picture and its mirror image the mean, as predictors have it.
        features = keras.layers.GlobalAveragePooling1D(name="mean_features")(features)
    directions = keras.layers.UnitNormalization(dtype="float32", name="directions")(features)
    dense = keras.layers.Dense(
        len(reference.learned), use_bias=False, trainable=False, dtype="float32", name=SIMILARITIES
    )
    similarities = dense(directions)
    dense.set_weights([reference.directions.T])
    nearest, _ = keras.ops.top_k(similarities, reference.nth)
    return 1.0 - keras.ops.min(nearest, axis=-1, keepdims=True)
