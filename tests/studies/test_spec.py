import pickle

import numpy as np
import pytest

from budwood.config.recipe import Recipe
from budwood.runs.files import read_run
from budwood.runs.writing import write_metrics
from budwood.studies.records import TrialRecord
from budwood.studies.spec import TrialResult, TrialSpec, read_result
from tests.studies.made import write_run


@pytest.fixture
def spec(tmp_path):
    (tmp_path / "trials").mkdir()
    found = TrialSpec(tmp_path, "photos", "quick-split-0", "training", Recipe())
    found.folder.write(TrialRecord(configuration="quick", replicate="split 0", recipe=Recipe()))
    return found


def test_spec__goes_to_another_process(spec):
    assert pickle.loads(pickle.dumps(spec)) == spec


def test_read_result__complete(spec):
    write_run(spec.folder.run, "split 0", np.arange(8) < 6, loss=0.5)
    spec.folder.update(state="complete", seconds=2.0)
    found = read_result(spec.folder)
    assert (found.name, found.seconds, found.error) == ("quick-split-0", 2.0, None)
    assert (found.validation.photos, found.validation.value, found.validation.loss) == (8, 0.75, 0.5)


def test_read_result__nothing_that_can_be_chosen_by(spec):
    write_run(spec.folder.run, "split 0", np.arange(8) < 6)
    spec.folder.update(state="complete")
    run = spec.folder.run
    write_metrics(run, read_run(run).metrics.model_copy(update={"validation": None}))
    found = read_result(spec.folder)
    assert found.validation is None and "no validation photos" in found.error


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, TrialResult("quick-split-0", error="it has not come to its end")),
        (
            {"state": "failed", "error": "no photos", "seconds": 1.0},
            TrialResult("quick-split-0", 1.0, error="no photos"),
        ),
        ({"state": "failed"}, TrialResult("quick-split-0", error="it failed")),
    ],
)
def test_read_result__without_figures(spec, changes, expected):
    spec.folder.update(**changes)
    assert read_result(spec.folder) == expected


def test_read_result__its_files_are_gone(spec):
    spec.folder.update(state="complete", seconds=3.0)
    found = read_result(spec.folder)
    assert found.seconds == 3.0 and "is not a run" in found.error and found.validation is None
    spec.folder.file.unlink()
    assert read_result(spec.folder).error == "it has not come to its end"
