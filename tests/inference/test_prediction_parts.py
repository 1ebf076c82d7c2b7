import json

import pytest

from budwood.core.errors import BudwoodError
from budwood.core.files import read_csv, read_json, write_json
from budwood.inference.prediction import Prediction
from budwood.inference.prediction_files import PredictionColumns, Written
from budwood.inference.prediction_parts import STATE, parts_left, plan_parts, refuse_bad_parts, write_parts

pytestmark = pytest.mark.usefixtures("shared_cache")

NAMES = [f"{number}.jpg" for number in range(10)]
COLUMNS = PredictionColumns(("a", "b"))
OPTIONS = {"precision": None, "coverage": 0.9}


def plan(run, form="csv", names=NAMES, model="m" * 64, **options):
    return plan_parts(run, model, form, names, {**OPTIONS, **options}, rows=4)


class Predict:
    """Says the same of a picture every time; stops where it is told to."""

    def __init__(self, stop: int | None = None):
        self.stop, self.asked = stop, []

    def __call__(self, places):
        for place in places:
            if place == self.stop:
                raise KeyboardInterrupt
            self.asked.append(place)
            name = NAMES[place]
            if place == 5:
                yield Prediction(name, None, None, {}, "truncated")
            else:
                yield Prediction(name, "a", 0.75, {"a": 0.75, "b": place / 1000})


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("form", ["csv", "parquet", "jsonl"])
def test_write_parts__what_was_interrupted_goes_on_to_the_same_rows(tmp_path, form):
    folder, whole = tmp_path / "parts", tmp_path / "whole"
    assert write_parts(whole, plan(tmp_path, form), COLUMNS, Predict()) == Written(10, 1)
    parts = [f"part-0000{number}.{form}" for number in range(3)]
    assert sorted(content(whole)) == [STATE, *parts]
    assert parts_left(folder, plan(tmp_path, form)).startswith("nothing was written yet")
    for stop in (2, 6):
        with pytest.raises(KeyboardInterrupt):
            write_parts(folder, plan(tmp_path, form), COLUMNS, Predict(stop))
    assert sorted(content(folder)) == [STATE, parts[0]]
    assert parts_left(folder, plan(tmp_path, form)).startswith("4 of 10 photos are in ")
    # What a killed process leaves behind.
    (folder / f".abc.part.{form}").write_bytes(b"half")
    again = Predict()
    assert write_parts(folder, plan(tmp_path, form), COLUMNS, again) == Written(10, 1)
    assert again.asked == list(range(4, 10))
    assert content(folder) == content(whole)
    nothing = Predict()
    assert write_parts(folder, plan(tmp_path, form), COLUMNS, nothing) == Written(10, 1)
    assert nothing.asked == []


def test_write_parts__one_that_is_gone_or_damaged_is_written_again(tmp_path):
    write_parts(tmp_path / "p", plan(tmp_path), COLUMNS, Predict())
    before = content(tmp_path / "p")
    (tmp_path / "p" / "part-00000.csv").write_text("half")
    (tmp_path / "p" / "part-00002.csv").unlink()
    again = Predict()
    assert write_parts(tmp_path / "p", plan(tmp_path), COLUMNS, again) == Written(10, 1)
    assert again.asked == [0, 1, 2, 3, 8, 9] and content(tmp_path / "p") == before
    assert [row["name"] for row in read_csv(tmp_path / "p" / "part-00002.csv")] == ["8.jpg", "9.jpg"]


def test_write_parts__more_rows_a_part_than_before_change_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_parts(tmp_path / "p", plan(tmp_path), COLUMNS, Predict(5))
    other = plan_parts(tmp_path, "m" * 64, "csv", NAMES, OPTIONS)
    write_parts(tmp_path / "p", other, COLUMNS, Predict())
    assert len(content(tmp_path / "p")) == 4


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "n" * 64}, "predictions of the model of"),
        ({"form": "jsonl"}, r"the format csv \(now jsonl\)"),
        ({"coverage": 0.8}, r"coverage 0\.9 \(now 0\.8\)"),
        ({"precision": 0.5}, r"precision None \(now 0\.5\)"),
        ({"names": NAMES[1:]}, r"10 photos \(now 9\)"),
        ({"names": NAMES[::-1]}, r"10 photos \(now 10, others, or changed since\)"),
    ],
)
def test_write_parts__refuses_parts_of_something_else(tmp_path, changes, words):
    with pytest.raises(KeyboardInterrupt):
        write_parts(tmp_path / "p", plan(tmp_path), COLUMNS, Predict(5))
    before = content(tmp_path / "p")
    with pytest.raises(BudwoodError, match=f"{words}.*Give another folder"):
        write_parts(tmp_path / "p", plan(tmp_path, **changes), COLUMNS, Predict())
    assert content(tmp_path / "p") == before


def test_write_parts__refuses_what_is_no_folder_of_predictions(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BudwoodError, match="holds 'notes.txt' and no _predictions.json"):
        write_parts(tmp_path, plan(tmp_path), COLUMNS, Predict())
    (tmp_path / STATE).write_text("{")
    with pytest.raises(BudwoodError, match="is damaged. Give another folder"):
        write_parts(tmp_path, plan(tmp_path), COLUMNS, Predict())
    assert sorted(content(tmp_path)) == [STATE, "notes.txt"]


def test_write_parts__a_part_that_was_not_entered_is_written_again(tmp_path):
    """A process may be killed between the two."""
    write_parts(tmp_path / "p", plan(tmp_path), COLUMNS, Predict())
    state = read_json(tmp_path / "p" / STATE)
    write_json(tmp_path / "p" / STATE, {**state, "parts": state["parts"][:2]})
    again = Predict()
    write_parts(tmp_path / "p", plan(tmp_path), COLUMNS, again)
    assert again.asked == [8, 9] and json.loads((tmp_path / "p" / STATE).read_text()) == state


@pytest.mark.parametrize(
    ("name", "form", "words"),
    [
        ("p", "xlsx", "there is no format 'xlsx' of predictions. Give csv, parquet, jsonl"),
        ("there.csv", "csv", "is a file, and --format writes a folder"),
        ("new.parquet", "csv", "is a file, and --format writes a folder"),
        ("absent/p", "csv", "cannot make the folder"),
    ],
)
def test_refuse_bad_parts__before_anything_slow(tmp_path, name, form, words):
    (tmp_path / "there.csv").write_text("mine")
    with pytest.raises(BudwoodError, match=words):
        refuse_bad_parts(tmp_path / name, form)
    refuse_bad_parts(tmp_path / "p", "csv")
