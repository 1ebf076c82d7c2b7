import dataclasses

import pytest

from budwood.core.errors import RunError
from budwood.core.files import sha256_of, write_json
from budwood.data.manifest import Photo
from budwood.runs.resume import refuse_other_photos
from budwood.runs.writing import write_split

PHOTOS = [Photo(b"", f"a/{number}.jpg", "a", "train", sha256=str(number)) for number in range(6)]


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """A folder in which a phase had begun; what its checkpoint says of the photos can be changed."""
    write_split(tmp_path, PHOTOS)
    write_json(tmp_path / "check.json", {"problems": [{"path": "a/bad.jpg"}]})
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "frozen-last.npz").touch()
    identity = {"photos": sha256_of(tmp_path / "split.csv")}
    monkeypatch.setattr("budwood.training.checkpoints.identity_of", lambda file: identity)
    return tmp_path, identity


def changed(number, **keys):
    return [dataclasses.replace(photo, **keys) if at == number else photo for at, photo in enumerate(PHOTOS)]


@pytest.mark.parametrize(
    ("photos", "words"),
    [
        (PHOTOS[1:], "begun with other photos: a/0.jpg is gone. Put"),
        ([*PHOTOS, Photo(b"", "a/9.jpg", "a", "train")], "photos: a/9.jpg is new. Put"),
        (changed(2, sha256="x"), "photos: a/2.jpg is another picture. Put"),
        (changed(2, label="b"), "photos: a/2.jpg is of another label. Put"),
        (changed(3, split="test"), "photos: a/3.jpg is of another split. Put"),
        (PHOTOS[5:], "a/0.jpg is gone; a/1.jpg is gone; a/2.jpg is gone and 2 more. Put"),
        # Others change their split with what goes: that is not said.
        (changed(3, split="test")[1:], "photos: a/0.jpg is gone. Put"),
    ],
)
def test_refuse_other_photos__says_which(begun, photos, words):
    folder, _ = begun
    with pytest.raises(RunError) as caught:
        refuse_other_photos(folder, photos)
    assert words in str(caught.value)


def test_refuse_other_photos__the_same_in_another_order_and_one_that_failed_before(begun):
    folder, _ = begun
    refuse_other_photos(folder, [Photo(b"", "a/bad.jpg", "a", "train"), *reversed(PHOTOS)])


def test_refuse_other_photos__nothing_to_compare_with(begun):
    folder, identity = begun
    identity["photos"] = "of another table"
    refuse_other_photos(folder, [])
    del identity["photos"]
    refuse_other_photos(folder, [])
    (folder / "checkpoints" / "frozen-last.npz").unlink()
    refuse_other_photos(folder, [])
