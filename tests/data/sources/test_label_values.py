"""What fields of a table say: one class, several labels in a field, columns of 0 and 1."""

import numpy as np
import pytest
from PIL import Image

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.data.manifest_files import write_manifest
from budwood.data.sources import read_source

PATHS = [f"{i}.png" for i in range(1, 5)]


def write_photo(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 40), (len(str(path)) % 255, 0, 0)).save(path)


@pytest.fixture
def read(tmp_path):
    for path in PATHS:
        write_photo(tmp_path / path)

    def read(text, **settings):
        (tmp_path / "photos.csv").write_text(text)
        return read_source(tmp_path / "photos.csv", Data(**settings))

    return read


def table(header, *rows):
    return "\n".join([header, *(f"{path},{row}" for path, row in zip(PATHS, rows, strict=True))]) + "\n"


def sets(manifest):
    return [photo.labels for photo in manifest.photos]


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        (table("path,labels", "sea", "sea;trees", "trees", ""), {}),
        (table("path,label", "sea", "trees; sea", "trees", ""), {"task": "multi-label"}),
        (table("path,labels", "sea", "sea|trees", "trees", ""), {"label_separator": "|"}),
        (table("path,sea,trees", "1,0", "1,1", "0,1", "0,0"), {}),
        (table("path,sea,trees,camera", "1,0,a", "1,1,b", "0,1,c", "0,0,d"), {}),
        (
            table("path,sea,trees,night", "1,0,1", "1,1,0", "0,1,1", "0,0,1"),
            {"label_columns": ["sea", "trees"]},
        ),
    ],
    ids=["plural", "asked", "separator", "columns", "a column of text", "columns named"],
)
def test_several__in_every_form(read, text, settings):
    manifest = read(text, **settings)
    assert sets(manifest) == [("sea",), ("sea", "trees"), ("trees",), ()]
    assert manifest.classes == ("sea", "trees") and manifest.multi_label
    assert manifest.understood().unlabelled == 1


def test_column__other_columns_are_metadata(read):
    manifest = read(table("path,sea,trees,camera", "1,0,a", "1,1,b", "0,1,c", "0,0,d"))
    assert [photo.metadata for photo in manifest.photos] == [{"camera": one} for one in "abcd"]
    assert manifest.reading.label_columns == ("sea", "trees")


def test_column__an_empty_field_is_unknown(read):
    manifest = read(table("path,sea,trees", "1,", "1,1", ",1", "0,0"))
    assert [(photo.labels, photo.unknown) for photo in manifest.photos] == [
        (("sea",), ("trees",)),
        (("sea", "trees"), ()),
        (("trees",), ("sea",)),
        ((), ()),
    ]
    assert [photo.label for photo in manifest.photos] == ["sea;?trees", "sea;trees", "trees;?sea", ""]


def test_field__parts_that_recur_are_labels(read):
    manifest = read(table("path,label", "sea;sun", "sea", "sun;trees", "trees"))
    assert sets(manifest) == [("sea", "sun"), ("sea",), ("sun", "trees"), ("trees",)]


def test_one_class__in_columns(read):
    text = table("path,sea,trees", "1,0", "0,1", "0,1", "1,0")
    with pytest.raises(DataError, match=r"two ways.*exactly one of 2 columns \('sea', 'trees'\)"):
        read(text)
    assert [photo.label for photo in read(text, task="single-label").photos] == [
        "sea",
        "trees",
        "trees",
        "sea",
    ]
    assert sets(read(text, task="multi-label")) == [("sea",), ("trees",), ("trees",), ("sea",)]
    with pytest.raises(DataError, match=r"row 2: it has the labels sea and trees, and data.task"):
        read(table("path,sea,trees", "1,1", "0,1", "0,1", "1,0"), task="single-label")


