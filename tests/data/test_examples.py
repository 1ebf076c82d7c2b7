import numpy as np
import pandas as pd
import pytest

from budwood.data.examples import read_examples
from budwood.data.indicator import Indicator
from budwood.data.label_sets import with_labels
from budwood.data.manifest import Manifest, Photo

PIXELS = np.zeros((8, 8, 3), np.uint8)


def test_read_examples__a_manifest_says_all_of_it():
    photos = (
        with_labels(Photo(PIXELS, "1", "", group="g", weight=2.0), ["sea"], unknown=["sun"]),
        with_labels(Photo(PIXELS, "2", ""), []),
    )
    found = read_examples(Manifest(photos, ("sun", "sea")))
    assert isinstance(found.labels, Indicator) and found.labels.labels == ("sun", "sea")
    np.testing.assert_array_equal(found.labels.targets, [[np.nan, 1], [0, 0]])
    assert found.groups == ["group g", ""] and found.weights is not None and found.weights.tolist() == [2, 1]
    given = read_examples(
        Manifest(photos, ("sun", "sea")), ["a", "b"], groups=[1, 1], sample_weight=[1.0, 3.0]
    )
    assert given.groups == ["group 1", "group 1"] and given.weights is not None
    assert isinstance(given.labels, np.ndarray) and given.weights.tolist() == [1, 3]


def test_read_examples__a_manifest_of_one_class_each():
    found = read_examples(Manifest((Photo(PIXELS, "1", "b"), Photo(PIXELS, "2", "a")), ("a", "b")))
    assert isinstance(found.labels, np.ndarray) and found.labels.tolist() == ["b", "a"]
    assert found.groups is None and found.weights is None


@pytest.mark.parametrize(
    ("X", "y", "words"),
    [
        ([PIXELS], None, "requires y to be passed, but the target y is None"),
        (pd.DataFrame({"path": ["a.jpg"], "side": [8]}), ["a"], "Give its column of paths"),
        (PIXELS, ["a"], r"a single one was given, of shape \(8, 8, 3\)"),
        (b"", ["a"], "a single one was given. Put it in a list"),
        ([PIXELS], [["a"], []], r"one label per picture: got shape \(2, 1\) for 1 pictures"),
        ([PIXELS], "a", r"got shape \(\) for 1"),
    ],
)
def test_read_examples__wrong_input(X, y, words):  # noqa: N803
    with pytest.raises(ValueError, match=words):
        read_examples(X, y)


def test_read_examples__a_column_in_any_form():
    frame = pd.DataFrame({"path": ["a.jpg", "b.jpg"], "label": ["x", "y"]}, index=[7, 3])
    column = frame["path"]
    for X in (column, frame[["path"]], column.to_numpy().reshape(-1, 1), column.astype("category")):  # noqa: N806
        found = read_examples(X, frame["label"])
        assert found.pictures == ["a.jpg", "b.jpg"] and list(found.labels) == ["x", "y"]
