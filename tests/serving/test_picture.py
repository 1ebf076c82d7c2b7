"""Files that are a picture and something else."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from budwood.core.errors import ImageError
from budwood.serving.picture import refuse_polyglot


@pytest.fixture
def jpeg() -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return file.getvalue()


def test_refuse_polyglot__photos_pass(jpeg):
    refuse_polyglot(jpeg)
    # Phones append a film, a second picture, or zeros.
    for more in (b"\0" * 5000, jpeg, b"\0\0\0\x18ftypmp42" + bytes(9000), b"PK\x05\x06" + bytes(50)):
        refuse_polyglot(jpeg + more)


def test_refuse_polyglot__archives_and_pages(jpeg):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "text")
        archive.comment = b"a comment"
    for content, word in (
        (jpeg + file.getvalue(), "zip"),
        (jpeg + b"<?php system('ls'); ?>", "script"),
        (b"GIF89a" + b"<HTML>" + jpeg, "page"),
        (jpeg[:30] + b"%PDF-1.7" + jpeg[30:], "PDF"),
    ):
        with pytest.raises(ImageError, match=word):
            refuse_polyglot(content)
