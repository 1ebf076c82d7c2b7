"""Trees of labels: what is a tree, and what is said of what is none."""

import re

import pytest

from budwood.core.errors import DataError
from budwood.data.taxonomy import Link, Taxonomy, fitted, make_taxonomy

BIRDS = [
    ("bird", ""),
    ("owl", "bird"),
    ("barn owl", "owl"),
    ("snowy owl", "owl"),
    ("wren", "bird"),
]


def made(rows, **options):
    return make_taxonomy(
        [Link(label, parent, f"row {number}") for number, (label, parent) in enumerate(rows, 2)],
        "t.csv",
        **options,
    )


def refused(rows, **options):
    with pytest.raises(DataError) as error:
        made(rows, **options)
    return str(error.value)


def test_make_taxonomy__paths_levels_and_classes_whatever_the_order():
    for rows in (BIRDS, BIRDS[::-1]):
        tree = made(rows)
        assert tree.root == "bird" and tree.num_levels == 2 and not tree.is_flat
        assert tree.path("snowy owl") == ("owl", "snowy owl") and tree.path("wren") == ("wren",)
        assert set(tree.classes) == {"barn owl", "snowy owl", "wren"}
        assert set(tree.rows) == set(BIRDS) and tree.rows[0] == ("bird", "")


def test_make_taxonomy__a_root_without_a_name():
    tree = made([("owl", ""), ("barn owl", "owl"), ("snowy owl", "owl"), ("wren", "")], nameless_root=True)
    assert tree.root == "" and tree.path("barn owl") == ("owl", "barn owl")
    # One node above all others is the root, whether it is called so or not.
    assert made(BIRDS, nameless_root=True) == made(BIRDS)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("a", "b"), ("b", "c"), ("c", "a"), ("r", "")], "t.csv, row 2: the parents form a circle: a → b → c → a"),
        ([("r", ""), ("a", "a")], "t.csv, row 3: the parents form a circle: a → a"),
        ([*BIRDS, ("bee", "")], "t.csv has two roots: 'bird' (row 2) and 'bee' (row 7) have no parent. Add a row"),
        ([*BIRDS, ("x", ""), ("y", "")], "and 1 more have none"),
        ([*BIRDS, ("elf owl", "owll")], "row 7: the parent 'owll' of 'elf owl' has no row of its own. Did you mean"),
        ([*BIRDS, ("", "owl")], "t.csv, row 7: the label is empty"),
        ([*BIRDS, ("barn owl", "bird")], "row 7: the label 'barn owl' has two parents: 'bird' here and 'owl' in row 4"),
        ([*BIRDS, ("bird", "owl")], "row 7: the label 'bird' has two parents: 'owl' here and none in row 2"),
        ([*BIRDS, ("barn owl", "owl")], "row 7: the label 'barn owl' is there twice, the first time in row 4"),
        ([*BIRDS, ("Barn  Owl", "owl")], "row 7: 'Barn  Owl' and 'barn owl' (row 4) differ by case or blanks alone"),
        ([], "t.csv names no label"),
    ],
)  # fmt: skip
def test_make_taxonomy__refuses_what_is_no_tree(rows, words):
    assert words in refused(rows)


def test_make_taxonomy__a_long_chain():
    rows = [("n0", ""), *((f"n{number}", f"n{number - 1}") for number in range(1, 3000))]
    assert made(rows[::-1]).num_levels == 2999


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (["barn owl", "snowy owl", "wren", "emu"], "t.csv has no row for 'emu', a class of the photos. Add a row"),
        (["barn owl", "snowy owl", "Wren"], "no row for 'Wren', a class of the photos. 'wren' (row 6) differs by case"),
        (["a", "b", "wren"], "no row for 'a', a class of the photos, nor for 1 more"),
        (["barn owl", "wren"], "t.csv, row 5: 'snowy owl' is no class of the photos, and the parent of nothing."),
        (["barn owl", "snowy owl", "wren", "owl"], "row 4: 'owl' is the parent of 'barn owl' and a class of the"),
        (["barn owl", "snowy owl", "wren", "bird"], "row 3: 'bird' is the parent of 'owl' and a class of the photos"),
    ],
)  # fmt: skip
def test_fitted__refuses_other_classes_than_the_photos_have(classes, words):
    with pytest.raises(DataError, match=re.escape(words)):
        fitted(made(BIRDS), classes, "t.csv")


def test_fitted__the_leaves_are_the_classes():
    tree = made(BIRDS)
    assert fitted(tree, ["wren", "barn owl", "snowy owl"], "t.csv") is tree


def test_only__drops_what_is_above_no_class_left():
    assert made(BIRDS).only(["wren"]).parents == {"wren": "bird"}
    nameless = Taxonomy({"owl": "", "barn owl": "owl", "snowy owl": "owl", "wren": ""})
    left = nameless.only(["barn owl", "snowy owl"])
    assert left.root == "owl" and left.is_flat
    assert made(left.rows, nameless_root=True) == left


def test_is_flat__a_tree_that_says_nothing():
    assert made([("pet", ""), ("cat", "pet"), ("dog", "pet")]).is_flat


def test_sha256__is_of_what_the_tree_says():
    other = made([*BIRDS[:-1], ("wren", "owl")])
    assert made(BIRDS).sha256 == Taxonomy(dict(BIRDS[1:]), "bird").sha256 != other.sha256
