"""Tables as text: what divides them, in what they are written, and what of JSON Lines is none."""

import io
import json
from pathlib import Path

import pytest

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.data.sources.delimited import decoded, finder_of, open_file, parse_json, read_json, title_of
from budwood.data.sources.tree import DiskTree
from tests.data.sources.tables import read


@pytest.mark.parametrize(
    ("text", "settings", "wanted"),
    [
        ("path, label\na/1.png, cat\na/2.png, cat\nb/3.png, dog\n", {}, "cat"),
        ("sep=;\npath;label\na/1.png;cat\na/2.png;cat\nb/3.png;dog\n", {}, "cat"),
        ("Datei,Art\na/1.png,cat\nb/3.png,dog\n", {"columns": {"path": "Datei", "label": "Art"}}, "cat"),
        ('path,label\na/1.png,"cat, grey"\nb/3.png,dog\n', {}, "cat, grey"),
        ('path,label\na/1.png,"cat\n  or not"\nb/3.png,dog\n', {}, "cat\n  or not"),
        ("path,label\na\\1.png,cat\nb\\3.png,dog\n", {}, "cat"),
        ("path,label\n./a/1.png,cat\nb//3.png,dog\n", {}, "cat"),
        ("path,label\na/1,cat\nb/3,dog\n", {}, "cat"),
        ("path,label,,\na/1.png,cat,,\nb/3.png,dog,,\n,,,\n", {}, "cat"),
        ("path\tlabel\na/1.png\tcat\nb/3.png\tdog\n", {}, "cat"),
        ("label|file\ncat|a/1.png\ndog|b/3.png\n", {}, "cat"),
        ("path,label\r\na/1.png,cat\r\nb/3.png,dog\r\n", {}, "cat"),
        ("path,label\n1.png,cat\n2.png,dog\n", {"root": "a"}, "cat"),
        ("path,label\na/1.png,1\nb/3.png,2\n", {}, "1"),
        ("path,label,split\na/1.png,cat,train\na/2.png,cat,\nb/3.png,dog,train\n", {}, "cat"),
    ],
)
def test_table__what_can_be_read_is_read(folder, text, settings, wanted):
    manifest = read(text, **settings)
    assert manifest.photos[0].label == wanted
    assert Path(manifest.photos[0].image) == folder / "a" / "1.png"


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (
            [{"path": "a/1.png", "label": 1}, {"path": "b/3.png", "label": "dog"}],
            "labels of mixed types: 1 in line 1",
        ),
        (
            [{"path": "a/1.png", "label": 1}, {"path": "b/3.png", "label": "1"}],
            "is a number in line 1 and text in line 2",
        ),
        ([{"path": "a/1.png", "label": 1.5}], "line 1: the label is 1.5, a number with decimals"),
        ([{"path": "a/1.png", "label": True}], "line 1: the label is of type bool"),
        ([{"path": "a/1.png", "label": ["a", 2]}], "labels of mixed types: 2 in line 1 is a number"),
        ([{"path": "a/1.png", "label": None}], "line 1: the label is empty"),
        ([{"path": 3, "label": "cat"}], "line 1: the path is of type int"),
        (
            [{"path": "a/1.png", "label": "cat"}, ["b/3.png", "dog"]],
            "line 2: it is of type list. Expected an object",
        ),
        ([{"path": "a/1.png", "label": "cat"}, {"path": "b/3.png"}], "line 2: the label is empty"),
        ([], "photos.jsonl is empty"),
    ],
)
def test_json_lines__what_is_wrong_is_said(folder, records, message):
    with pytest.raises(DataError, match=message):
        read("".join(json.dumps(record) + "\n" for record in records), "photos.jsonl")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"path": "a/1.png", "path": "a/2.png", "label": "x"}', "the key 'path' is there twice"),
        ('{"path": "a/1.png"', "line 1: it is no JSON"),
        ("[" * 100_000, "nested too deeply|it is no JSON"),
        ('{"path": "a/1.png", "label": ' + "9" * 10_000 + "}", "it is no JSON|the label is"),
    ],
)
def test_json_lines__damaged(folder, text, message):
    with pytest.raises(DataError, match=message):
        read(text + "\n", "photos.jsonl")


