"""Photos in object storage: what holds for folders holds for prefixes, and what is gone or elsewhere is said."""

import io
import pickle
import tarfile
from pathlib import Path

import pytest

from budwood.config.data import Data
from budwood.core.errors import DataError, ImageError, MachineError, StorageError
from budwood.data.check import check
from budwood.data.manifest_files import write_manifest
from budwood.data.sources import read_source, source_name
from budwood.data.sources.object_tree import ObjectTree, local_copy
from budwood.data.sources.walk import Walk
from budwood.storage import objects
from budwood.storage.objects import open_storage
from budwood.storage.place import read_place
from tests.data.sources.forms import COLOURS, each, encoded, put_pictures
from tests.servers import environment, refusing


@pytest.fixture
def photos(bucket):
    """A prefix of class folders, and beside it what is no part of it."""
    storage = open_storage(read_place(f"s3://{bucket}"))
    for label, number in each():
        storage.put(f"lab/photos/{label}/{number}.png", encoded(label, number))
    storage.put("lab/photos/readme.txt", b"words")
    storage.put("lab/photos2/other/1.png", encoded("red", 99))
    return read_place(f"s3://{bucket}/lab/photos")


def test_tree__lists_what_a_folder_would(photos, tmp_path):
    put_pictures(tmp_path / "photos")
    found, local = read_source(str(photos)), read_source(tmp_path / "photos")
    assert [photo.name for photo in found.photos] == [photo.name for photo in local.photos]
    assert found.classes == local.classes
    assert found.reading == local.reading
    assert found.photos[0].image.read() == local.photos[0].image.read()
    assert pickle.loads(pickle.dumps(found.photos[0].image)).read() == local.photos[0].image.read()


def test_tree__an_address_that_went_through_pathlib(photos):
    assert read_source(Path(str(photos))).classes == tuple(sorted(COLOURS))
    assert source_name(Path(str(photos))) == "photos"


def test_tree__empty_objects_that_stand_for_folders_are_none(photos):
    storage = open_storage(photos)
    storage.put("empty", b"")
    tree = ObjectTree(photos)
    assert "empty" not in [entry.name for entry in tree.entries("")]
    with pytest.raises(FileNotFoundError):
        tree.entries("none")


def test_tree__pictures_without_an_ending_are_known_by_their_first_bytes(photos):
    label, number = next(iter(each()))
    open_storage(photos).put(f"{label}/none", encoded(label, number))
    assert f"{label}/none" in [file.name for file in Walk(ObjectTree(photos)).top.every()]


def test_read_source__an_empty_prefix(bucket):
    with pytest.raises(DataError, match=f"s3://{bucket}/nothing is empty"):
        read_source(f"s3://{bucket}/nothing")


def test_read_source__credentials_in_the_address():
    with pytest.raises(StorageError) as error:
        read_source("s3://key:hidden@bucket/photos")
    assert "hidden" not in str(error.value)


def test_check__photos_that_are_gone_or_changed_are_named_and_counted(photos):
    found = read_source(str(photos))
    storage = open_storage(photos)
    gone, changed = found.photos[0].name, found.photos[1].name
    storage.delete(gone)
    storage.put(changed, encoded("red", 77))
    checked = check(found, for_training=False)
    assert {
        problem.path: problem.kind for problem in checked.problems if problem.kind in ("gone", "changed")
    } == {
        gone: "gone",
        changed: "changed",
    }
    assert checked.num_unreadable == 2
    with pytest.raises(DataError, match="cannot be decoded"):
        check(found, max_unreadable=0.01)


