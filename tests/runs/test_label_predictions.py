"""predictions.csv of several labels a photo."""

import numpy as np
import pytest

from budwood.core.errors import RunError
from budwood.runs.files import RunFiles
from tests.report.label_run import LABELS, build_label_run


def test_label_predictions__come_back(tmp_path):
    build_label_run(tmp_path / "run", pictures=False)
    found = RunFiles(tmp_path / "run").label_predictions
    assert found.labels == tuple(LABELS) and set(found.splits) == {"validation", "test"}
    assert found.targets.shape == found.probabilities.shape == (60, 4)
    assert np.isnan(found.targets[:, 2]).sum() == 0
    test = found.of("test")
    metrics = RunFiles(tmp_path / "run").metrics.figures_of("test")
    assert len(test.names) == metrics.n
    assert (test.task.correct(test.probabilities, test.targets)).mean() == pytest.approx(metrics.exact_match)


def test_label_predictions__a_damaged_row_is_told(tmp_path):
    build_label_run(tmp_path / "run", pictures=False)
    file = tmp_path / "run" / "predictions.csv"
    file.write_text(file.read_text().rstrip("\n").rpartition(",")[0] + "\n")
    with pytest.raises(RunError, match="cannot read .*predictions.csv"):
        _ = RunFiles(tmp_path / "run").label_predictions
