import pytest

from budwood.core.errors import DataError
from budwood.data.manifest import Kin, Photo
from budwood.inference.by_column import refuse_unknown_column, values_by
from budwood.inference.own_photos import OwnPhotos

OWN = OwnPhotos([{"name": "1", "label": "a", "split": "test", "sha256": "s1", "group": ""}], ["a", "b"])
TAKEN = "2026:01:31 12:59:59"


def photo(name, label="a", group=None, taken="", **metadata):
    return Photo(b"", name, label, sha256=f"s{name}", group=group, metadata=metadata, kin=Kin(taken=taken))


def test_values_by__a_column_of_the_table():
    photos = [photo("1", site="north"), photo("2"), photo("3", site="north")]
    assert values_by(photos, "site", OWN, {}) == ["north", "", "north"]


def test_values_by__columns_that_were_read_as_something_else():
    photos = [photo("1", "a", group="g"), photo("2", "b", group="g"), photo("3", "b", group="h")]
    columns = {"path": "file", "label": "species", "group": "animal"}
    assert values_by(photos, "species", OWN, columns) == ["a", "b", "b"]
    assert values_by(photos, "animal", OWN, columns) == values_by(photos, "group", OWN, {}) == ["g", "g", "h"]


def test_values_by__what_every_photo_has():
    photos = [photo("1", taken=f"{TAKEN} Canon EOS 5D"), photo("2", taken=TAKEN), photo("3")]
    assert values_by(photos, "split", OWN, {}) == ["test", "new", "new"]
    assert values_by([*photos, photos[0]], "camera", OWN, {}) == ["Canon EOS 5D", "", "", "Canon EOS 5D"]
    # A column of that name goes first.
    assert values_by([photo("1", camera="x"), photo("2", camera="x")], "camera", OWN, {}) == ["x", "x"]


@pytest.mark.parametrize(
    "column, why",
    [
        ("cite", "no column 'cite' to go by. Did you mean site. The table has"),
        ("file", "no column 'file'"),
        ("camera", "none of the photos says in EXIF"),
        ("group", "'group' says nothing of any"),
        ("site", "another value for every photo"),
    ],
)
def test_values_by__refuses(column, why):
    photos = [photo("1", site="north"), photo("2", site="south")]
    with pytest.raises(DataError, match=why):
        values_by(photos, column, OWN, {"path": "file"})


def test_refuse_unknown_column__needs_no_check():
    refuse_unknown_column([photo("1")], "camera", {})
    with pytest.raises(DataError, match="Without a table there are label, group, split and camera"):
        refuse_unknown_column([photo("1")], "site", {})
