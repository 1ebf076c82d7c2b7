import numpy as np
import pytest

from budwood.core.errors import DataError
from budwood.data.sources.labels import Labels


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("cat", "cat"),
        (" cat ", " cat "),
        (3, "3"),
        (-1, "-1"),
        (np.int64(3), "3"),
        (3.0, "3"),
        (np.float32(3), "3"),
        (np.array([3]), "3"),
        (np.str_("cat"), "cat"),
        ("0", "0"),
    ],
)
def test_read__without_names_of_classes(value, label):
    assert Labels("x").read(value, "row 2") == label


@pytest.mark.parametrize("value", [0, np.uint8(0), np.array(0)])
def test_read__numbers_of_named_classes(value):
    assert Labels("x", ["cat", "dog"]).read(value, "row 2") == "cat"


def test_read__two_unicode_forms_are_one_name():
    labels = Labels("x")
    assert labels.read("e\u0301", "row 2") == labels.read("\u00e9", "row 3") == "\u00e9"
    labels.judge()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        *[
            (value, "the label is empty")
            for value in (None, "", "  ", float("nan"), np.float32("nan"), np.array(-1))
        ],
        *[(value, "and the classes are numbered 0 to 1") for value in (2, -2, 10**30)],
        *[(value, "a number with decimals") for value in (0.5, np.float64(1.5), float("inf"))],
        *[(value, "of type bool") for value in (True, np.True_)],
        *[(value, "and a photo has one") for value in (["a"], {"a": 1}, ("a", "b"))],
        (b"cat", "of type bytes"),
        (np.eye(3)[1], r"an array of shape \(3,\), and a photo has one label.*argmax"),
        *[(value, "as programs write an empty field") for value in ("NaN", " nan", "#N/A", "<NA>")],
        ("a" * 501, "has 501 characters"),
    ],
)
def test_read__what_is_no_label(value, message):
    with pytest.raises(DataError, match=f"x, row 2: .*{message}"):
        Labels("x", ["cat", "dog"]).read(value, "row 2")


def test_read__a_number_too_long_to_be_a_class():
    with pytest.raises(DataError, match="the label is"):
        Labels("x").read(10**18, "row 2")


@pytest.mark.parametrize("swapped", [False, True])
def test_read__one_label_as_number_and_text(swapped):
    labels = Labels("x")
    first, second = ("1", 1) if swapped else (1, "1")
    labels.read(first, "row 2")
    where = "row 3 and text in row 2" if swapped else "row 2 and text in row 3"
    with pytest.raises(DataError, match=f"'1' is a number in {where}"):
        labels.read(second, "row 3")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, "cat"], "mixed types: 1 in row 0 is a number, 'cat' in row 1 is text"),
        (["a", "b", "a; b"], "row 2: 'a; b' names several classes, and 'a' is one"),
        (["Cat", "dog", "cat"], r"'Cat' \(row 0\) and 'cat' \(row 2\) differ by case"),
        (["a  b", "a b"], "differ by case or blanks"),
        (["1", "2", "01"], r"'1' \(row 0\) and '01' \(row 2\) are the same number"),
        (["1", "1.0"], "are the same number"),
    ],
)
def test_judge__labels_that_do_not_go_together(values, message):
    labels = Labels("x")
    for row, value in enumerate(values):
        labels.read(value, f"row {row}")
    with pytest.raises(DataError, match=message):
        labels.judge()


@pytest.mark.parametrize(
    "values",
    [
        ["a", "b"],
        ["1", "1.5", "11"],
        [0.0, 1],
        ["none", "some"],
        ["a", "a;b"],
        ["cats, dogs", "birds"],
        [1, 2, 1],
    ],
)
def test_judge__labels_that_do(values):
    labels = Labels("x")
    for row, value in enumerate(values):
        labels.read(value, f"row {row}")
    labels.judge()
