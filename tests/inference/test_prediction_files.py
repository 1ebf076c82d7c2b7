import json

import pytest

from budwood.core.errors import BudwoodError
from budwood.core.files import read_csv
from budwood.inference.prediction import Answer, Prediction
from budwood.inference.prediction_files import (
    ENDINGS,
    PredictionColumns,
    Written,
    refuse_bad_table,
    write_predictions,
)


def test_write_predictions__a_name_is_no_formula_and_no_field_is_lost(tmp_path):
    path = tmp_path / "p.csv"
    names = ["=1+1.jpg", "-a.jpg", 'a, "b"\n.jpg', "\udcff.jpg"]
    found = [Prediction(name, "x;y", 0.75, {"a,b": 0.25, "x;y": 0.75}, distance=2.0) for name in names]
    assert write_predictions(found, PredictionColumns(("a,b", "x;y")), path) == Written(4, 0)
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
    columns = PredictionColumns(("a;b", "c"), sets=True)
    write_predictions(found, columns, tmp_path / "p.csv")
    rows = read_csv(tmp_path / "p.csv")
    assert [row["prediction_set"] for row in rows] == ['["a;b", "c"]', "[]", ""]
    assert [row["p:c"] for row in rows] == ["0.25", "0.25", ""] and rows[2]["error"] == "truncated"
    write_predictions(found, columns, tmp_path / "p.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text("utf-8").splitlines()]
    assert [line.get("prediction_set") for line in lines] == [["a;b", "c"], [], None]


def test_write_predictions__parquet_says_what_csv_says(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    shares = {"a;b": 0.75, "c": 0.25}
    path = (("above", 0.75), ("a;b", 0.75))
    found = [
        Prediction("1.jpg", "a;b", 0.75, shares, distance=0.5, path=path, prediction_set=("c",)),
        Prediction("\udcff.jpg", None, None, {}, "truncated"),
        Prediction(
            "3.jpg",
            "a;b",
            0.75,
            shares,
            out_of_distribution=True,
            path=path,
            prediction_set=(),
            answer=Answer("above", 1, 0.75, ("above",)),
        ),
    ] * 700  # more than are written at once
    columns = PredictionColumns(("a;b", "c"), tree=True, sets=True)
    for ending in (".csv", ".parquet"):
        assert write_predictions(iter(found), columns, tmp_path / f"p{ending}") == Written(2100, 700)
    rows, texts = parquet.read_table(tmp_path / "p.parquet").to_pylist(), read_csv(tmp_path / "p.csv")
    assert list(rows[0]) == list(texts[0]) and len(rows) == len(texts) == 2100
    assert rows[0] == {
        "name": "1.jpg",
        "predicted": "a;b",
        "probability": 0.75,
        "confident": True,
        "none_of_these": False,
        "distance": 0.5,
        "error": None,
        "path": ["above", "a;b"],
        "answer": None,
        "answer_depth": None,
        "answer_probability": None,
        "prediction_set": ["c"],
        "p:a;b": 0.75,
        "p:c": 0.25,
    }
    assert rows[1] == {**dict.fromkeys(rows[1]), "name": "\\xff.jpg", "error": "truncated"}
    last = rows[-1]
    assert (last["answer"], last["answer_depth"], last["none_of_these"], last["distance"]) == (
        "above",
        1,
        True,
        None,
    )
    refuse_bad_table(tmp_path / "p.parquet")  # one of ours is replaced
    parquet.write_table(
        parquet.read_table(tmp_path / "p.parquet").replace_schema_metadata({}), tmp_path / "q.parquet"
    )
    with pytest.raises(BudwoodError, match="is there, and no table of predictions"):
        refuse_bad_table(tmp_path / "q.parquet")
    assert write_predictions([], columns, tmp_path / "p.parquet") == Written()
    assert parquet.read_table(tmp_path / "p.parquet").column_names == list(rows[0])


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_write_predictions__a_file_appears_whole_or_not_at_all(tmp_path, ending, stop):
    def some():
        for number in range(1100):
            yield Prediction(f"{number}.jpg", "a", 1.0, {"a": 1.0})
        raise stop

    before = tmp_path / f"there{ending}"
    write_predictions([], PredictionColumns(("a",)), before)
    content = before.read_bytes()
    for path in (before, tmp_path / f"new{ending}"):
        with pytest.raises(stop):
            write_predictions(some(), PredictionColumns(("a",)), path)
    assert [path.name for path in tmp_path.iterdir()] == [before.name] and before.read_bytes() == content
