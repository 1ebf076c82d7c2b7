"""`budwood.auditing.decisions`: the table of decisions is read rightly or refused with the line."""

import pytest

from budwood.auditing.decisions import Decision, read_decisions
from budwood.core.errors import DataError


@pytest.fixture
def read(tmp_path):
    def written(text, encoding="utf-8"):
        path = tmp_path / "decisions.csv"
        path.write_bytes(text.encode(encoding))
        return read_decisions(path)

    return written


@pytest.mark.parametrize("delimiter", ",;\t")
def test_read_decisions__takes_filled_rows(read, delimiter):
    found = read(
        "# mine\nPhoto,Decision,Other,Label,Finding,sha256\n"
        "a/1.jpg,keep,,,blurred,\n"
        "\n"
        "a/2.jpg,,,b,,\n"
        '"#3.jpg",Relabel ,,b,,0123456789abcdef\n'
        "# a/4.jpg,drop,,,,\n"
        "a/5.jpg,drop,c.jpg,b,,\n"
        "a/6.jpg,same,b/6.jpg,,,\n".replace(",", delimiter)
    )
    assert found == (
        Decision("a/1.jpg", "keep", finding="blurred"),
        Decision("#3.jpg", "relabel", label="b", sha256="0123456789abcdef"),
        Decision("a/5.jpg", "drop"),
        Decision("a/6.jpg", "same", "b/6.jpg"),
    )
    assert [one.where.rpartition(", ")[2] for one in found] == ["line 3", "line 6", "line 8", "line 9"]


def test_read_decisions__takes_rows_that_end_behind_the_decision(read):
    found = read("photo,decision,other,label\na,drop\nb,keep,\n")
    assert [(one.photo, one.verdict, one.other, one.label) for one in found] == [
        ("a", "drop", "", ""),
        ("b", "keep", "", ""),
    ]


def test_read_decisions__keeps_what_stands_in_quotes(read):
    found = read('decision,photo\ndrop,"a,b\n# no comment\n""c"".jpg"\ndrop,d.jpg\n')
    assert [one.photo for one in found] == ['a,b\n# no comment\n"c".jpg', "d.jpg"]
    assert found[1].where.endswith("line 5")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("a,delete,,", "line 2: 'delete' is no decision. Expected one of keep, drop"),
        ("a,drp,,", "Did you mean drop?"),
        (",drop,,", "line 2: drop of no photo"),
        ("a,relabel,,", "line 2: 'a' is to be relabelled, and the column label says not as what"),
        ("a,same,,", "line 2: same needs two photos"),
        ("a,different,a,", "line 2: 'a' stands there as both photos of a pair"),
        ("a", "line 2: 1 field, and the first row names 4 columns. Expected at least a photo and a decision"),
        ("a,relabel", "line 2: 'a' is to be relabelled, and the column label says not as what"),
        ("a,b,drop,,x", "line 2: 5 fields"),
        ('a,drop,"x,', "line 2: it cannot be read as a row"),
        ("a,keep,,\na,drop,,", "line 3: 'a' is to be dropped, and in line 2 it is to be kept"),
        (
            "a,relabel,,x\na,relabel,,y",
            "is to be relabelled as 'y', and in line 2 it is to be relabelled as 'x'",
        ),
        ("a,relabel,,x\na,keep,,", "line 3: 'a' is to be kept"),
        ("a,same,b,\nb,different,a,", "line 3: 'b' and 'a' are different here"),
        ("a,same,b,\nb,same,c,\nc,different,a,", "line 4: 'c' and 'a' are different here"),
    ],
)
def test_read_decisions__refuses_with_the_line(read, rows, said):
    with pytest.raises(DataError) as error:
        read(f"photo,decision,other,label\n{rows}\n")
    assert said in str(error.value) and "decisions.csv, line" in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("# only this\n", "is empty"),
        ("photo,verdict\na,drop\n", "has no column 'decision'. They are photo, verdict"),
        ("photo,decision,photo\n", "the column 'photo' twice"),
        ("photo,decision,finding\na,keep,blured\n", "line 2: 'blured' is no kind of finding"),
        ("photo,decision,finding\na,keep,blured\n", "Did you mean blurred?"),
        ("photo,decision,sha256\na,keep,1.2E+12\n", "line 2: sha256 is '1.2e+12'"),
        ("photo,decision\n\0,keep\n", "line 2: it holds a zero byte"),
    ],
)
def test_read_decisions__refuses_what_is_no_such_table(read, text, said):
    with pytest.raises(DataError) as error:
        read(text)
    assert said.casefold() in str(error.value).casefold()


def test_read_decisions__refuses_another_encoding_and_what_is_not_there(read, tmp_path):
    with pytest.raises(DataError, match=r"line 2: byte 15 \(0xe9\) is not UTF-8"):
        read("photo,decision\né.jpg,drop\n", "latin-1")
    with pytest.raises(DataError, match="is UTF-16"):
        read("photo,decision\n", "utf-16")
    with pytest.raises(DataError, match="absent.csv"):
        read_decisions(tmp_path / "absent.csv")


def test_read_decisions__lets_rows_say_the_same_twice(read):
    rows = "photo,decision,label,finding\na,drop,,\na,drop,,\nb,relabel,x,\nb,relabel,x,\nb,keep,,blurred\n"
    assert [one.verdict for one in read(rows)] == ["drop", "drop", "relabel", "relabel", "keep"]


def test_read_decisions__of_single_labels(read):
    found = read(
        "photo,decision,label,finding\n1,add,sea,missing_label\n1,remove,desert;trees,\n1,keep,moon,extra_label\n"
        "2,unknown,sea,\n3,keep,sea,\n4,relabel,sea;?moon,\n4,add,sea,\n4,unknown,moon,\n"
        "4,remove,trees,missing_label\n5,keep,,blurred\n5,add,sea,"
    )
    assert [(one.photo, one.verdict, one.label) for one in found[:4]] == [
        ("1", "add", "sea"),
        ("1", "remove", "desert;trees"),
        ("1", "keep", "moon"),
        ("2", "unknown", "sea"),
    ]
    assert found[1].named == {"desert", "trees"} and found[4].label == ""


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("1,add,,", "line 2: add of no label of '1'. Expected its name in the column label"),
        ("1,relabel,sea,missing_label", "this row is about one. Expected add, remove or unknown here"),
        ("1,add,sea,label_conflict", "this row proposes all of them. Expected keep, drop or relabel here"),
        ("1,add,sea,\n1,remove,sea;moon,", "to be without the label 'sea;moon', and in line 2 .* the label 'sea'"),
        ("1,unknown,sea,\n1,add,sea,", "given the label 'sea', and in line 2 it is to be unknown in 'sea'"),
        ("1,keep,,\n1,add,sea,", "line 3"),
        ("1,keep,sea,missing_label\n1,add,sea,", "line 3"),
        ("1,keep,,missing_label\n1,add,sea,", "line 3"),
        ("1,drop,,\n1,add,sea,", "line 3"),
        ("1,relabel,moon,\n1,add,sea,", "line 3"),
        ("1,relabel,moon;?sea,\n1,remove,sea,", "line 3"),
        ("1,relabel,moon;sea,\n1,unknown,sea,", "line 3"),
    ],
)  # fmt: skip
def test_read_decisions__refuses_single_labels_that_contradict(read, rows, said):
    with pytest.raises(DataError, match=said):
        read(f"photo,decision,label,finding\n{rows}\n")
