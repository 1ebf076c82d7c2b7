import pytest

from budwood.core.files import (
    json_lines,
    read_csv,
    read_json,
    whole_file,
    write_csv,
    write_json,
    write_json_lines,
    write_text,
)


def test_whole_file__failure_leaves_the_old_one(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), whole_file(path) as aside:
        aside.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_write_json_lines__any_value_reads_back_by_itself(tmp_path):
    values = [{"a": 1}, ["two\nlines", "\u2028", "\r", "caf\udce9"], None]
    write_json_lines(tmp_path / "a.jsonl", iter(values))
    assert len((tmp_path / "a.jsonl").read_bytes().splitlines()) == 3
    assert list(json_lines(tmp_path / "a.jsonl")) == values


def test_write_csv__any_name_reads_back(tmp_path):
    names = ["plain", "with, comma", 'a "quote"', "new\nline", "鉢植え", "undecodable \udcff byte", " space "]
    write_csv(tmp_path / "a.csv", ["name", "n"], [[name, i] for i, name in enumerate(names)])
    rows = read_csv(tmp_path / "a.csv")
    assert [row["name"] for row in rows] == names
    assert [row["n"] for row in rows] == [str(i) for i in range(len(names))]


def test_write_json__reads_back(tmp_path):
    value = {"a": [1, 2.5, None], "é": "undecodable \udcff byte"}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
