"""The artifact: `model.keras`, one flat Keras model, and `model.json`, which says what goes in and what comes out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from budwood.core.errors import RunError
from budwood.core.faults import fault
from budwood.core.files import read_json, sha256_of, whole_file, write_json
from budwood.core.progress.base import SILENT, Progress
from budwood.core.system import versions
from budwood.core.tensorflow import load_keras, usual_keras
from budwood.data.decoder.levels import ValueRange, as_range
from budwood.evaluation.ood import Reference
from budwood.features.ensemble import ExtractorEnsemble
from budwood.features.extractor import FeatureExtractor
from budwood.features.store.store import Rows
from budwood.inference.model_info import ModelInfo, ModelInput

if TYPE_CHECKING:
    import keras

REFERENCE = "reference.npz"
"""Beside the model: the features of some photos, by which it is known what is none of the classes."""


@dataclass(frozen=True)
class Artifact:
    """A model as it was read back from disk, cut where its feature extractor ends."""

    model: "keras.Model"
    """Raw 0-255 pixels `(None, S, S, 3)` in, probabilities `(None, K)` out."""
    head: "keras.Model"
    """Features in, probabilities out."""
    info: ModelInfo

    @property
    def classes(self) -> list[str]:
        return list(self.info.classes)

    @property
    def size(self) -> int:
        return self.info.input.size

    @property
    def resize(self) -> str:
        return self.info.input.resize

    @property
    def levels(self) -> ValueRange | None:
        return as_range(self.info.input.levels)

    @property
    def thresholds(self) -> tuple[float, ...] | None:
        return self.info.thresholds

    def features(self, *, engine: str = "auto", progress: Progress = SILENT) -> ExtractorEnsemble:
        """Return the model's own feature extractor, at full precision; that of each backbone by itself."""
        from budwood.network.graph import branches, cut

        frozen, _ = cut(self.model, self.info.boundary)
        return ExtractorEnsemble(
            [
                FeatureExtractor(
                    part,
                    size=self.size,
                    resize=self.resize,
                    levels=self.levels,
                    engine=engine,
                    progress=progress,
                )
                for part in branches(frozen)
            ]
        )

    def probabilities(self, rows: Rows | np.ndarray, batch: int = 4096) -> Float[np.ndarray, "n classes"]:
        """Return class probabilities, float32, from features of the model's own feature extractor."""
        import keras

        parts = [np.zeros((0, len(self.classes)), np.float32)]
        for start in range(0, len(rows), batch):
            chosen = np.arange(start, min(start + batch, len(rows)))
            parts.append(keras.ops.convert_to_numpy(self.head(rows[chosen], training=False)))
        return np.concatenate(parts)


def make_artifact(
    model: "keras.Model",
    classes: Sequence[str],
    resize: str,
    backbone: str | list[str],
    levels: tuple[float, float] | None = None,
) -> Artifact:
    """Return a flat model from pixels to probabilities with what `model.json` says of it, but for the hash of
    its file."""
    from budwood.network.graph import BOUNDARY, cut

    size = model.input.shape[1]
    info = ModelInfo(
        classes=tuple(classes),
        input=ModelInput(size=size, resize=resize, levels=levels),
        backbone=backbone if isinstance(backbone, str) else tuple(backbone),
        boundary=BOUNDARY,
        temperature=1.0,
        versions=versions(),
        fingerprints={},
    )
    artifact = Artifact(model, cut(model, BOUNDARY)[1], info)
    own = {"frozen": artifact.features().fingerprint}
    return replace(artifact, info=info.model_copy(update={"fingerprints": own}))


def save_model(model: "keras.Model", file: Path) -> None:
    """Write a `.keras` file whole or not at all."""
    with whole_file(file) as aside:
        model.save(aside)


@usual_keras()
def read_model(file: Path, info: ModelInfo) -> Artifact:
    """Read a `.keras` file back in Keras's safe mode."""
    load_keras()
    import keras

    from budwood.network.graph import cut

    model = keras.models.load_model(file, compile=False, safe_mode=True)
    return Artifact(model, cut(model, info.boundary)[1], info)


def save_artifact(folder: Path, file: Path, info: ModelInfo, reference: Reference | None = None) -> None:
    """Make a `.keras` file the artifact: it becomes `model.keras` in the folder, beside `model.json`.

    What tells what is none of the classes lies beside them, where there is such a thing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file.replace(folder / "model.keras")
    fingerprints = {**info.fingerprints, "model": sha256_of(folder / "model.keras")}
    if reference is not None:
        reference.save(folder / REFERENCE)
        fingerprints["reference"] = sha256_of(folder / REFERENCE)
    saved = info.model_copy(update={"fingerprints": fingerprints})
    write_json(folder / "model.json", saved.to_json())


def load_artifact(folder: Path) -> Artifact:
    """Read the model back in Keras's safe mode. Raise RunError when a file is missing or damaged."""
    return read_model(folder / "model.keras", read_info(folder))


def read_info(folder: Path) -> ModelInfo:
    """Read `model.json` of a model's folder and check `model.keras` against it.

    Raises:
        RunError: a file is missing or damaged, or `model.keras` was changed since it was saved.
    """
    try:
        info = ModelInfo.model_validate(read_json(folder / "model.json"))
        saved = info.sha256
        found = sha256_of(folder / "model.keras")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"cannot read the model in {folder}: {fault(error)}. Train again, or copy the run again"
        ) from error
    if found != saved:
        raise RunError(
            f"{folder / 'model.keras'} is not the file that was saved: it is damaged or changed. Copy the run again"
        )
    return info


def read_reference(folder: Path, info: ModelInfo) -> Reference | None:
    """Read what tells what is none of the classes; None for a model that was saved without.

    Raises:
        RunError: the file is damaged or changed, or the model was saved with one that is gone.
    """
    file, saved = folder / REFERENCE, info.reference_sha256
    if not file.exists():
        if saved is None:
            return None
        # Every picture would be given a class, and nothing would look odd.
        raise RunError(
            f"{file} is gone, by which it is known what is none of the classes. Copy the run again, or train again"
        )
    if saved is not None and sha256_of(file) != saved:
        raise RunError(
            f"{file} is not the file that was saved: it is damaged or changed. Copy the run again, or train again"
        )
    return Reference.load(file)
