import json

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


def test_write_predictions__sets_have_a_column_of_their_own(tmp_path):
    shares = {"a;b": 0.75, "c": 0.25}
    found = [
        Prediction("1.jpg", "a;b", 0.75, shares, prediction_set=("a;b", "c")),
        Prediction("2.jpg", "a;b", 0.75, shares, prediction_set=()),
        Prediction("3.jpg", None, None, {}, "truncated"),
    ]
    write_predictions(found, ["a;b", "c"], tmp_path / "p.csv")
    rows = read_csv(tmp_path / "p.csv")
    assert [row["prediction_set"] for row in rows] == ['["a;b", "c"]', "[]", ""]
    assert [row["p:c"] for row in rows] == ["0.25", "0.25", ""] and rows[2]["error"] == "truncated"
    write_predictions(found, ["a;b", "c"], tmp_path / "p.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text("utf-8").splitlines()]
    assert [line.get("prediction_set") for line in lines] == [["a;b", "c"], [], None]
