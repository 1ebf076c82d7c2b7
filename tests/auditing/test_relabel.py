"""`budwood.auditing.relabel`: decisions change the set of labels of a photo."""

import pytest

from budwood.auditing.decisions import Decision
from budwood.auditing.relabel import by_photo, is_idle, refuse_bad_labels, relabelled
from budwood.core.errors import DataError
from budwood.data.label_sets import with_labels
from budwood.data.manifest import Photo

SEA = with_labels(Photo(b"", "1.jpg", ""), ["sea", "trees"], ["sunset"])


def decided(verdict, label):
    return Decision("1.jpg", verdict, label=label, where="decisions.csv, line 2")


@pytest.mark.parametrize(
    ("decisions", "text"),
    [
        ([("add", "sunset")], "sea;sunset;trees"),
        ([("remove", "sea")], "trees;?sunset"),
        ([("remove", "sunset")], "sea;trees"),
        ([("unknown", "sea; trees")], "?sea;?sunset;?trees"),
        ([("add", "desert"), ("remove", "sea"), ("unknown", "trees")], "desert;?sunset;?trees"),
        ([("relabel", "desert; sea;?trees")], "desert;sea;?trees"),
        ([("remove", "sea;trees;sunset")], ""),
    ],
)
def test_relabelled__changes_the_set(decisions, text):
    found = relabelled(SEA, [decided(*one) for one in decisions])
    assert found.label == text and found.name == "1.jpg"
    assert not set(found.labels) & set(found.unknown)


def test_relabelled__one_class():
    assert relabelled(Photo(b"", "1.jpg", "a;b"), [decided("relabel", "c;d")]).label == "c;d"


def test_is_idle__of_what_is_there_or_absent_already():
    idle = [("add", "sea"), ("add", "desert; sea"), ("remove", "desert"), ("remove", "sea;desert")]
    done = [
        ("add", "sunset"),
        ("remove", "sunset"),
        ("remove", "sea"),
        ("unknown", "desert"),
        ("keep", "sea"),
    ]
    assert all(is_idle(SEA, decided(*one)) for one in idle)
    assert not any(is_idle(SEA, decided(*one)) for one in done)


def test_by_photo__those_that_change_labels():
    add, drop = decided("add", "sea"), decided("drop", "")
    assert by_photo([add, drop]) == {"1.jpg": [add]}


@pytest.mark.parametrize(
    ("decision", "several", "said"),
    [
        (("add", "seaa"), True, r"line 2: 'seaa' is no label of the data, .* Did you mean sea\?"),
        (("relabel", "sea;?moon"), True, "'moon' is no label"),
        (("relabel", "sea;?sea"), True, "'sea' is one of the labels, and '\\?sea' says that it is unknown"),
        (
            ("add", "sea"),
            False,
            "add changes one label of several, and the photos of the data have one class",
        ),
        (("relabel", "sea;trees"), False, "'sea;trees' is no class of the data"),
    ],
)
def test_refuse_bad_labels__names_the_line(decision, several, said):
    with pytest.raises(DataError, match=said):
        refuse_bad_labels([decided(*decision)], ("sea", "trees"), several)


def test_refuse_bad_labels__takes_what_is_right():
    refuse_bad_labels([decided("relabel", "sea;?trees"), decided("remove", "sea")], ("sea", "trees"), True)
    refuse_bad_labels([decided("relabel", "a;b")], ("a;b",), False)
