import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from budwood.core.errors import DataError
from budwood.data.indicator import read_indicator, refuse_joined


@pytest.mark.parametrize(
    "y",
    [
        ["a", "b"],
        [1, 2],
        np.array([0, 1]),
        pd.Series(["a;b", "c"]),
        np.array(["a", None], object),
        "ab",
        3,
        (one for one in "ab"),
        [b"a", b"b"],
    ],
    ids=["names", "numbers", "array", "series", "missing", "text", "number", "generator", "bytes"],
)
def test_read_indicator__one_class_a_picture(y):
    assert read_indicator(y) is None


@pytest.mark.parametrize(
    "form",
    [
        np.ndarray.tolist,
        list,
        lambda y: y.astype(bool),
        lambda y: y.astype(object),
        csr_matrix,
        lambda y: pd.DataFrame(y, dtype="Int64"),
    ],
)
def test_read_indicator__every_form_of_a_matrix(form):
    y = np.array([[0, 1, 1], [0, 0, 0], [1, 0, 1]])
    found = read_indicator(form(y), ["0", "1", "2"])
    assert found is not None and found.targets.dtype == np.float32
    np.testing.assert_array_equal(found.targets, y)


def test_read_indicator__cells_of_a_frame_that_lack():
    frame = pd.DataFrame({"sea": [1, 0, None], "sun": pd.array([True, None, False], "boolean")})
    found = read_indicator(frame)
    assert found is not None and found.labels == ("sea", "sun")
    np.testing.assert_array_equal(found.targets, [[1, 1], [0, np.nan], [np.nan, 0]])


def test_read_indicator__known_labels_decide_the_order():
    found = read_indicator(pd.DataFrame({"sun": [1, 0], "sea": [0, 0]}), ["sea", "sun"])
    assert found is not None
    np.testing.assert_array_equal(found.targets, [[0, 1], [0, 0]])
    found = read_indicator([{"sun"}, set()], ["sea", "sun"])
    assert found is not None
    np.testing.assert_array_equal(found.targets, [[0, 1], [0, 0]])


@pytest.mark.parametrize(
    ("y", "labels", "words"),
    [
        (np.array([[0, 1], [2, 0]]), None, "row 1 of y says '2' of label 0. Expected 1"),
        (pd.DataFrame({"sea": ["yes", 1], "sun": [0, 1]}), None, "row 0 of y says 'yes' of sea"),
        (np.zeros((4, 1)), None, r"one label per picture.*shape \(4, 1\)"),
        (np.array([["a", "b"], ["b", "c"]]), None, "row 0 of y says 'a' of label 0"),
        (np.zeros((2, 3, 2)), None, r"shape \(2, 3, 2\)"),
        ([[0, 1], [1]], None, "rows of y have 1 to 2 numbers"),
        ([["a"], "b"], None, "one class for picture 1, and several labels for picture 0"),
        ([{1}, {2}], None, r"y\[0\] holds 1 among its labels. Give texts, such as '1'"),
        ([["a"], [2]], None, r"y\[1\] holds 2"),
        ([[], []], None, "no label of any picture"),
        ([["c"], []], ["a", "b"], "the label c, which was not among those of fit: a, b"),
        (np.zeros((2, 3)), ["a", "b"], "3 columns for 2 labels"),
        (pd.DataFrame({"a": [1], "c": [0]}), ["a", "b"], "b is in one of the two alone"),
        (pd.DataFrame([[1, 0]], columns=["a", "a"]), None, "two columns of y have the name a"),
    ],
)
def test_read_indicator__wrong_input(y, labels, words):
    with pytest.raises(ValueError, match=words):
        read_indicator(y, labels)


@pytest.mark.parametrize("label", ["a;b", "?a"])
def test_read_indicator__a_label_that_cannot_stand_beside_others(label):
    with pytest.raises(DataError, match="several labels of a photo are told apart"):
        read_indicator([[label], []])


def test_refuse_joined__only_where_a_part_comes_back():
    refuse_joined(["salt;pepper", "sugar", "flour"])
    refuse_joined([3, 4])
    for joined in (["sea", "sea;sun"], ["sea;sun", "sand;sun"], ["sea;sun", "sea"]):
        with pytest.raises(ValueError, match="can be read in two ways"):
            refuse_joined(joined)
