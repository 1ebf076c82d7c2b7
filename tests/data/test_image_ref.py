"""What every `ImageRef` must do; a further one is one entry of `REFS`."""

import io
import pickle
import tarfile
import zipfile
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from budwood.core.errors import ImageError
from budwood.data.image_ref import ImageBytes, ImageFile, ImageRef
from budwood.data.images import content_of, decode, digest, view
from budwood.data.inspection import measure
from budwood.data.sources.archive import open_archive
from budwood.data.sources.memory import DatasetPicture


def encoded() -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


CONTENT = encoded()


@dataclass(frozen=True)
class FromAfar:
    """Fetched when it is read, as from object storage."""

    name: str

    def read(self) -> bytes:
        if self.name == "gone.jpg":
            raise FileNotFoundError(2, "No such object")
        return encoded()


def in_a_file(folder):
    (folder / "1.jpg").write_bytes(CONTENT)
    return ImageFile(folder / "1.jpg")


def in_an_archive(folder, kind):
    if kind == "zip":
        with zipfile.ZipFile(folder / "photos.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a/1.jpg", CONTENT)
        return open_archive(folder / "photos.zip").image("a/1.jpg")
    (folder / "1.jpg").write_bytes(CONTENT)
    with tarfile.open(folder / "photos.tar", "w") as archive:
        archive.add(folder / "1.jpg", "a/1.jpg")
    return open_archive(folder / "photos.tar").image("a/1.jpg")


class Items:
    """A dataset as PyTorch has it, of encoded pictures."""

    def __getitem__(self, index):
        return CONTENT, "cat"


REFS = {
    "file": in_a_file,
    "bytes": lambda folder: ImageBytes(CONTENT, "1.jpg"),
    "in a zip": lambda folder: in_an_archive(folder, "zip"),
    "in a tar": lambda folder: in_an_archive(folder, "tar"),
    "of a dataset": lambda folder: DatasetPicture(Items(), 0, "1.jpg"),
    "from afar": lambda folder: FromAfar("1.jpg"),
}


@pytest.fixture(params=REFS.values(), ids=REFS.keys())
def ref(request, tmp_path) -> ImageRef:
    return request.param(tmp_path)


def test_image_ref__reads_the_same_bytes_each_time_and_has_a_name(ref):
    assert isinstance(ref, ImageRef)
    assert ref.read() == ref.read() == content_of(ref) == CONTENT
    assert ref.name == "1.jpg"


def test_image_ref__can_be_pickled(ref):
    again = pickle.loads(pickle.dumps(ref))
    assert type(again) is type(ref) and again.read() == CONTENT


def test_image_ref__is_the_picture_that_its_bytes_are(ref):
    assert digest(ref) == digest(CONTENT)
    assert measure(ref) == (60, 40)
    np.testing.assert_array_equal(decode(ref), decode(CONTENT))
    np.testing.assert_array_equal(view(ref, 16), view(CONTENT, 16))


@pytest.mark.parametrize("look", [digest, decode, measure, content_of])
def test_image_ref__that_is_gone_is_named(look, tmp_path):
    for ref in (FromAfar("gone.jpg"), ImageFile(tmp_path / "gone.jpg")):
        with pytest.raises(ImageError, match=r"gone\.jpg: No such"):
            look(ref)


def test_image_file__is_a_path_that_is_opened_directly(tmp_path, monkeypatch):
    file = in_a_file(tmp_path)
    assert file == tmp_path / "1.jpg" and tmp_path / "1.jpg" == file and file.suffix == ".jpg"
    assert file == ImageFile(tmp_path, "1.jpg") != ImageFile(tmp_path, "2.jpg")
    assert len({file, tmp_path / "1.jpg"}) == 1
    monkeypatch.setattr(ImageFile, "read", lambda self: 1 / 0)
    assert decode(file, at_least=8).shape == (10, 15, 3)


def test_decode__an_open_file_is_no_reference(tmp_path):
    with in_a_file(tmp_path).open("rb") as opened, pytest.raises(ImageError, match="is not a picture"):
        decode(opened)
