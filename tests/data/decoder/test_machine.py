import errno
import io
import os

import numpy as np
import pytest
from PIL import Image, ImageFile

from budwood.core.errors import ImageError, MachineError
from budwood.data.decoder import machine
from budwood.data.images import content_of, decode, digest, view
from budwood.data.inspection import inspect

FAULTS = [
    MemoryError(),
    *(
        OSError(getattr(errno, name), name)
        for name in ("EIO", "ESTALE", "EMFILE", "ENFILE", "ENOMEM", "ETIMEDOUT")
    ),
]


@pytest.fixture
def photo(tmp_path):
    file = tmp_path / "a.png"
    Image.fromarray(np.full((40, 40, 3), 99, np.uint8)).save(file)
    return file


@pytest.fixture(autouse=True)
def no_waits(monkeypatch):
    monkeypatch.setattr(machine, "WAITS", (0.0, 0.0))


def fail(monkeypatch, owner: object, name: str, error: BaseException, times: int) -> list[int]:
    whole, calls = getattr(owner, name), []

    def flaky(*args, **kwargs):
        calls.append(1)
        if len(calls) <= times:
            raise error
        return whole(*args, **kwargs)

    monkeypatch.setattr(owner, name, flaky)
    return calls


@pytest.mark.parametrize("read", [decode, lambda image: view(image, 32), inspect])
@pytest.mark.parametrize("error", FAULTS, ids=repr)
def test_decode__a_fault_of_the_moment_is_tried_again(monkeypatch, photo, read, error):
    calls = fail(monkeypatch, ImageFile.ImageFile, "load", error, times=2)
    read(photo)
    assert len(calls) >= 3


@pytest.mark.parametrize("read", [decode, inspect])
@pytest.mark.parametrize("error", FAULTS, ids=repr)
def test_decode__a_lasting_fault_is_raised_as_one_of_the_machine(monkeypatch, photo, read, error):
    fail(monkeypatch, ImageFile.ImageFile, "load", error, times=100)
    with pytest.raises(MachineError, match=r"tried 3 times, and says nothing about the picture") as caught:
        read(photo)
    assert str(photo) in str(caught.value)
    assert not isinstance(caught.value, ImageError)
    words = "memory" if isinstance(error, MemoryError) or error.errno == errno.ENOMEM else error.strerror
    assert words in str(caught.value)


@pytest.mark.parametrize("read", [decode, digest, content_of])
def test_decode__a_file_that_cannot_be_opened_for_the_moment(monkeypatch, photo, read):
    whole = fail(monkeypatch, os, "open", OSError(errno.EMFILE, "Too many open files"), times=1)
    in_pieces = fail(monkeypatch, os, "stat", OSError(errno.EMFILE, "Too many open files"), times=1)
    read(photo)
    assert len(whole) == 2 or len(in_pieces) >= 2


def test_decode__a_source_that_fails_for_the_moment(photo):
    class Flaky:
        name, reads = "a.png", 0

        def read(self) -> bytes:
            self.reads += 1
            if self.reads < 3:
                raise OSError(errno.ETIMEDOUT, "Connection timed out")
            return photo.read_bytes()

    assert decode(Flaky()).shape == (40, 40, 3)


def test_decode__a_decoder_that_hides_a_failing_disk(monkeypatch, tmp_path):
    """A file that looks cut short because its end cannot be read is no damaged photo."""
    file = tmp_path / "a.tif"
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(file)

    class Failing(io.BytesIO):
        def read(self, size: int = -1) -> bytes:
            if self.tell() > 100:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(min(size, 64) if size > 0 else 64)

    content = file.read_bytes()[:100] + bytes(5000)
    monkeypatch.setattr("builtins.open", lambda *args: Failing(content))
    monkeypatch.setattr(
        ImageFile.ImageFile, "load", lambda self: (_ for _ in ()).throw(OSError("decoder error -2"))
    )
    with pytest.raises((MachineError, ImageError)) as caught:
        decode(file)
    assert isinstance(caught.value, MachineError)


@pytest.mark.parametrize(
    "error", [OSError("broken data stream"), SyntaxError("bad"), OSError(errno.ENOENT, "gone")]
)
def test_decode__damage_is_not_tried_again(monkeypatch, photo, error):
    calls = fail(monkeypatch, ImageFile.ImageFile, "load", error, times=100)
    with pytest.raises(ImageError, match="damaged"):
        decode(photo)
    assert len(calls) == 1
