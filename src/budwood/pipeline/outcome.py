"""What a phase came to: values that are handed on, the tables that are written of them, and the model that is saved."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import keras

from budwood.config.recipe import Recipe
from budwood.core.scaling import LabelScaling, Scaling
from budwood.inference.artifact import Artifact, make_artifact, save_model
from budwood.inference.model_info import ModelInfo, ScalingInfo
from budwood.network.compose import PooledBackbone, compose, logits_of
from budwood.network.heads import head_layers, head_model
from budwood.network.unfreeze import head_table
from budwood.pipeline.phases import PhaseResult
from budwood.pipeline.session import Session, refuse_failures
from budwood.runs.figures import LinearPath, TrainedPart, TrainedPhase
from budwood.runs.files import RunFiles
from budwood.runs.schema import EpochRow
from budwood.runs.writing import write_history, write_layers, write_linear_path, write_recipe
from budwood.training.validation import validate

START = "start"
"""The phase that a run is initialised from, or whose head nobody trained."""


@dataclass(frozen=True)
class SavedPhase:
    """The model of a phase on disk."""

    file: Path
    info: ModelInfo
    """What `model.json` will say of it, but for the hash of the file."""


@dataclass(frozen=True)
class PhaseOutcome:
    """What a phase came to."""

    name: str
    recipe: Recipe
    """With what the phase resolved."""
    head: Sequence[keras.layers.Layer]
    """Layers on the joined features of all backbones; a later phase changes their weights."""
    history: tuple[EpochRow, ...] = ()
    """A row an epoch."""
    trained: TrainedPhase | None = None
    """What `metrics.json` will say of it, before it is measured; None where nobody trained the head."""
    linear_path: LinearPath | None = None
    """The L2 strengths tried by a linear probe."""
    saved: SavedPhase | None = None
    """The model as the phase left it; None where nobody trained the head."""

    @property
    def epochs(self) -> int:
        """Return the number of its last epoch: they are counted on through the phases."""
        return max((row["epoch"] for row in self.history), default=0)

    @property
    def val_loss(self) -> float:
        """Return the lowest validation loss, infinity where nothing was trained."""
        return min((row["val_loss"] for row in self.history), default=math.inf)


def untrained(session: Session, features: int) -> PhaseOutcome:
    """Return a head that nobody has trained, on so many features."""
    recipe = session.recipe
    layers = head_layers(recipe.head, len(session.classes), recipe.seed, session.task.activation)
    # Built, so that there are weights to be saved.
    head_model(layers, features)
    return PhaseOutcome(START, recipe, layers)


def from_run(session: Session, previous: RunFiles, head: Sequence[keras.layers.Layer]) -> PhaseOutcome:
    """Return what a run that is fine-tuned further had come to."""
    kept = previous.metrics.kept
    # What the run did after the epoch that it kept is not in its model.
    history = tuple(row for row in previous.history if row["epoch"] <= kept.best_epoch)
    own = {name: getattr(kept, name) for name in TrainedPart.model_fields}
    trained = TrainedPhase(**{**own, "name": START})
    return PhaseOutcome(START, session.recipe, head, history, trained)


def of_results(
    name: str,
    head: Sequence[keras.layers.Layer],
    results: Sequence[tuple[str | None, PhaseResult, Sequence[str]]],
    recipe: Recipe,
) -> PhaseOutcome:
    """Return what a phase came to: of each backbone that it trained by itself the name, the result, and the layers that
    were unfrozen; with one result for all, whose name is None, the recipe is that of the result."""
    rows: list[EpochRow] = []
    parts: list[TrainedPart] = []
    for backbone, result, layers in results:
        own = {"backbone": backbone} if backbone else {}
        rows += [cast(EpochRow, {"phase": name, **own, **row}) for row in result.history]
        parts.append(_described(backbone or name, result, layers))
    backbone, result, _ = results[-1]
    if backbone is None:
        trained, recipe = TrainedPhase.model_validate(parts[0].to_json()), result.recipe
    else:
        trained = _summed(name, parts)
    return PhaseOutcome(name, recipe, head, tuple(rows), trained, result.linear_path)


def record(folder: Path, outcomes: Sequence[PhaseOutcome]) -> None:
    """Write the tables of the phases so far."""
    latest = outcomes[-1]
    if latest.trained is None:
        return
    write_recipe(folder, latest.recipe)
    if latest.linear_path is not None:
        write_linear_path(folder, latest.linear_path)
    write_history(folder, [row for outcome in outcomes for row in outcome.history])


def save(session: Session, networks: Sequence[PooledBackbone], outcome: PhaseOutcome) -> PhaseOutcome:
    """Write the model as the phase left it, and return the outcome that knows of it.

    Its logits are calibrated on the validation photos; the layers that the next phase trains
    stay as they are.
    """
    recipe = outcome.recipe
    file = session.directory.folder / "checkpoints" / f"{outcome.name}.keras"
    model = compose(networks, outcome.head, flip=recipe.evaluate.flip)
    if not recipe.finetune.epochs:
        write_layers(session.directory.folder, head_table(model))
    saved = None
    if outcome.trained is not None:
        artifact = make_artifact(
            model, session.classes, recipe.data.resize, recipe.backbone.name, recipe.data.levels
        )
        scaling = _scaling(session, artifact)
        model = compose(networks, outcome.head, flip=recipe.evaluate.flip, scaling=scaling)
        own = (
            {"scaling": ScalingInfo(scale=scaling.scale, shift=scaling.shift)}
            if isinstance(scaling, LabelScaling)
            else {"temperature": scaling}
        )
        saved = SavedPhase(file, artifact.info.model_copy(update=own))
    save_model(model, file)
    if session.directory.info.base is None:
        session.directory.record(base=outcome.name)
    return replace(outcome, saved=saved)


def tidy(folder: Path) -> None:
    """Leave of the checkpoints what can be evaluated: nothing goes on from a complete training."""
    for file in [*folder.glob("*-last.npz"), *folder.glob(f"{START}-*.npz")]:
        file.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def _scaling(session: Session, artifact: Artifact) -> Scaling:
    """Return by what the logits of the model are to be calibrated to suit the validation photos."""
    photos = session.parts["validation"]
    with artifact.features(engine=session.recipe.backbone.engine, progress=session.progress) as features:
        refuse_failures(features.compute(photos))
        logits = logits_of(artifact.head)
        rows, targets = features.rows(photos), session.labels["validation"]
        found = validate(logits, rows, targets, calibrate=True, task=session.task)
    assert found.scaling is not None
    return found.scaling


def _described(name: str, result: PhaseResult, layers: Sequence[str]) -> TrainedPart:
    return TrainedPart(
        name=name,
        seconds=round(result.seconds, 3),
        epochs=len(result.history),
        best_epoch=result.best_epoch,
        trainable_parameters=result.trainable_parameters,
        unfrozen_layers=tuple(layers),
        stopped=result.stopped,
    )


def _summed(name: str, parts: Sequence[TrainedPart]) -> TrainedPhase:
    return TrainedPhase(
        name=name,
        seconds=sum(part.seconds for part in parts),
        epochs=sum(part.epochs for part in parts),
        # Each has a best epoch of its own; what comes after the last one's is in no model.
        best_epoch=parts[-1].best_epoch,
        trainable_parameters=sum(part.trainable_parameters for part in parts),
        unfrozen_layers=tuple(layer for part in parts for layer in part.unfrozen_layers),
        stopped="; ".join(f"{part.name}: {part.stopped}" for part in parts if part.stopped) or None,
        backbones=tuple(parts),
    )
