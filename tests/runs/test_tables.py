"""What `runs.writing` writes, `runs.tables` reads."""

import numpy as np
import pytest

from budwood.core.files import read_csv
from budwood.data.manifest import Photo
from budwood.runs import writing
from budwood.runs.tables import read_history, read_predictions, read_shares

PHOTOS = [Photo(b"", "b/ü, 1.jpg", "b", "test"), Photo(b"", "a/2.jpg", "a", "test")]


def test_read_history__columns_of_what_happened_and_gaps(tmp_path):
    history = [
        {"phase": "frozen", "epoch": 1, "val_loss": 0.5},
        {"phase": "finetune", "backbone": "m", "epoch": 2, "loss": 0.25, "val_loss": 0.125},
    ]
    writing.write_history(tmp_path, history)
    text = (tmp_path / "history.csv").read_text()
    assert text.splitlines()[0] == "phase,backbone,epoch,loss,val_loss"
    assert read_history(tmp_path / "history.csv") == history


def test_read_predictions__of_the_most_probable_class(tmp_path):
    shares = np.array([[0.25, 0.75], [0.4, 0.6]])
    writing.write_predictions(tmp_path, ["a", "b"], PHOTOS, shares)
    classes, rows = read_predictions(tmp_path / "predictions.csv")
    assert classes == ["a", "b"]
    assert [(row.name, row.split, row.true, row.predicted, row.correct) for row in rows] == [
        ("b/ü, 1.jpg", "test", "b", "b", True),
        ("a/2.jpg", "test", "a", "b", False),
    ]
    assert [(row.probability, row.true_probability) for row in rows] == [(0.75, 0.75), (0.6, 0.4)]
    assert read_shares(tmp_path / "predictions.csv", 2).tolist() == shares.tolist()
    assert [row["correct"] for row in read_csv(tmp_path / "predictions.csv")] == ["1", "0"]


def test_read_predictions__a_row_cut_short(tmp_path):
    writing.write_predictions(tmp_path, ["a", "b"], PHOTOS, np.array([[0.25, 0.75], [0.4, 0.6]]))
    file = tmp_path / "predictions.csv"
    file.write_text(file.read_text().strip().rpartition(",")[0])
    with pytest.raises(ValueError, match="a row has 7 cells in place of 8"):
        read_predictions(file)
