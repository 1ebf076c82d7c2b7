import numpy as np

from budwood.evaluation.multi_label_figures import MultiLabelFigures
from budwood.evaluation.multi_label_metrics import compute_multi_label_metrics


def test_multi_label_figures__are_read_from_json_as_they_were_written():
    targets = np.array([[1, 0], [0, 0], [1, np.nan]], np.float32)
    found = compute_multi_label_metrics(
        targets,
        np.array([[0.9, 0.2], [0.4, 0.1], [0.3, 0.8]]),
        ["a", "b"],
        np.array([0.5, 0.5]),
        resamples=50,
    )
    kept = found.to_json()
    assert kept["left_out"] == ["b"] and "groups" not in kept
    assert MultiLabelFigures.model_validate(kept) == found
    assert found.figure("macro_f1") == (found.macro_f1, found.macro_f1_ci95)
