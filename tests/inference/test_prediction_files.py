import pytest

from budwood.core.errors import BudwoodError
from budwood.core.files import read_csv
from budwood.inference.prediction import Prediction
from budwood.inference.prediction_files import refuse_bad_table, write_predictions


def test_write_predictions__a_name_is_no_formula_and_no_field_is_lost(tmp_path):
    path = tmp_path / "p.csv"
    names = ["=1+1.jpg", "-a.jpg", 'a, "b"\n.jpg', "\udcff.jpg"]
    found = [Prediction(name, "x;y", 0.75, {"a,b": 0.25, "x;y": 0.75}, distance=2.0) for name in names]
    write_predictions(found, ["a,b", "x;y"], path)
    rows = read_csv(path)
    assert [row["name"] for row in rows] == ["./=1+1.jpg", "./-a.jpg", *names[2:]]
    assert rows[0] == {
        "name": "./=1+1.jpg",
        "predicted": "x;y",
        "probability": "0.75",
        "confident": "1",
        "none_of_these": "0",
        "distance": "2",
        "error": "",
        "p:a,b": "0.25",
        "p:x;y": "0.75",
    }
    refuse_bad_table(path)  # one of ours is replaced


def test_refuse_bad_table__replaces_no_other_file(tmp_path):
    path = tmp_path / "labels.csv"
    refuse_bad_table(path)
    path.write_text("path,label\n")
    with pytest.raises(BudwoodError, match="is there, and no table of predictions"):
        refuse_bad_table(path)
    with pytest.raises(BudwoodError, match="Give a file in a folder that exists"):
        refuse_bad_table(tmp_path / "none" / "p.csv")
