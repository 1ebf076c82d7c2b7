"""Which epochs of a run can be had again. It needs no Keras."""

from budwood.core.errors import RunError
from budwood.runs.files import RunFiles
from budwood.training.kept_epochs import kept_epochs


def whole_models(run: RunFiles) -> dict[int, str]:
    """Return the phases whose whole model was saved, by the epoch that it is of."""
    # Where backbones were fine-tuned one after the other, an epoch is of one of them alone.
    return {phase.best_epoch: phase.name for phase in run.metrics.phases if not phase.backbones}


def refuse_lost_epoch(run: RunFiles, epoch: int) -> None:
    """Raise RunError where the weights of an epoch of a complete run were not kept; it says which were.

    Of several labels a photo, an epoch is kept without what calibrates them and without their thresholds: only the
    models of phases can be had.
    """
    whole = whole_models(run)
    known = {*whole, *kept_epochs(run.folder / "checkpoints")}
    if epoch in known and run.multi_label and epoch not in whole:
        raise RunError(
            f"epoch {epoch} of {run.folder} was kept without the calibration and the thresholds of its labels, so it "
            f"would say something else than the run. There are whole models of {', '.join(map(str, sorted(whole)))}"
        )
    if epoch in known:
        return
    ours = [row["epoch"] for row in run.history]
    fix = "Train with --set log.checkpoints=all to keep every epoch"
    raise RunError(
        f"the weights of epoch {epoch} were not kept: {run.folder} has those of {', '.join(map(str, sorted(known)))}. "
        + (fix if epoch in ours else f"The training ended with epoch {max(ours)}")
    )