def test_check__fetches_no_photo_twice_that_is_as_it_was(photos, monkeypatch):
    first = check(read_source(str(photos)), for_training=False)
    fetched = []
    get = objects.Storage.get
    monkeypatch.setattr(
        objects.Storage, "get", lambda self, key, *etag: fetched.append(key) or get(self, key, *etag)
    )
    again = check(read_source(str(photos)), for_training=False)
    assert fetched == []
    assert [photo.sha256 for photo in again.photos] == [photo.sha256 for photo in first.photos]
    name = first.photos[0].name
    open_storage(photos).put(name, encoded("red", 99))
    changed = check(read_source(str(photos)), for_training=False)
    assert fetched == [name]
    assert changed.photos[0].sha256 != first.photos[0].sha256


def test_image__a_storage_that_is_away_says_nothing_about_the_picture(photos, monkeypatch):
    image = read_source(str(photos)).photos[0].image
    monkeypatch.setitem(objects._RETRIES, "max_retries", 0)
    with refusing(500) as port:
        for name, value in environment(port).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(MachineError, match="cannot be reached"):
            image.read()


def table(photos, rows, name="labels.csv"):
    text = "path,label\n" + "".join(f"{path},{label}\n" for path, label in rows)
    if name.endswith(".parquet"):
        pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        file = io.BytesIO()
        parquet.write_table(
            pyarrow.table({"path": [row[0] for row in rows], "label": [row[1] for row in rows]}), file
        )
        content = file.getvalue()
    else:
        content = text.encode()
    open_storage(photos).put(name, content)
    return f"{photos}/{name}"


def all_rows(form):
    return [(form(f"{label}/{number}.png"), label) for label, number in each()]


@pytest.mark.parametrize("name", ["labels.csv", "labels.parquet"])
@pytest.mark.parametrize("whole", [False, True], ids=["paths", "addresses"])
def test_table__names_what_lies_beside_it(photos, name, whole):
    source = table(photos, all_rows(lambda path: f"{photos}/{path}" if whole else path), name)
    found = read_source(source)
    assert sorted(photo.name for photo in found.photos) == sorted(f"{a}/{b}.png" for a, b in each())
    assert found.photos[0].image.read()
    assert source_name(source) == "labels"


@pytest.mark.parametrize("name", ["labels.csv", "labels.parquet"])
def test_table__addresses_elsewhere_are_refused_until_they_are_allowed(photos, name):
    rows = all_rows(lambda path: f"{photos}/{path}")
    other = f"{photos.above}/photos2/other/1.png"
    source = table(photos, [*rows, (other, "red")], name)
    with pytest.raises(
        DataError, match=f"lies outside of what may be read .*--allow-uri {photos.above}/photos2/other"
    ):
        read_source(source)
    found = read_source(source, Data(allow_uri=[f"{photos.above}/photos2/"]))
    assert len(found.photos) == len(rows) + 1


