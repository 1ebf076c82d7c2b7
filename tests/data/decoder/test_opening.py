import errno
import inspect
import io
import os

import numpy as np
import pytest
from PIL import Image

from budwood.core.errors import ImageError
from budwood.data.decoder import opening
from budwood.data.decoder.opening import (
    content_of,
    open_file,
    open_image,
    orientation_of,
    read_ref,
    reduce_jpeg,
)
from budwood.data.image_ref import ImageBytes, ImageFile


def jpeg(size=(800, 600), **options):
    file = io.BytesIO()
    Image.new("RGB", size, (200, 100, 50)).save(file, "JPEG", **options)
    return file.getvalue()


@pytest.fixture
def file(tmp_path):
    (tmp_path / "x.jpg").write_bytes(jpeg())
    return tmp_path / "x.jpg"


def test_content_of__a_file_is_read_once_and_the_rest_stays(file):
    content = file.read_bytes()
    for image in (file, str(file), ImageFile(str(file)), ImageBytes(content, "x")):
        assert content_of(image) == content
    for image in (content, np.zeros((2, 2, 3), np.uint8), Image.new("RGB", (2, 2))):
        assert content_of(image) is image


def test_content_of__a_large_file_is_left_to_be_read_in_pieces(file, monkeypatch):
    monkeypatch.setattr(opening, "_IN_PIECES", 10)
    assert content_of(file) is file


def test_content_of__a_disk_that_gives_little_at_a_time(file, monkeypatch):
    read, wanted = os.read, file.read_bytes()
    monkeypatch.setattr(os, "read", lambda number, size: read(number, min(size, 100)))
    assert content_of(file) == wanted


@pytest.mark.parametrize(
    ("name", "words"), [("nowhere.jpg", "No such file"), ("", "a folder without a picture"), ("a\0b", "null")]
)
def test_content_of__what_goes_wrong_names_the_file(tmp_path, name, words):
    for ask in (content_of, lambda path: open_file(path).__enter__()):
        path = name if "\0" in name else str(tmp_path / name)
        with pytest.raises(ImageError, match=words) as error:
            ask(path)
        assert str(error.value).startswith(path)


@pytest.mark.parametrize("image", [3, None, ["x"], io.BytesIO(b"x")])
def test_read_ref__what_is_no_picture(image):
    with pytest.raises(ImageError, match=f"a {type(image).__name__} is not a picture"):
        inspect.unwrap(read_ref)(image)


class Failing:
    """A picture that is not to be had."""

    name = "x.jpg"

    def __init__(self, error):
        self.error = error

    def read(self):
        raise self.error

    def start(self, size):
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "permission", "no permission to read it"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), None, "No such file or directory"),
        (OSError("it is damaged in x.zip"), None, "it is damaged in x.zip"),
        (ValueError("bad"), None, "bad"),
    ],
)
def test_read_ref__errors_are_of_the_picture(error, kind, words):
    with pytest.raises(ImageError, match=words) as found:
        read_ref(Failing(error))
    assert str(found.value).startswith("x.jpg: ")
    assert kind is None or found.value.kind == kind


def test_read_ref__a_failing_machine_is_no_fault_of_the_picture():
    with pytest.raises(OSError, match="Input/output") as found:
        read_ref(Failing(OSError(errno.EIO, "Input/output error")))
    assert not isinstance(found.value, ImageError)


@pytest.mark.parametrize(
    ("at_least", "mode", "size"),
    [(None, None, 800), (300, None, 400), (100, "L", 200), (900, None, 800)],
)
def test_reduce_jpeg__keeps_both_sides_at_least(at_least, mode, size):
    image = Image.open(io.BytesIO(jpeg()))
    reduce_jpeg(image, at_least, mode)
    assert image.size[0] == size
    assert image.mode == (mode or "RGB")


def test_reduce_jpeg__leaves_other_formats(tmp_path):
    Image.new("RGB", (800, 600)).save(tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as image:
        reduce_jpeg(image, 100)
        assert image.size == (800, 600)


@pytest.mark.parametrize(("tag", "orientation"), [(None, 1), (1, 1), (6, 6), (8, 8), (9, 1), (0, 1)])
def test_orientation_of__what_exif_may_say(tag, orientation):
    exif = Image.Exif()
    if tag is not None:
        exif[0x0112] = tag
    with open_image(jpeg((20, 10), exif=exif)) as opened:
        assert orientation_of(opened) == orientation


def test_open_image__of_every_kind_and_nothing_decoded(file):
    with Image.open(file) as given:
        for image in (file, file.read_bytes(), ImageFile(str(file)), given):
            with open_image(image) as opened:
                assert opened.size == (800, 600)
    with open_image(np.zeros((3, 5, 3), np.uint8)) as opened:
        assert opened.size == (5, 3)
