"""What a training came to: every phase read back from disk and measured, the better one kept, both compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from jaxtyping import Float, Int

from budwood import files
from budwood.data.images import view
from budwood.data.manifest import Photo
from budwood.errors import RunError
from budwood.evaluation.metrics import compute_metrics
from budwood.evaluation.verdict import compare_phases
from budwood.features.side_by_side import SideBySide
from budwood.model import Artifact, read_model
from budwood.progress import SILENT, Progress
from budwood.recipe import Recipe

MEASURED = ("validation", "test")


@dataclass(frozen=True)
class Measured:
    """One phase's model, read back from disk, and what it says of the photos that it did not learn from."""

    artifact: Artifact
    probabilities: dict[str, Float[np.ndarray, "n classes"]]
    """By split: a row a photo."""

    def correct(self, split: str, labels: Int[np.ndarray, "n"]) -> np.ndarray:
        return self.probabilities[split].argmax(axis=1) == labels

    def loss(self, split: str, labels: Int[np.ndarray, "n"]) -> float:
        """Mean negative log-likelihood, as `compute_metrics` has it."""
        from sklearn.metrics import log_loss

        shares = self.probabilities[split].astype(np.float64)
        shares /= shares.sum(axis=1, keepdims=True)
        return float(log_loss(labels, shares, labels=np.arange(shares.shape[1])))


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
        return Measured(
            artifact,
            {
                split: artifact.probabilities(features.rows(parts[split]))
                for split in MEASURED
                if parts[split]
            },
        )


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


def better(measured: Mapping[str, Measured], labels: Mapping[str, Int[np.ndarray, "n"]]) -> str:
    """The phase with the lower loss on the validation photos; the earlier one where they are equal."""
    return min(measured, key=lambda name: measured[name].loss("validation", labels["validation"]))


def write_metrics(
    folder: Path,
    classes: Sequence[str],
    labels: Mapping[str, Int[np.ndarray, "n"]],
    measured: Mapping[str, Measured],
    phases: Sequence[dict[str, Any]],
    chosen: str,
    recipe: Recipe,
    failure: str | None = None,
) -> None:
    """`metrics.json`: validation and test of the model that was kept, what each phase gave, and the verdict.

    `failure` says why a phase that was tried left no model.
    """
    kept = measured[chosen]
    parts = {
        split: compute_metrics(
            labels[split], shares, classes, resamples=recipe.evaluate.resamples, seed=recipe.seed
        )
        for split, shares in kept.probabilities.items()
    }
    described = []
    for phase in phases:
        found = measured[phase["name"]]
        accuracy = {
            f"{split}_accuracy": float(found.correct(split, labels[split]).mean())
            if split in found.probabilities
            else None
            for split in MEASURED
        }
        loss = {"validation_loss": found.loss("validation", labels["validation"])}
        described.append({**phase, **accuracy, **loss})
    files.write_json(
        folder / "metrics.json",
        {
            "validation": parts.get("validation"),
            "test": parts.get("test"),
            "phases": described,
            "chosen_phase": chosen,
            "verdict": _verdict(measured, labels, failure),
        },
    )


def _verdict(
    measured: Mapping[str, Measured], labels: Mapping[str, Int[np.ndarray, "n"]], failure: str | None
) -> dict[str, Any]:
    if len(measured) < 2:
        none: dict[str, Any] = dict.fromkeys(["difference", "interval", "p", "method", "n"])
        reason = f"Fine-tuning came to nothing: {failure}" if failure else "Only one phase was trained"
        return none | {"words": f"{reason}, so there is nothing to compare."}
    before, after = measured.values()
    split = "test" if "test" in before.probabilities else "validation"
    return compare_phases(
        before.correct(split, labels[split]), after.correct(split, labels[split]), split=split
    )