def test_table__on_this_machine_reads_no_address_unasked(photos, tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text(
        "path,label\n" + "".join(f"{a},{b}\n" for a, b in all_rows(lambda path: f"{photos}/{path}"))
    )
    with pytest.raises(DataError, match=r"no place, for the table lies on this machine.*--allow-uri"):
        read_source(file)
    found = read_source(file, Data(allow_uri=[str(photos)]))
    assert found.photos[0].image.read()


@pytest.mark.parametrize(
    "path", ["s3://key:hidden@bucket/1.png", "file:///etc/../etc/passwd", "gs://elsewhere/1.png"]
)
def test_table__addresses_that_are_refused(photos, path):
    with pytest.raises(DataError) as error:
        read_source(table(photos, [*all_rows(lambda one: one), (path, "red")]))
    assert "hidden" not in str(error.value)


def test_table__of_an_object_that_is_gone_is_left_to_the_check(photos):
    rows = all_rows(lambda path: f"{photos}/{path}")
    found = read_source(table(photos, [*rows, (f"{photos}/red/none.png", "red")]))
    checked = check(found, for_training=False)
    assert [(one.path, one.kind) for one in checked.problems if one.kind == "gone"] == [
        ("red/none.png", "gone")
    ]


def shard_of(pairs):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for label, number in pairs:
            content = encoded(label, number)
            for name, data in ((f"{label}{number}.png", content), (f"{label}{number}.cls", label.encode())):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


def test_shards__of_webdataset(bucket):
    storage = open_storage(read_place(f"s3://{bucket}/shards"))
    pairs = list(each())
    storage.put("train-0000.tar", shard_of(pairs[::2]))
    storage.put("test-0000.tar", shard_of(pairs[1::2]))
    found = read_source(f"s3://{bucket}/shards")
    assert {photo.split for photo in found.photos} == {"train", "test"}
    assert found.photos[0].name.startswith(("train-0000.tar/", "test-0000.tar/"))
    assert len(read_source(f"s3://{bucket}/shards/train-0000.tar").photos) == len(pairs[::2])


def test_shards__by_a_range_of_numbers(bucket):
    storage = open_storage(read_place(f"s3://{bucket}/shards"))
    pairs = list(each())
    for number in range(3):
        storage.put(f"{number:03}.tar", shard_of(pairs[number::3]))
    found = read_source(f"s3://{bucket}/shards/{{000..001}}.tar")
    assert len(found.photos) == len(pairs[0::3]) + len(pairs[1::3])
    for wrong, why in (
        ("{000..009}.tar", "is not there"),
        ("{5..2}.tar", "no files"),
        ("{0..1}.csv", "Expected"),
    ):
        with pytest.raises((DataError, StorageError), match=why):
            read_source(f"s3://{bucket}/shards/{wrong}")


def test_local_copy__is_made_again_where_the_object_changed(photos, monkeypatch):
    storage = open_storage(photos)
    copied = []
    stream = objects.Storage.stream
    monkeypatch.setattr(objects.Storage, "stream", lambda self, key: copied.append(key) or stream(self, key))
    for content in (b"one", b"one", b"other"):
        storage.put("a/b.csv", content)
        assert Path(local_copy(photos, "a/b.csv")).read_bytes() == content
    assert len(copied) >= 2
    with pytest.raises(StorageError, match="is not there"):
        local_copy(photos, "none.csv")


def test_read__of_a_picture_that_may_not_be_read(photos, monkeypatch):
    image = read_source(str(photos)).photos[0].image
    monkeypatch.setitem(objects._RETRIES, "max_retries", 0)
    with refusing(403, "AccessDenied") as port:
        for name, value in environment(port).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(ImageError) as error:
            image.read()
    assert error.value.kind == "permission"


def test_manifest__of_object_storage_can_be_read_again(photos, tmp_path):
    found = read_source(str(photos))
    written = write_manifest(found, tmp_path / "photos.csv", source=str(photos))
    again = read_source(written, Data(allow_uri=[str(photos)]))
    assert [(one.name, one.label) for one in again.photos] == [(one.name, one.label) for one in found.photos]
    assert again.photos[0].image.read() == found.photos[0].image.read()
    with pytest.raises(DataError, match="--pictures FOLDER"):
        write_manifest(found, tmp_path / "hf", source=str(photos), format="hf")
    copied = write_manifest(found, tmp_path / "hf", source=str(photos), format="hf", pictures=tmp_path / "hf")
    assert len(read_source(copied.parent).photos) == len(found.photos)


@pytest.mark.parametrize("whole", [False, True], ids=["prefix", "table"])
def test_manifest__says_how_to_train_on_it(photos, tmp_path, call, whole):
    source = table(photos, all_rows(lambda path: path)) if whole else str(photos)
    status, _, said = call("manifest", source, "-o", str(tmp_path / "m.csv"))
    assert status == 0, said
    assert f"budwood train {tmp_path / 'm.csv'} --allow-uri {photos}" in said
    assert call("check", str(tmp_path / "m.csv"), "--allow-uri", str(photos))[0] == 0
    assert "--allow-uri" in call("check", str(tmp_path / "m.csv"))[2]
