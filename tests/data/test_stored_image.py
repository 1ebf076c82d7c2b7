import numpy as np
import pytest
from PIL import Image

from budwood.core.errors import ImageError, MachineError, StorageError
from budwood.core.system import num_cores
from budwood.data.image_ref import ImageRef
from budwood.data.images import decode
from budwood.data.stored_image import READERS, StoredImage, num_readers, picture_error
from budwood.storage.objects import open_storage
from budwood.storage.place import read_place


@pytest.fixture
def image(tmp_path):
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.png")
    return StoredImage(read_place(tmp_path), "a.png")


def test_image__is_read_as_a_file_is(image, tmp_path):
    assert isinstance(image, ImageRef)
    assert image.read() == (tmp_path / "a.png").read_bytes()
    assert image.start(4) == b"\x89PNG"
    assert image.name == "a.png"
    assert np.array_equal(decode(image), decode(tmp_path / "a.png"))


def test_read__of_one_that_is_gone_or_changed(image, tmp_path):
    etag = open_storage(image.place).head("a.png").etag
    listed = StoredImage(image.place, "a.png", etag=etag)
    (tmp_path / "a.png").write_bytes(b"another content")
    with pytest.raises(ImageError) as changed:
        listed.read()
    assert changed.value.kind == "changed"
    (tmp_path / "a.png").unlink()
    with pytest.raises(ImageError) as gone:
        image.read()
    assert gone.value.kind == "gone"
    with pytest.raises(ImageError):
        image.start(4)


def test_picture_error__a_storage_that_fails_is_not_the_pictures_fault():
    assert isinstance(picture_error(StorageError("Away", "unreachable")), MachineError)
    assert isinstance(picture_error(StorageError("No", "permission")), ImageError)


def test_num_readers__more_where_pictures_are_waited_for(image):
    assert num_readers(image) >= READERS
    assert num_readers("a.png") == num_cores()


def test_identity__is_of_one_content():
    place = read_place("s3://bucket/a")
    known = {StoredImage(place, key, etag=etag).identity for key in "xy" for etag in ("1", "2")}
    assert len(known) == 4 and None not in known
    assert StoredImage(place, "x").identity is None
    assert StoredImage(place, "x", etag='W/"1"').identity is None
