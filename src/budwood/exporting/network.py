"""The network that is exported: the saved model, and beside its probabilities how far a picture lies from known photos.

What tells pictures that show none of the classes is a distance from photos that were learned from
(`budwood.evaluation.ood`): one minus the second largest of some cosine similarities. That is a dense layer without a
bias on features of length 1, so it fits into the graph of every format.
"""

import math
from typing import TYPE_CHECKING

from budwood.evaluation.ood import ACCEPTANCE, Reference
from budwood.exporting.formats.format import DISTANCE, PROBABILITIES
from budwood.inference.artifact import Artifact

if TYPE_CHECKING:
    import keras

SIMILARITIES = "similarities"
"""The layer of the similarities to the known photos."""


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
