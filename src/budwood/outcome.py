"""What a training came to: every phase read back from disk and measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from budwood.data.images import view
from budwood.data.manifest import Photo
from budwood.errors import RunError
from budwood.evaluation.judged import MEASURED, Judged
from budwood.features.side_by_side import SideBySide
from budwood.model import Artifact, read_model
from budwood.progress import SILENT, Progress


@dataclass(frozen=True)
class Measured(Judged):
    """One phase's model, read back from disk, beside what it says of the photos that it did not learn from."""

    artifact: Artifact


def measure(
    saved: Mapping[str, tuple[Path, dict[str, Any]]],
    parts: Mapping[str, Sequence[Photo]],
    *,
    engine: str = "auto",
    progress: Progress = SILENT,
) -> dict[str, Measured]:
    """Reads every phase's model back and runs it on validation and test.

    Args:
        saved: by phase, the `.keras` file and what `model_info` said of the model that went into it.
        parts: photos by split; a split without photos is left out.
        engine: "auto", "openvino" or "keras".
        progress: told of the photos that had to be computed.

    Raises:
        RunError: what was read back is not what was saved, or Keras and the engine disagree.
    """
    return {
        phase: _measure(read_model(file, info), parts, engine, progress)
        for phase, (file, info) in saved.items()
    }


def _measure(
    artifact: Artifact, parts: Mapping[str, Sequence[Photo]], engine: str, progress: Progress
) -> Measured:
    shown = [photo for split in MEASURED for photo in parts[split]]
    with artifact.features(engine=engine, progress=progress) as features:
        if features.fingerprint != artifact.info["fingerprints"]["frozen"]:
            raise RunError(
                "the model read back from disk is not the one that was saved. Please report this as a bug"
            )
        # Of validation alone, the features were computed when the temperature was fitted.
        if features.compute(shown).num_computed or not parts["test"]:
            _refuse_disagreement(artifact, features, shown)
        probabilities = {
            split: artifact.probabilities(features.rows(parts[split])) for split in MEASURED if parts[split]
        }
        return Measured(probabilities, artifact)


def _refuse_disagreement(artifact: Artifact, features: SideBySide, photos: Sequence[Photo]) -> None:
    """The whole model on pixels must give what its head gives on the features that the engine computed."""
    sample = photos[:: max(1, len(photos) // 4)][:4]
    pixels = np.stack([view(photo.image, artifact.size, artifact.resize) for photo in sample])
    whole = keras.ops.convert_to_numpy(artifact.model(pixels.astype(np.float32), training=False))
    difference = float(np.abs(whole - artifact.probabilities(features.array(sample))).max())
    if difference > 1e-2:
        raise RunError(
            f"the saved model and the {features.part.engine} engine disagree by {difference:.2g} in a probability. "
            "Train with --set backbone.engine=keras, and please report this as a bug"
        )