def test_json_lines__a_key_of_later_lines_is_a_column(folder):
    lines = [
        {"path": "a/1.png", "label": "cat"},
        {"path": "b/3.png", "label": "dog", "age": 3, "split": "train"},
        {"path": "b/4.png", "label": "dog", "split": "test"},
    ]
    manifest = read("\n\n".join(map(json.dumps, lines)), "photos.jsonl")
    assert [photo.split for photo in manifest.photos] == [None, "train", "test"]
    assert dict(manifest.photos[1].metadata) == {"age": "3"}


def test_decoded__lines_without_the_mark_of_their_order():
    assert list(decoded(io.BytesIO(b"\xef\xbb\xbfa\n\xef\xbb\xbfb"), "x")) == ["a\n", "\ufeffb"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\nbc\xe9\n", r"x, line 2: byte 4 \(0xe9\) is not UTF-8.*'bcé"),
        (b"\xfe\xff\0a", "x is UTF-16"),
        (b"a\n\0", "x, line 2: it holds a zero byte"),
    ],
)
def test_decoded__counts_lines_and_bytes_from_the_beginning(content, message):
    with pytest.raises(DataError, match=message):
        list(decoded(io.BytesIO(content), "x"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'"\xe9"', r"x, line 3: byte 1 is not UTF-8"),
        ('{"a": {"b": 1, "b": 2}}', "x, line 3: the key 'b' is there twice"),
        ("{", "x, line 3: it is no JSON"),
    ],
)
def test_parse_json__says_where(text, message):
    with pytest.raises(DataError, match=message):
        parse_json(text, "x", "line 3")
    with pytest.raises(DataError, match=message.replace(", line 3", "")):
        parse_json(text, "x")


def test_read_json__with_and_without_its_mark(tmp_path):
    tree = DiskTree(tmp_path)
    for start in (b"", b"\xef\xbb\xbf"):
        (tmp_path / "x.json").write_bytes(start + b'{"a": [1]}')
        assert read_json(tree, "x.json") == {"a": [1]}
    (tmp_path / "x.json").write_bytes('{"a": 1}'.encode("utf-16"))
    with pytest.raises(DataError, match="is UTF-16"):
        read_json(tree, "x.json")


def test_open_file__that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*none\.csv \(No such file"):
        open_file(DiskTree(tmp_path), "none.csv", title_of(DiskTree(tmp_path), "none.csv"))


def test_title_of__what_the_user_wrote():
    assert [title_of(DiskTree(root), "a/b.csv") for root in (".", "x", "/x/y")] == [
        "a/b.csv",
        "x/a/b.csv",
        "/x/y/a/b.csv",
    ]


def test_finder_of__root_beside_the_table_before_one_from_here(folder):
    for place in ("tables/a", "tables/here"):
        (folder / place).mkdir(parents=True)
    (folder / "tables" / "a" / "9.png").write_bytes(b"x")
    found = finder_of(DiskTree("."), "tables", "t", Data(root="a"))
    assert found.find("9.png", "row 2").image == folder / "tables" / "a" / "9.png"
    with pytest.raises(DataError, match=r"row 2: there is no '1\.png'"):
        found.find("1.png", "row 2")
    assert finder_of(DiskTree("."), "tables", "t", Data(root="b")).find("3.png", "row 2").name == "3.png"


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_read_text_table__each_delimiter_in_quotes_is_text(folder, kind):
    one, other = (",", "\t") if kind == "csv" else ("\t", ",")
    text = f'path{one}label\na/1.png{one}"cat{one} grey"\nb/3.png{one}dog{other}\n'
    assert read(text, f"photos.{kind}").classes == (f"cat{one} grey", f"dog{other}")
