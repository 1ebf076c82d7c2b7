"""Which epochs of a run can be had again. It needs no Keras."""

from collections.abc import Collection
from pathlib import Path

from budwood.core.errors import RunError
from budwood.runs.files import RunFiles
from budwood.training.kept_epochs import kept_epochs, kept_labels


def whole_models(run: RunFiles) -> dict[int, str]:
    """Return the phases whose whole model was saved, by the epoch that it is of."""
    # Where backbones were fine-tuned one after the other, an epoch is of one of them alone.
    return {phase.best_epoch: phase.name for phase in run.metrics.phases if not phase.backbones}


def refuse_lost_epoch(run: RunFiles, epoch: int) -> None:
    """Raise RunError where the weights of an epoch of a complete run were not kept; it says which were.

    Of several labels a photo, an older version kept an epoch without what calibrates them and without their thresholds:
    only the models of phases can then be had.
    """
    whole = whole_models(run)
    files = kept_epochs(run.folder / "checkpoints")
    known = {*whole, *files}
    if epoch in known and run.multi_label and epoch not in whole:
        _refuse_without_labels(run, epoch, files[epoch], whole)
    if epoch in known:
        return
    ours = [row["epoch"] for row in run.history]
    fix = "Train with --set log.checkpoints=all to keep every epoch"
    raise RunError(
        f"the weights of epoch {epoch} were not kept: {run.folder} has those of {', '.join(map(str, sorted(known)))}. "
        + (fix if epoch in ours else f"The training ended with epoch {max(ours)}")
    )


def _refuse_without_labels(run: RunFiles, epoch: int, file: Path, whole: Collection[int]) -> None:
    labels = kept_labels(file)
    if labels is None:
        raise RunError(
            f"epoch {epoch} of {run.folder} was kept without the calibration and the thresholds of its labels, so it "
            f"would say something else than the run. There are whole models of {', '.join(map(str, sorted(whole)))}"
        )
    if labels["thresholds"] is None:
        raise RunError(
            f"after epoch {epoch} of {run.folder} a label reaches the precision that evaluate.thresholds asks for at "
            "no threshold, so it cannot be measured as the run is. Give another epoch"
        )
