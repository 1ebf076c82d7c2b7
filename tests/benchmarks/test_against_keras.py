import os
from collections import Counter
from pathlib import Path

from benchmarks.against_keras import FOLDER, link_tree


def test_link_tree__links_each_photo_of_a_folder_into_its_split(tmp_path, monkeypatch, colours):
    monkeypatch.chdir(tmp_path)
    tree = link_tree(colours, seed=0)

    links = [path for path in tree.rglob("*") if path.is_symlink()]
    assert tree == FOLDER / "split-0"
    assert Counter(link.resolve() for link in links) == Counter(
        path.resolve() for path in colours.rglob("*") if path.is_file()
    )
    for link in links:
        split, label, name = link.relative_to(tree).parts
        assert split in {"train", "validation", "test"}
        assert Path(os.readlink(link)) == colours / label / name


def test_link_tree__leaves_a_tree_that_is_there(tmp_path, monkeypatch, colours):
    monkeypatch.chdir(tmp_path)
    before = sorted(link_tree(colours, seed=0).rglob("*"))

    assert sorted(link_tree(tmp_path / "nothing", seed=0).rglob("*")) == before
