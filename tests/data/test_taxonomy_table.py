"""The table of a tree of labels."""

import re

import pytest

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.data.manifest import Manifest, Photo, Reading
from budwood.data.taxonomy import Taxonomy
from budwood.data.taxonomy_table import find_taxonomy, read_taxonomy, write_taxonomy

TREE = Taxonomy({"owl": "bird", "barn owl": "owl", "élf owl": "owl", "wren": "bird"}, "bird")
ROWS = "label,parent\nbird,\nowl,bird\nbarn owl,owl\nélf owl,owl\nwren,bird\n"


@pytest.mark.parametrize(
    "content",
    [
        ROWS.encode(),
        b"\xef\xbb\xbf" + ROWS.replace("\n", "\r\n").encode(),
        ROWS.replace(",", ";").encode(),
        ROWS.replace(",", "\t").encode(),
        ROWS.replace(",", ", ").encode(),
        ROWS.replace("label,parent", "Label,PARENT").replace("wren,bird", "\n,\nwren,bird").encode(),
        ROWS.replace("é", "e\u0301").encode(),
        b"rank,parent,label\n" + b"".join(
            b"x,%b,%b\n" % (parent.encode(), label.encode()) for label, parent in TREE.rows
        ),
    ],
    ids=["plain", "BOM and CRLF", "semicolons", "tabs", "blanks", "empty rows", "NFD", "other columns"],
)  # fmt: skip
def test_read_taxonomy__as_programs_write_tables(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    assert read_taxonomy(tmp_path / "t.csv") == TREE


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty. Expected a first row that names the columns: label,parent"),
        (b"label,parent\n", "names no label"),
        (b"name,parent\na,b\n", "has no column 'label'"),
        (b"label,parnt\na,b\n", "has no column 'parent'. Did you mean parnt?"),
        (b"label,label,parent\na,b,c\n", "has twice the column 'label'"),
        (b"label,parent\nbird,\nowl\n", "row 3: 1 field, and the first row names more"),
        (b"label,parent\n\xe9mu,\n", "line 2: byte 13 (0xe9) is not UTF-8"),
        (b'label,parent\n"a"b,\n', "row 2: it cannot be read as a row"),
        (b"label,parent\nbird,\n ,bird\n", "row 3: the label is empty"),
    ],
)
def test_read_taxonomy__names_what_is_wrong(tmp_path, content, words):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=re.escape(words)) as error:
        read_taxonomy(tmp_path / "t.csv")
    assert str(tmp_path / "t.csv") in str(error.value)


def test_read_taxonomy__no_such_file(tmp_path):
    with pytest.raises(DataError, match="cannot read the taxonomy .*none.csv"):
        read_taxonomy(tmp_path / "none.csv")


@pytest.mark.parametrize(
    "tree", [TREE, Taxonomy({"owl": "", 'barn, "owl"': "owl", "elf\nowl": "owl", "wren": ""})]
)
def test_write_taxonomy__is_read_back(tmp_path, tree):
    write_taxonomy(tmp_path / "t.csv", tree)
    assert read_taxonomy(tmp_path / "t.csv", nameless_root=True) == tree


def manifest(*labels, **options):
    return Manifest(tuple(Photo(b"", label, label) for label in labels), labels, **options)


def test_find_taxonomy__of_the_table_or_of_the_folders():
    photos = manifest("barn owl", "élf owl", "wren")
    assert find_taxonomy(Data(), photos, "DATA") is None
    assert find_taxonomy(Data(taxonomy="t.csv"), photos, "DATA", TREE) is TREE
    assert find_taxonomy(Data(tree=True), manifest(*photos.classes, taxonomy=TREE), "DATA") is TREE
    # The table of a run lacks the classes of which the check left no photos.
    more, settings = manifest(*photos.classes, "emu"), Data(taxonomy="t.csv")
    assert find_taxonomy(settings, more, "DATA", TREE, own=True) is TREE
    with pytest.raises(DataError, match="has no row for .emu."):
        find_taxonomy(settings, more, "DATA", TREE)
    with pytest.raises(DataError, match=re.escape("t.csv has no row for 'emu'")):
        find_taxonomy(Data(taxonomy="t.csv"), manifest("emu", "wren"), "DATA", TREE)


def test_find_taxonomy__no_folders_to_take_it_from():
    photos = manifest("a", "b", reading=Reading("csv"))
    with pytest.raises(
        DataError, match=re.escape("photos.csv is read as csv. Give a table with data.taxonomy")
    ):
        find_taxonomy(Data(tree=True), photos, "photos.csv")
