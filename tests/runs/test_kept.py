import json

import numpy as np
import pytest

from budwood.core.errors import RunError
from budwood.runs.figures import TrainedPart
from budwood.runs.files import read_run
from budwood.runs.kept import refuse_lost_epoch, whole_models
from budwood.runs.writing import write_history, write_metrics
from budwood.training.kept_epochs import STATE
from tests.studies.made import write_run


def with_phases(folder, phases):
    """The run with other phases in its metrics."""
    metrics = read_run(folder).metrics
    write_metrics(folder, metrics.model_copy(update={"phases": phases, "chosen_phase": phases[-1].name}))
    return read_run(folder)


@pytest.fixture
def run(tmp_path):
    """Two phases of five epochs in all, of which the second kept its fourth beside the best ones."""
    folder = tmp_path / "run"
    write_run(folder, "seed 0", np.arange(8) < 6)
    write_history(folder, [{"phase": "finetune", "epoch": number} for number in range(1, 6)])
    (folder / "checkpoints").mkdir()
    for name, epoch in (("finetune-4", 4), ("finetune-last", 5)):
        state = np.frombuffer(json.dumps({"epoch": epoch}).encode(), np.uint8)
        np.savez(folder / "checkpoints" / f"{name}.npz", **{STATE: state})
    (folder / "checkpoints" / "finetune-2.npz").write_bytes(b"cut")
    (frozen,) = read_run(folder).metrics.phases
    return with_phases(folder, (frozen, frozen.model_copy(update={"name": "finetune", "best_epoch": 3})))


def test_whole_models__not_of_backbones_tuned_one_after_the_other(run):
    assert whole_models(run) == {1: "frozen", 3: "finetune"}
    own = {name: getattr(run.metrics.phases[-1], name) for name in TrainedPart.model_fields}
    several = (TrainedPart(**own | {"name": "a"}), TrainedPart(**own | {"name": "b"}))
    frozen, finetune = run.metrics.phases
    tuned_apart = with_phases(run.folder, (frozen, finetune.model_copy(update={"backbones": several})))
    assert whole_models(tuned_apart) == {1: "frozen"}


@pytest.mark.parametrize("epoch", [1, 3, 4])
def test_refuse_lost_epoch__kept(run, epoch):
    refuse_lost_epoch(run, epoch)


def test_refuse_lost_epoch__of_several_labels_needs_their_calibration_and_thresholds(run):
    run.info = run.info.model_copy(update={"task": "multi-label"})
    refuse_lost_epoch(run, 3)
    with pytest.raises(RunError, match="epoch 4 of .* calibration and the thresholds .* models of 1, 3$"):
        refuse_lost_epoch(run, 4)
    labels = {"scale": [1.0], "shift": [0.0], "thresholds": None}
    _write_state(run.folder, 4, labels)
    with pytest.raises(RunError, match="after epoch 4 of .* the precision that evaluate.thresholds asks for"):
        refuse_lost_epoch(run, 4)
    _write_state(run.folder, 4, {**labels, "thresholds": [0.4]})
    refuse_lost_epoch(run, 4)


def _write_state(folder, epoch, labels):
    state = np.frombuffer(json.dumps({"epoch": epoch, "labels": labels}).encode(), np.uint8)
    np.savez(folder / "checkpoints" / f"finetune-{epoch}.npz", **{STATE: state})


@pytest.mark.parametrize(
    ("epoch", "words"),
    [
        (2, "Train with --set log.checkpoints=all"),  # its file is damaged
        (5, "Train with --set log.checkpoints=all"),  # the last state is no epoch that was asked for
        (6, "The training ended with epoch 5"),
    ],
)
def test_refuse_lost_epoch__says_which_there_are(run, epoch, words):
    with pytest.raises(RunError, match=f"epoch {epoch} were not kept: .* has those of 1, 3, 4. {words}"):
        refuse_lost_epoch(run, epoch)
