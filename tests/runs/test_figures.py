import numpy as np
import pytest

from budwood.core.files import read_json
from budwood.runs.figures import Calibration, Metrics, Phase, TrainedPart, TrainedPhase
from tests.studies.made import write_run

PART = {
    **{"name": "m", "seconds": 1.0, "epochs": 2, "best_epoch": 1},
    **{"trainable_parameters": 3, "unfrozen_layers": ()},
}


@pytest.fixture(scope="module")
def metrics(tmp_path_factory) -> Metrics:
    folder = tmp_path_factory.mktemp("runs") / "run"
    write_run(folder, "seed 0", np.arange(8) < 6, loss=0.5)
    return Metrics.model_validate(read_json(folder / "metrics.json"))


def test_metrics__reported_and_kept(metrics):
    assert metrics.reported == "test" and metrics.of("test") is metrics.test is not metrics.validation
    assert metrics.of("validation") is metrics.validation
    untested = metrics.model_copy(update={"test": None})
    assert untested.reported == "validation" and untested.of("test") is None
    (frozen,) = metrics.phases
    both = (frozen, frozen.model_copy(update={"name": "finetune"}))
    for name in ("frozen", "finetune"):
        assert metrics.model_copy(update={"phases": both, "chosen_phase": name}).kept.name == name


def test_split_metrics__a_figure_and_its_interval(metrics):
    value, (low, high) = metrics.test.figure("balanced_accuracy")
    assert value == metrics.test.balanced_accuracy and (low, high) == metrics.test.balanced_accuracy_ci95
    assert metrics.test.figure("top5_accuracy") == (None, None)  # two classes


def test_phase__accuracy_of_a_split():
    phase = Phase(**PART, validation_accuracy=0.75, test_accuracy=None, validation_loss=0.5)
    assert (phase.accuracy("validation"), phase.accuracy("test")) == (0.75, None)


def test_trained_phase__says_backbones_only_where_there_are_several():
    assert "backbones" not in TrainedPhase(**PART).to_json()
    part = TrainedPart(**PART)
    assert TrainedPhase(**PART, backbones=(part,)).to_json()["backbones"] == [part.to_json()]


def test_calibration__of_a_split(metrics):
    side = metrics.calibration.of("validation")
    assert side is not None
    assert Calibration(temperature=1.5, validation=side).of("test") is None
    assert Calibration(temperature=1.5).to_json() == {"temperature": 1.5}
