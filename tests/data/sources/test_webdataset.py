"""Shards of WebDataset."""

import json
import tarfile

import pytest

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.data.images import decode
from budwood.data.sources import read_source
from tests.data.sources.forms import COLOURS, add, encoded, make_webdataset


def shard(file, samples):
    """A shard of files by name: their content as bytes, text or an object."""
    with tarfile.open(file, "w") as archive:
        for name, content in samples.items():
            if not isinstance(content, bytes):
                content = (content if isinstance(content, str) else json.dumps(content)).encode()
            add(archive, name, content)
    return file


def test_read_shards__splits_and_class_names(tmp_path):
    found = read_source(make_webdataset(tmp_path))
    assert found.classes == ("blue", "red")
    assert {photo.name.partition("/")[0]: photo.split for photo in found.photos} == {
        "train-0000.tar": "train",
        "test-0000.tar": "test",
    }
    assert all(tuple(decode(photo.image)[0, 0]) == COLOURS[photo.label] for photo in found.photos)


def test_read_shards__splits_by_folder_and_by_names_of_ones_own(tmp_path):
    make_webdataset(tmp_path / "shards")
    for split in ("train", "test"):
        (tmp_path / "shards" / split).mkdir()
        (tmp_path / "shards" / f"{split}-0000.tar").rename(tmp_path / "shards" / split / "0000.tar")
    (tmp_path / "shards" / "classnames.txt").unlink()
    found = read_source(tmp_path / "shards")
    assert sum(photo.split == "test" for photo in found.photos) == 2 and found.classes == ("0", "1")
    (tmp_path / "shards" / "train").rename(tmp_path / "shards" / "learn")
    with pytest.raises(
        DataError, match=r"the names of some shards say their split, and that of 0000\.tar does not"
    ):
        read_source(tmp_path / "shards")
    found = read_source(tmp_path / "shards", Data(split_folders={"train": "learn", "test": "test"}))
    assert {photo.split for photo in found.photos} == {"train", "test"}


def test_read_shards__what_lies_beside_is_kept(tmp_path):
    samples = {}
    for number, label in enumerate(("cat", "dog", "cat")):
        samples |= {
            f"a/{number}.seg.png": encoded("red", number),
            f"a/{number}.json": {
                "label": label,
                "group": f"p{number}",
                "weight": 2,
                "width": 40,
                "meta": {"x": 1},
            },
            f"a/{number}.txt": "a caption",
        }
    found = read_source(shard(tmp_path / "x.tar", samples))
    assert [photo.name for photo in found.photos] == ["a/0.seg.png", "a/1.seg.png", "a/2.seg.png"]
    assert [(photo.label, photo.group, photo.weight) for photo in found.photos][1] == ("dog", "p1", 2.0)
    assert dict(found.photos[0].metadata) == {"width": "40"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"9.png": b"x"}, r"x-0\.tar: '9' has no class beside it"),
        ({"9.png": b"x", "9.cls": b"\xff\xfe"}, r"'9\.cls' is not UTF-8, byte 0"),
        ({"9.png": b"x", "9.cls": ""}, r"'9': the label is empty"),
        ({"9.png": b"x", "9.cls": "1" * 2_000_000}, r"'9\.cls' is of more than 1,000,000 bytes"),
        ({"9.png": b"x", "9.json": "{"}, r"'9': it is no JSON"),
        ({"9.png": b"x", "9.json": [1]}, r"'9': its \.json is of type list"),
        ({"9.png": b"x", "9.cls": "red"}, r"mixed types: 0 in .*'0' is a number, 'red'"),
    ],
)
def test_read_shards__what_is_wrong_is_said(tmp_path, more, message):
    good = {"0.png": b"x", "0.cls": "0", "1.png": b"y", "1.cls": "1"}
    (tmp_path / "s").mkdir()
    shard(tmp_path / "s" / "x-0.tar", good | more)
    with pytest.raises(DataError, match=message):
        read_source(tmp_path / "s")


def test_read_shards__a_class_without_a_name(tmp_path):
    make_webdataset(tmp_path)
    (tmp_path / "classnames.txt").write_text("red\n")
    with pytest.raises(DataError, match=r"the label is 1, and the classes are numbered 0 to 0"):
        read_source(tmp_path)


def test_read_source__a_tar_of_class_folders_with_notes_is_no_shard(tmp_path):
    samples = {}
    for label in COLOURS:
        for number in range(3):
            samples |= {
                f"{label}/{number}.png": encoded(label, number),
                f"{label}/{number}.json": {"iso": 100},
            }
    found = read_source(shard(tmp_path / "x.tar", samples))
    assert found.classes == ("blue", "red") and found.reading.layout == "classes"