def test_one_class__whose_name_holds_the_separator(read):
    text = table("path,label", "a;b", "c", "a;b", "c")
    with pytest.raises(DataError, match=r"two ways: 'a;b' in row 4 is several labels"):
        read(text)
    assert read(text, task="single-label").classes == ("a;b", "c")
    assert read(text, task="multi-label").classes == ("a", "b", "c")


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        (table("path,sea,trees", "1,0", "1,2", "0,1", "0,0"), {}, r"row 3: 'trees' is '2'. Expected 1 where"),
        (
            table("path,sea,trees,sun", "1,0,", "1,1,", "0,1,", "0,0,"),
            {"label_columns": ["sea", "sun"]},
            "'sun' is empty",
        ),
        (
            table("path,sea,trees,sun", "1,0,", "1,1,", "0,1,", "0,0,"),
            {},
            r"two ways: the column 'sun' is empty in every row, .* beside 'sea', 'trees'",
        ),
        (
            table("path,sea,Sea,sun", "1,0,0", "1,1,0", "0,1,1", "0,0,0"),
            {},
            "the columns 'sea' and 'Sea' differ by case",
        ),
        (
            table("path,sun,sea", "yes,no", "no,no", "yes,yes", "no,yes"),
            {},
            "several labels a photo have a column each, of 1, 0 and nothing",
        ),
        (table("path,sea,trees,sun", "1,0,0", "1,1,0", "0,1,0", "0,0,0"), {}, "'sun' is 1 for no photo"),
        (
            table("path,sea,trees", "1,0", "1,1", "0,1", "0,0"),
            {"label_columns": ["see"]},
            "no column 'see'.*label columns",
        ),
        (
            table("path,labels,sea", "a,0", "b,1", "a;b,1", "b,0"),
            {"label_columns": ["sea"], "columns": {"label": "labels"}},
            "Give one of the two",
        ),
        (table("path,?sea,trees", "1,0", "1,1", "0,1", "0,0"), {}, r"the label '\?sea' holds ';' or begins"),
        (
            table("path,labels", "Sea;trees", "sea;trees", "trees", "sea"),
            {},
            "'Sea' .* and 'sea' .* differ by case",
        ),
        (table("path,x,y", "5,a", "6,b", "7,c", "8,d"), {}, "has no column for the label"),
    ],
    ids=[
        "another value",
        "empty",
        "empty and not named",
        "columns alike",
        "yes and no",
        "no positive",
        "misspelled",
        "both",
        "question mark",
        "spelling",
        "no label",
    ],
)
def test_what_is_wrong_is_said(read, text, settings, message):
    with pytest.raises(DataError, match=message):
        read(text, **settings)


def test_frame__lists_and_numbers():
    pandas = pytest.importorskip("pandas")
    pictures = [np.full((40, 40, 3), i, np.uint8) for i in range(3)]
    frame = pandas.DataFrame({"image": pictures, "labels": [["sea"], ["sea", "trees"], []]})
    assert sets(read_source(frame)) == [("sea",), ("sea", "trees"), ()]
    frame = pandas.DataFrame({"image": pictures, "sea": [1.0, 0.0, 1.0], "trees": [True, True, None]})
    assert [photo.unknown for photo in read_source(frame).photos] == [(), (), ("trees",)]


def test_folder__one_class_as_one_label(tmp_path):
    for label in ("cat", "dog"):
        write_photo(tmp_path / label / "1.png")
    assert sets(read_source(tmp_path, Data(task="multi-label"))) == [("cat",), ("dog",)]


def test_field__a_question_mark_is_unknown(read):
    manifest = read(table("path,labels", "sea;?sun", "sea;sun", "sun", ""))
    assert (manifest.photos[0].labels, manifest.photos[0].unknown) == (("sea",), ("sun",))
    with pytest.raises(DataError, match="row 2: it has the label 'sea', and '\\?sea' says"):
        read(table("path,labels", "sea;?sea", "sea;sun", "sun", ""))


@pytest.mark.parametrize("form", ["csv", "jsonl", "hf", "datumaro", "label-studio"])
def test_manifest__is_read_again(read, tmp_path, form):
    manifest = read(table("path,labels", "sea", "sea;sun", "sun", "sun"))
    name = {"hf": "metadata.jsonl", "datumaro": "out", "label-studio": "out.json"}.get(form, f"out.{form}")
    written = write_manifest(manifest, tmp_path / name, format=form)
    again = read_source(written, Data(task="multi-label"))
    assert sorted(photo.label for photo in again.photos) == sorted(photo.label for photo in manifest.photos)
    assert again.multi_label


def test_manifest__keeps_what_is_unknown_or_refuses(read, tmp_path):
    manifest = read(table("path,labels", "sea;?sun", "sea;sun", "sun", "sun"))
    again = read_source(write_manifest(manifest, tmp_path / "out.csv"))
    assert [photo.label for photo in again.photos] == [photo.label for photo in manifest.photos]
    with pytest.raises(DataError, match="the label 'sun' is unknown, which datumaro cannot say"):
        write_manifest(manifest, tmp_path / "out", format="datumaro")
