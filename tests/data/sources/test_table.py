"""What is wrong with tables is refused with the file and the row, whatever kind of table it is."""

import os
from pathlib import Path

import pytest

from budwood.config.data import Data
from budwood.core.errors import BudwoodError, DataError
from budwood.data.sources import read_source
from tests.data.sources.tables import PICTURES, read

GOOD = "path,label\na/1.png,cat\na/2.png,cat\nb/3.png,dog\nb/4.png,dog\n"


def labels(manifest) -> dict[str, str]:
    return {photo.name: photo.label for photo in manifest.photos}


def test_table__names_labels_and_more(folder):
    text = (
        "Image Path;class;Split;group;weight;age;note\n"
        "a/1.png;cat;train;p1;2.5;3;\na/2.png;cat;Testing;p2;;;x\nb/3.png;dog;train;p1;1;7;y\nb/4.png;dog;test;p3;0;;\n"
    )
    manifest = read(text)
    one, two, _, four = manifest.photos
    assert labels(manifest) == {"a/1.png": "cat", "a/2.png": "cat", "b/3.png": "dog", "b/4.png": "dog"}
    assert (one.split, one.group, one.weight, dict(one.metadata)) == ("train", "p1", 2.5, {"age": "3"})
    assert (two.split, two.weight, dict(two.metadata)) == ("test", 1.0, {"note": "x"})
    assert four.weight == 0 and dict(four.metadata) == {}
    assert one.image == folder / "a" / "1.png"
    assert dict(manifest.reading.columns) == {
        **{"path": "Image Path", "label": "class", "split": "Split", "group": "group", "weight": "weight"},
    }
    assert dict(manifest.reading.splits) == {"train": ("train",), "test": ("Testing", "test")}


def test_table__splits_by_names_of_ones_own(folder):
    text = "path,label,split\na/1.png,cat,A\na/2.png,cat,B\nb/3.png,dog,A\nb/4.png,dog,B\n"
    manifest = read(text, split_folders={"train": "A", "test": "B"})
    assert [photo.split for photo in manifest.photos] == ["train", "test", "train", "test"]


