"""The picture that a table names is found, or what was meant is said."""

import os
import zipfile
from pathlib import Path

import pytest

from budwood.core.errors import DataError
from budwood.data.sources.archive import open_archive
from budwood.data.sources.find import Finder
from budwood.data.sources.tree import DiskTree


def finder(folder, base="", **options):
    return Finder(DiskTree(folder), base, "x.csv", **options)


@pytest.mark.parametrize(
    ("base", "path", "name"),
    [
        ("", "a/1.png", "a/1.png"),
        ("", ".//a/./1.png", "a/1.png"),
        ("", "a\\1.png", "a/1.png"),
        ("", "b/../a/1.png", "a/1.png"),
        ("a", "1.png", "a/1.png"),
        ("a", "../b/3.png", "b/3.png"),
        ("a", "1", "a/1.png"),
        ("", Path("a") / "1.png", "a/1.png"),
        ("", ("none.png", "b/3.png"), "b/3.png"),
    ],
)
def test_find__ways_to_write_a_path(folder, base, path, name):
    found = finder(folder, base).find(path, "row 2")
    assert (found.name, found.image) == (name, folder / name)


def test_find__absolute_paths_below_the_root_and_elsewhere(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "9.png"
    other.write_bytes(b"x")
    assert finder(folder).find(str(folder / "b" / "3.png"), "row 2").name == "b/3.png"
    assert finder(folder, "a").find(str(folder / "b" / "3.png"), "row 2").name == "b/3.png"
    assert finder(folder).find(str(other), "row 2").name == str(other).lstrip(os.sep)


def test_find__a_name_that_begins_with_two_dots_is_below_the_root(folder):
    (folder / "..a").mkdir()
    (folder / "..a" / "1.png").write_bytes(b"x")
    assert finder(folder).find("..a/1.png", "row 2").name == "..a/1.png"
    assert finder(folder).find(str(folder / "..a" / "1.png"), "row 2").name == "..a/1.png"


def test_find__the_ending_is_guessed_only_where_one_picture_fits(folder):
    (folder / "a" / "1.jpg").write_bytes(b"x")
    with pytest.raises(DataError, match="there is no 'a/1'"):
        finder(folder).find("a/1", "row 2")
    (folder / "b" / "5.png.JPG").write_bytes(b"x")
    with pytest.raises(DataError, match="there is no 'b/5.png'"):
        finder(folder).find("b/5.png", "row 2")


def test_find__where_the_first_picture_lies_the_others_do_too(folder):
    for name in ("images/1.png", "images/2.png", "2.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")
    looked = finder(folder, beside=("images",))
    assert [looked.find(name, "row 2").name for name in ("1.png", "2.png")] == [
        "images/1.png",
        "images/2.png",
    ]
    assert finder(folder, beside=("images",)).find("2.png", "row 2").name == "2.png"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (None, "the path is empty"),
        (float("nan"), "the path is empty"),
        (3, "the path is of type int"),
        ("a\0b", "is no path of a picture"),
        ("a" * 5000, "is no path of a picture"),
        ("s3://bucket/1.png", "lies outside of what may be read .*--allow-uri s3://bucket"),
        ("data:image/png;base64,xx", "is an address on the network"),
        (
            "https://KEY:SECRET@h/x.jpg?sig=SECRET",
            r"'https://\.\.\.@h/x.jpg\?\.\.\.' is an address on the network",
        ),
        ("../1.png", "leads out of"),
        ("..\\1.png", "leads out of"),
        ("a", "there is no 'a'"),
        ("a/1.png/2.png", "there is no 'a/1.png/2.png'"),
        ("A/1.png", "'a' differs by case or blanks"),
        ("a/1.png ", "'1.png' differs by case or blanks"),
        ("b/33.png", r"in b\. Did you mean '3\.png'"),
        ("1.png", r"one in 'a'.*--set data\.root=a"),
        ("/home/me/photos/a/1.png", "there is 'a/1.png' below .*remove '/home/me/photos/' from every row"),
        ("/home/me/x/nothing.jpg", "of another place or machine: write paths below"),
        ("D:\\photos\\b\\4.png", r"there is 'b/4.png' below .*remove 'D:\\\\photos\\\\'"),
    ],
)
def test_find__what_is_wrong_is_said(folder, path, message):
    with pytest.raises(DataError, match=f"x.csv, row 2: .*{message}"):
        finder(folder).find(path, "row 2")


def test_find__a_picture_in_an_archive_beside_the_table(folder):
    with zipfile.ZipFile(folder / "photos.zip", "w") as opened:
        opened.writestr("in/1.png", b"inside")
    found = finder(folder).find("photos.zip/in/1.png", "row 2")
    assert (found.name, found.image.read()) == ("photos.zip/in/1.png", b"inside")
    inside = Finder(open_archive(folder / "photos.zip"), "in", "x.csv")
    assert inside.find("1.png", "row 2").name == "in/1.png"
    for path in ("../../1.png", "/etc/passwd"):
        with pytest.raises(DataError, match="lies outside of the archive|leads out of"):
            inside.find(path, "row 2")
