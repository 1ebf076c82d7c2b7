import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from budwood.core.errors import DataError
from budwood.data.expand_paths import expand

NOTHING = bytes


@pytest.fixture
def photos(tmp_path, monkeypatch):
    for name in ("b.jpg", "a.PNG", "sub/c.webp", ".hidden/d.jpg", "sub/notes.txt"):
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photos"


def names(arguments, read=NOTHING):
    return [name for name, _ in expand(arguments, read)]


def encoded(side=8) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((side, side, 3), np.uint8)).save(file, "png")
    return file.getvalue()


def test_expand__keeps_the_order_and_what_is_missing(photos):
    assert expand(["photos/b.jpg", "absent.jpg", "photos/a.PNG"], NOTHING) == [
        (name, Path(name)) for name in ("photos/b.jpg", "absent.jpg", "photos/a.PNG")
    ]


def test_expand__folder_gives_its_pictures_sorted(photos):
    assert names(["photos"]) == ["photos/a.PNG", "photos/b.jpg", "photos/sub/c.webp"]


def test_expand__folder_without_pictures_stays(photos):
    (photos / "empty").mkdir()
    assert names(["photos/empty", "photos/b.jpg"]) == ["photos/empty", "photos/b.jpg"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_expand__unreadable_folder_stays(photos):
    (photos / "sub").chmod(0)
    try:
        assert "photos/sub" in names(["photos"])
    finally:
        (photos / "sub").chmod(0o700)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("photos/*.jpg", ["photos/b.jpg"]),
        ("photos/*/*.webp", ["photos/sub/c.webp"]),
        ("photos/*", ["photos/a.PNG", "photos/b.jpg", "photos/sub/c.webp"]),
        ("photos/**/*.webp", ["photos/sub/c.webp"]),
        ("photos/*.gif", ["photos/*.gif"]),
    ],
)
def test_expand__patterns(photos, pattern, expected):
    assert names([pattern]) == expected


def test_expand__file_whose_name_looks_like_a_pattern(photos):
    (photos / "b[1].jpg").write_bytes(b"")
    assert names(["photos/b[1].jpg"]) == ["photos/b[1].jpg"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"photos/b.jpg\r\nabsent.jpg\n\n", ["photos/b.jpg", "absent.jpg"]),
        (b"photos/b.jpg\0two\nlines.jpg\0", ["photos/b.jpg", "two\nlines.jpg"]),
        (b"photos/sub\n", ["photos/sub/c.webp"]),
    ],
)
def test_expand__standard_input_is_a_list(photos, content, expected):
    assert names(["-"], lambda: content) == expected


@pytest.mark.skipif(sys.platform == "win32", reason="names are text there")
def test_expand__list_with_bytes_that_are_no_text(photos):
    assert os.fsencode(names(["-"], lambda: b"caf\xe9.jpg\n")[0]) == b"caf\xe9.jpg"


@pytest.mark.parametrize(
    "content",
    [encoded(), encoded()[:40], b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"],
    ids=["whole", "truncated", "unknown format"],
)
def test_expand__standard_input_is_a_picture(content):
    assert expand(["-"], lambda: content) == [("standard input", content)]


def test_expand__nothing():
    with pytest.raises(DataError, match="no picture was named"):
        expand(["-"], lambda: b"\n")


def test_expand__counts_what_is_not_read(photos):
    for name in ("sub/1.HEIC", "sub/2.heic", "raw.NEF"):
        (photos / name).write_bytes(b"")
    (photos / "sub" / "odd").write_bytes(encoded())
    found = expand(["photos"], NOTHING)
    assert [name for name, _ in found] == [
        "photos/a.PNG",
        "photos/b.jpg",
        "photos/sub/c.webp",
        "photos/sub/odd",
    ]
    assert {(one.kind, one.place, one.ending): one.count for one in found.passed_over} == {
        ("format", "photos/sub", ".heic"): 2,
        ("format", "photos/sub", ".txt"): 1,
        ("format", "photos", ".nef"): 1,
        ("litter", "photos", ""): 1,
    }
    assert expand(["photos/b.jpg"], NOTHING).passed_over == ()


def test_expand__a_table_names_pictures(photos):
    table = photos.parent / "t.csv"
    table.write_text("path,note\nphotos/b.jpg,1\nphotos/absent.jpg,2\n")
    assert expand(["t.csv"], NOTHING) == [
        ("photos/b.jpg", photos / "b.jpg"),
        ("photos/absent.jpg", photos / "absent.jpg"),
    ]
    assert len(expand(["t.csv", str(table)], NOTHING)) == 4
    for arguments, paths_from in ((["photos", "t.csv"], None), (["t.csv"], "-")):
        with pytest.raises(
            DataError, match=r"^t\.csv is a table of pictures, and others are named beside it"
        ):
            expand(arguments, NOTHING, paths_from=paths_from)
    # Among what a pattern names it is a file like others.
    assert names(["*.csv"]) == ["t.csv"]


def test_expand__a_list_of_files(photos):
    Path("list.txt").write_text("photos/b.jpg\nphotos/sub\n")
    found = expand(["photos/a.PNG"], NOTHING, paths_from="list.txt")
    assert [name for name, _ in found] == ["photos/a.PNG", "photos/b.jpg", "photos/sub/c.webp"]
    # Whatever it holds.
    assert [name for name, _ in expand([], lambda: b"GIF89a\0b.jpg", paths_from="-")] == ["GIF89a", "b.jpg"]
    with pytest.raises(DataError, match=r"cannot read the list absent\.txt"):
        expand([], NOTHING, paths_from="absent.txt")


def test_expand__of_object_storage(bucket):
    from budwood.storage.objects import open_storage
    from budwood.storage.place import read_place

    place = read_place(f"s3://{bucket}/lab")
    storage = open_storage(place)
    for name in ("b/2.png", "a/1.png", "notes.txt"):
        storage.put(name, b"x")
    found = expand([str(place), f"{place}/b/2.png"], lambda: b"")
    assert [name for name, _ in found] == [f"{place}/{name}" for name in ("a/1.png", "b/2.png", "b/2.png")]
    assert found[0][1].read() == b"x"
    assert sum(one.count for one in found.passed_over) == 1
    for wrong, why in (("none", "holds no pictures"), ("t.csv", "Download it")):
        with pytest.raises(DataError, match=why):
            expand([f"{place}/{wrong}"], lambda: b"")
