"""Folders of folders as a tree of labels."""

import re

import pytest

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.data.sources.branches import read_branches
from budwood.data.sources.folder import read_folder
from tests.data.sources.listings import in_each, listed


def written(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x" * (1 + len(name)))
    return read_folder(folder, Data(tree=True))


def test_read_branches__the_innermost_folders_are_classes():
    found = read_branches(listed(in_each("birds/owls/barn owl", "birds/owls/elf owl", "birds/wren", "cat")))
    assert found.layout == "tree"
    assert found.counts == {"barn owl": 3, "elf owl": 3, "wren": 3, "cat": 3}
    links = {(link.label, link.parent) for link in found.links}
    assert links == {
        *(("birds", ""), ("cat", ""), ("owls", "birds"), ("wren", "birds")),
        *(("barn owl", "owls"), ("elf owl", "owls")),
    }
    assert next(link.where for link in found.links if link.label == "owls") == "folder 'birds/owls'"


def test_read_folder__a_tree_with_splits(tmp_path):
    names = in_each("train/owls/barn", "train/owls/elf", "train/wren", "test/owls/barn", "test/wren")
    found = written(tmp_path, names)
    assert found.classes == ("barn", "elf", "wren")
    assert {(photo.label, photo.split) for photo in found.photos} == {
        *(("barn", "train"), ("elf", "train"), ("wren", "train"), ("barn", "test"), ("wren", "test"))
    }
    assert found.taxonomy.parents == {"owls": "", "wren": "", "barn": "owls", "elf": "owls"}
    assert found.reading.layout == "tree" and found.reading.splits == {"train": ("train",), "test": ("test",)}


def test_read_folder__the_same_photos_and_names_as_by_classes(tmp_path):
    tree = written(tmp_path, in_each("pets/cat", "pets/dog"))
    assert tree.taxonomy.root == "pets" and tree.taxonomy.is_flat
    flat = read_folder(tmp_path / "pets")
    assert [photo.label for photo in flat.photos] == [photo.label for photo in tree.photos]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (in_each("owls", "owls/barn", "wren"), "'owls' holds photos, such as '0.jpg', beside folders of photos, such"),
        (in_each("a/x", "a/y", "b/x"), "folder 'b/x': the label 'x' has two parents: 'b' here and 'a' in folder 'a/x'"),
        (in_each("owls/owls", "wren"), "folder 'owls/owls': the label 'owls' has two parents: 'owls' here and none"),
        (in_each("Owl/barn", "wren/owl"), "folder 'wren/owl': 'owl' and 'Owl' (folder 'Owl') differ by case or blanks"),
        (in_each("train/a/x", "train/y", "test/x", "test/y"), "folder 'train/a/x': the label 'x' has two parents"),
        (in_each("owls/barn"), "has photos of one class, 'barn', when it is read as --set data.tree=true asks"),
    ],
)  # fmt: skip
def test_read_folder__what_is_no_tree(tmp_path, names, words):
    with pytest.raises(DataError, match=re.escape(words)):
        written(tmp_path, names)


def test_data__one_way_to_say_the_tree():
    for settings in ({"tree": True, "taxonomy": "t.csv"}, {"tree": True, "layout": "nested"}):
        with pytest.raises(ValueError, match="tree = true"):
            Data(**settings)
    assert Data(tree=True, layout="splits").tree
