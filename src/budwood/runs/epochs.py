"""The model of a run as one epoch of its training left it, from the weights that were kept."""

from dataclasses import replace
from pathlib import Path

from budwood.backbones.registry import get_backbone
from budwood.config.recipe import Head
from budwood.core.scaling import LabelScaling
from budwood.core.tensorflow import usual_keras
from budwood.inference.artifact import Artifact, load_artifact, make_artifact, read_info, read_model
from budwood.network.compose import compose, take_apart
from budwood.network.heads import head_layers, scale_logits
from budwood.runs.files import RunFiles
from budwood.runs.kept import refuse_lost_epoch, whole_models
from budwood.training.checkpoints import EpochState, apply_weights
from budwood.training.kept_epochs import kept_epochs


@usual_keras()
def artifact_of_epoch(run: RunFiles, epoch: int) -> Artifact:
    """Return the model of a complete run as an epoch of its history.csv left it.

    Raises:
        RunError: the weights of that epoch were not kept.
    """
    refuse_lost_epoch(run, epoch)
    folder, chosen, whole = run.folder, run.metrics.chosen_phase, whole_models(run)
    if epoch in whole:
        return _of_phase(folder, whole[epoch], chosen)
    # What an epoch left is the part that trains; what lies below it is in the model that the phases began with.
    artifact, file = (
        _of_phase(folder, run.info.base or chosen, chosen),
        kept_epochs(folder / "checkpoints")[epoch],
    )
    backbone = next((row.get("backbone") for row in run.history if row["epoch"] == epoch), None)
    if backbone is not None:
        return _of_one_backbone(artifact, run, str(backbone), file)
    return _calibrated(artifact, apply_weights(artifact.model, file))


def _of_one_backbone(artifact: Artifact, run: RunFiles, backbone: str, file: Path) -> Artifact:
    """Return one of several backbones with the head of its own with which it was fine-tuned, as an epoch left
    both."""
    classes, recipe = artifact.classes, run.recipe
    networks, _ = take_apart(artifact.model, [get_backbone(name) for name in recipe.backbone.names])
    network = next(network for network in networks if network.name == backbone)
    head = head_layers(Head(logits=recipe.head.logits), len(classes), activation=run.task.activation)
    model = compose([network], head)
    found = apply_weights(model, file)
    model = compose([network], head, flip=recipe.evaluate.flip)
    return _calibrated(make_artifact(model, classes, recipe.data.resize, backbone, recipe.data.levels), found)


def _calibrated(artifact: Artifact, found: EpochState) -> Artifact:
    """Return a model whose logits are calibrated as an epoch's were, with the thresholds of its labels."""
    labels = found["labels"]
    if labels is None:
        scale_logits(artifact.model, found["row"]["temperature"])
        return artifact
    scale_logits(artifact.model, LabelScaling(tuple(labels["scale"]), tuple(labels["shift"])))
    thresholds = labels["thresholds"]
    assert thresholds is not None, "refuse_lost_epoch refuses it"
    return replace(artifact, info=artifact.info.model_copy(update={"thresholds": tuple(thresholds)}))


def _of_phase(folder: Path, phase: str, chosen: str) -> Artifact:
    """Return the model that a phase ended with; that of the phase that was kept is the run's own."""
    if phase == chosen:
        return load_artifact(folder / "model")
    return read_model(folder / "checkpoints" / f"{phase}.keras", read_info(folder / "model"))