def test_table__absolute_paths(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "5.png"
    elsewhere.write_bytes(b"a picture")
    manifest = read(f"path,label\n{folder}/a/1.png,cat\n{elsewhere},dog\n")
    assert [photo.name for photo in manifest.photos] == ["a/1.png", elsewhere.as_posix().lstrip("/")]
    assert Path(manifest.photos[1].image) == elsewhere


def test_table__a_name_in_another_unicode_form_is_the_same(folder):
    (folder / "a" / "e\u0301.png").write_bytes(b"a picture")
    manifest = read("path,label\na/\u00e9.png,e\u0301t\u00e9\nb/3.png,\u00e9t\u00e9\na/1.png,cat\n")
    assert manifest.classes == ("cat", "\u00e9t\u00e9")


BAD: dict[str, tuple[str | bytes, str]] = {
    "no column for the label": (
        "path,art\na/1.png,cat\n",
        r"photos\.csv has no column for the label.*path, art",
    ),
    "no column for the path": (
        "x,label\na/1.png,cat\n",
        r"no column for the path of the picture.*--columns path=",
    ),
    "no first row": ("a/1.png,cat\nb/3.png,dog\n", r"begins with 'a/1.png, cat', which are values"),
    "two columns for the label": (
        "file,label,class\na/1.png,cat,x\n",
        r"'label' and 'class' could each be the label",
    ),
    "two columns of one name": ("path,label,label\na/1.png,cat,x\n", r"a column is there twice: 'label'"),
    "a column without a name": ("path,,label\na/1.png,,cat\n", r"a column has no name"),
    "empty": ("", r"photos\.csv is empty"),
    "no rows": ("path,label\n", r"holds no labelled photo"),
    "one class": ("path,label\na/1.png,cat\na/2.png,cat\n", r"of one class only, 'cat'"),
    "an empty label": ("path,label\na/1.png,cat\nb/3.png,\n", r"photos\.csv, row 3: the label is empty"),
    "a blank label": ("path,label\na/1.png,cat\nb/3.png,  \n", r"row 3: the label is empty"),
    "an empty path": ("path,label\na/1.png,cat\n,dog\n", r"row 3: the path is empty"),
    "no such file": (
        "path,label\na/1.png,cat\nb/9.png,dog\n",
        r"row 3: there is no 'b/9.png' in b\. Did you mean",
    ),
    "a path by case": (
        "path,label\na/1.png,cat\nB/3.png,dog\n",
        r"row 3: there is no 'B/3.png'.*'b' differs by case",
    ),
    "an ending by case": (
        "path,label\na/1.PNG,cat\nb/3.png,dog\n",
        r"row 2: .* in a, where '1.png' differs by case",
    ),
    "a drive": (
        r"path,label" + "\n" + r"C:\Users\me\a\1.png,cat",
        r"row 2: .*'a/1.png'.*remove 'C:\\\\Users\\\\me\\\\'",
    ),
    "another machine": (
        "path,label\n/home/me/a/1.png,cat\n",
        r"row 2: .*there is 'a/1.png' below.*remove '/home/me/'",
    ),
    "out of the root": ("path,label\n../secret.png,cat\n", r"row 2: '../secret.png' leads out of"),
    "out and in": ("path,label\na/../../x/1.png,cat\n", r"row 2: .* leads out of"),
    "a folder": ("path,label\na,cat\n", r"row 2: there is no 'a'"),
    "an address": ("path,label\nhttps://example.org/1.png,cat\n", r"row 2: .*is an address on the network"),
    "a file in another folder": (
        "path,label\n1.png,cat\n",
        r"row 2: .*there is one in 'a'\. Say so: --set data.root=a",
    ),
    "the same row twice": (
        GOOD + "a/1.png,cat\n",
        r"row 2 and row 6 are both about 'a/1.png'\. Each photo has one",
    ),
    "one photo, two labels": (
        GOOD + "./a/1.png,dog\n",
        r"row 2 and row 6 .*under the labels 'cat' and 'dog'",
    ),
    "too few fields": ("path,label\na/1.png\n", r"row 2: 1 field, and the first row names 2 columns"),
    "too many fields": ("path,label\na/1.png,cat,x\n", r"row 2: 3 fields, and the first row names 2"),
    "a quote that does not end": (
        'path,label\na/1.png,"cat\nb/3.png,dog\n',
        r"row 2: it cannot be read as a row",
    ),
    "another encoding": (
        "path,label\na/1.png,K\xe4fer\n".encode("cp1252"),
        r"line 2: byte 20 \(0xe4\) is not UTF-8",
    ),
    "UTF-16": (
        "path,label\na/1.png,cat\n".encode("utf-16"),
        r"photos\.csv is UTF-16, and tables are read as UTF-8",
    ),
    "bytes that are no text": (b"path,label\na/1.png,c\0t\n", r"line 2: it holds a zero byte"),
    "a split of another name": (
        "path,label,split\na/1.png,cat,fold3\n",
        r"row 2: the split 'fold3' is none that is",
    ),
    "no weight": (
        "path,label,weight\na/1.png,cat,heavy\n",
        r"row 2: the weight 'heavy' is no number from 0 up",
    ),
    "a weight below 0": ("path,label,weight\na/1.png,cat,-1\n", r"row 2: the weight '-1' is no number"),
    "an endless weight": ("path,label,weight\na/1.png,cat,inf\n", r"row 2: the weight 'inf'"),
    "a group in two splits": (
        "path,label,split,group\na/1.png,cat,train,p1\na/2.png,cat,train,p2\nb/3.png,dog,train,p3\nb/4.png,dog,test,p1\n",
        r"the group 'p1' is in train \(row 2\) and in test \(row 5\)",
    ),
    "a row without a group": (
        "path,label,group\na/1.png,cat,p1\na/2.png,cat,\nb/3.png,dog,p3\n",
        r"1 of 3 rows have no group \('group'\), first row 3",
    ),
    "labels by case": (
        "path,label\na/1.png,Cat\nb/3.png,cat\n",
        r"'Cat' \(row 2\) and 'cat' \(row 3\) differ by case",
    ),
    "several labels": (
        "path,label\na/1.png,sea\na/2.png,sun\nb/3.png,sea|sun\n",
        r"row 4: 'sea\|sun' names several classes.*data.task=multi-label --set data.label_separator='\|'",
    ),
    "two delimiters": ("path,label,x|path|label\n", r"its first row can be divided by ',' and '\|'"),
}


@pytest.mark.parametrize("kind", BAD)
def test_table__what_is_wrong_is_said(folder, kind):
    content, message = BAD[kind]
    with pytest.raises(DataError, match=message):
        read(content)


def test_read_source__a_file_of_no_kind(folder):
    with pytest.raises(DataError, match=r"notes\.txt is a file of a kind that is not read.*\.csv.*\.zip"):
        read("hello", "notes.txt")


def test_read_source__a_folder_that_is_a_dot_is_named(folder):
    content = "path,label\na/1.png,cat\n"
    for more, said in (("a/../../x.png,dog\n", "leads out of"), ("zzzz.png,dog\n", "below")):
        with pytest.raises(DataError) as error:
            read(content + more)
        assert f"{said} {folder}" in str(error.value)


def test_read_source__loose_photos_beside_a_table_name_it(folder):
    for name, loose in zip(PICTURES, ("ash.png", "oak.png", "elm.png", "fir.png"), strict=True):
        os.rename(name, loose)
    for place in ("a", "b"):
        os.rmdir(place)
    Path("labels.csv").write_text("path,label\nash.png,cat\noak.png,dog\nelm.png,cat\nfir.png,dog\n")
    with pytest.raises(DataError, match=r"There is 'labels.csv' in it: give .*labels\.csv"):
        read_source(str(folder))
    assert len(read_source("labels.csv").photos) == 4


def test_read_source__two_readings_are_shown(folder):
    Path("metadata.csv").write_text("file_name,label\na/1.png,b\nb/3.png,a\n")
    with pytest.raises(
        DataError, match=r"two ways: metadata.csv says that 'a/1.png' is 'b', and its folder says 'a'"
    ):
        read_source(str(folder))
    assert labels(read_source("metadata.csv"))["a/1.png"] == "b"
    assert labels(read_source(str(folder), Data(layout="classes")))["a/1.png"] == "a"


def test_data_root__that_is_none(folder):
    with pytest.raises(DataError, match=r"data.root = 'nowhere' is no folder"):
        read(GOOD, root="nowhere")


def test_columns__of_no_known_use(folder):
    with pytest.raises((BudwoodError, ValueError), match="columns"):
        Data(columns={"picture": "path"})
