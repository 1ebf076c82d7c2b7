"""What lies in a folder: photos by their ending or content, and everything else by kind."""

import os

import pytest

from budwood.data.sources.tree import DiskTree
from budwood.data.sources.walk import Walk
from tests.data.sources.shelf import Shelf

JPEG = b"\xff\xd8\xff\xe0 a JPEG"


def photos(walk):
    return [file.name for file in walk.top.every()]


def unread(walk):
    return {one.name: one.kind for one in walk.unread}


def walk_disk(folder, contents):
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return Walk(DiskTree(folder))


def test_walk__is_in_the_order_of_names_with_sizes(tmp_path):
    walk = walk_disk(tmp_path, {"b/2.jpg": b"xy", "b/10.jpg": b"x", "a.JPG": b"", "c/d/e.png": b"xyz"})
    assert [(file.name, file.size) for file in walk.top.every()] == [
        ("a.JPG", 0),
        ("b/10.jpg", 1),
        ("b/2.jpg", 2),
        ("c/d/e.png", 3),
    ]
    assert walk.unread == []
    assert walk.problems == []


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("photo", JPEG, "photo"),
        ("photo.jpg_large", JPEG, "photo"),
        ("photo.jpg", b"no picture at all", "photo"),
        ("photo.txt", JPEG, "format"),
        ("photo.CR2", b"II*\0", "format"),
        ("words", b"words", "format"),
        ("empty", b"", "format"),
        ("photo.jpg.crdownload", JPEG, "partial"),
        ("photo.TMP", JPEG, "partial"),
        (".photo.jpg", JPEG, "litter"),
        ("Thumbs.db", b"", "litter"),
    ],
)
def test_walk__a_file_is_known_by_its_ending_then_by_its_content(tmp_path, name, content, kind):
    walk = walk_disk(tmp_path, {name: content})
    assert photos(walk) == ([name] if kind == "photo" else [])
    assert unread(walk) == ({} if kind == "photo" else {name: kind})


def test_walk__says_what_a_format_lacks(tmp_path):
    walk = walk_disk(tmp_path, {"a.md": b"", "no_ending": b"words"})
    assert [one.detail for one in walk.unread] == [
        ".md is none of the formats that are read",
        "no ending is none of the formats that are read",
    ]
    assert [one.ending for one in walk.unread] == [".md", ""]


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (["run/run.json", "run/1.jpg"], []),
        (["runs/a/run.json", "runs/b/run.json", "runs/b/1.jpg"], []),
        (["runs/a/run.json", "runs/b/run.json", "runs/.DS_Store"], []),
        (["mixed/a/run.json", "mixed/1.jpg"], ["mixed/1.jpg"]),
        (["runs/a/run.json", "runs/b/1.jpg"], ["runs/b/1.jpg"]),
        (["run.json", "1.jpg"], ["1.jpg"]),
    ],
)
def test_walk__runs_are_passed_over_and_what_lies_beside_is_not(names, left):
    walk = Walk(Shelf(names))
    assert photos(walk) == left
    assert "run" in unread(walk).values() or "run.json" in names


def test_walk__a_folder_that_is_called_like_the_file_of_a_run_is_none():
    assert photos(Walk(Shelf(["a/run.json/1.jpg", "b/2.jpg"]))) == ["a/run.json/1.jpg", "b/2.jpg"]


def test_walk__follows_links_and_stops_where_they_lead_back(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "1.jpg").write_bytes(JPEG)
    data = tmp_path / "data"
    for name in ("a", "b"):
        (data / name).mkdir(parents=True)
    (data / "a" / "store").symlink_to(tmp_path / "store")
    (data / "b" / "store").symlink_to(tmp_path / "store")
    (data / "a" / "other").symlink_to(data / "b")
    (data / "b" / "other").symlink_to(data / "a")
    (data / "ring").symlink_to(data / "ring")
    (data / "gone").symlink_to(data / "nowhere")
    walk = Walk(DiskTree(data))
    assert photos(walk) == ["a/other/store/1.jpg", "a/store/1.jpg", "b/other/store/1.jpg", "b/store/1.jpg"]
    assert unread(walk) == {
        "a/other/other": "link_loop",
        "b/other/other": "link_loop",
        "ring": "link_loop",
        "gone": "broken_link",
    }
    assert {(one.path, one.kind) for one in walk.problems} == set(unread(walk).items())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_walk__a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    walk = Walk(DiskTree(tmp_path))
    assert unread(walk) == {"pipe.jpg": "other"}


def test_walk__what_cannot_be_listed_is_a_problem(tmp_path, monkeypatch):
    def refuse(tree, folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(DiskTree, "entries", refuse)
    walk = Walk(DiskTree(tmp_path))
    assert [(one.path, one.kind) for one in walk.problems] == [(".", "unreadable")]
    assert "Permission denied" in walk.problems[0].detail


@pytest.mark.parametrize(
    ("names", "empty"),
    [([], True), ([".hidden", "a/.x"], False), ([".hidden"], True), (["a.txt"], False), (["1.jpg"], False)],
)
def test_is_empty__but_for_what_is_hidden(names, empty):
    assert Walk(Shelf(names)).is_empty is empty
