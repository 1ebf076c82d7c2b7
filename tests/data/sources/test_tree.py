import os

import pytest

from budwood.data.sources.tree import DiskTree, Entry, Tree


def test_disk_tree__lists_every_kind_sorted_by_name(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2").write_bytes(b"xyz")
    (tmp_path / ".hidden").write_bytes(b"")
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "ring").symlink_to("ring")
    (tmp_path / "to").symlink_to("b")
    tree = DiskTree(tmp_path)
    assert isinstance(tree, Tree)
    assert tree.entries("") == (
        Entry(".hidden", "file"),
        Entry("b", "folder"),
        Entry("gone", "broken_link"),
        Entry("ring", "link_loop"),
        Entry("to", "folder"),
    )
    assert tree.entries("to") == (Entry("to/2", "file", size=3),)
    assert tree.identity("to") == tree.identity("b") != tree.identity("")
    assert (tree.start("b/2", 2), tree.image("b/2").read()) == (b"xy", b"xyz")


def test_disk_tree__looks_at_a_folder_once(tmp_path):
    tree = DiskTree(tmp_path)
    assert tree.entries("") == ()
    (tmp_path / "late").write_bytes(b"")
    assert tree.entries("") == ()
    assert len(DiskTree(tmp_path).entries("")) == 1


def test_disk_tree__a_relative_root_stays_where_it_was(tmp_path, monkeypatch):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "1").write_bytes(b"one")
    monkeypatch.chdir(tmp_path)
    tree = DiskTree("x")
    monkeypatch.chdir("/")
    assert (tree.title, tree.image("1").read()) == ("x", b"one")


@pytest.mark.parametrize(
    ("root", "name", "path"), [("/", "", "/"), ("/", "a/b", "/a/b"), ("/x/", "a", "/x/a")]
)
def test_path__has_one_slash_between(root, name, path):
    assert DiskTree(root).path(name) == path


def test_disk_tree__what_cannot_be_looked_at_says_why(tmp_path, monkeypatch):
    (tmp_path / "1").write_bytes(b"")
    stat = os.stat

    def refuse(path, *rest, **more):
        if str(path).endswith("1"):
            raise PermissionError(13, "Permission denied")
        return stat(path, *rest, **more)

    monkeypatch.setattr(os, "stat", refuse)
    assert DiskTree(tmp_path).entries("") == (Entry("1", "unreadable", "Permission denied"),)
