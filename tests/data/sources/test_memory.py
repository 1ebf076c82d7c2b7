import numpy as np
import pytest

from budwood.core.errors import DataError
from budwood.data.sources.memory import read_arrays


def test_read_arrays__names_in_order():
    images = [np.full((4, 4), value, np.uint8) for value in range(3)]
    manifest = read_arrays(images, ["b", "a", "b"])
    assert [photo.name for photo in manifest.photos] == ["00000", "00001", "00002"]
    assert [photo.label for photo in manifest.photos] == ["b", "a", "b"]
    assert manifest.photos[1].image is images[1]
    assert manifest.classes == ("a", "b")


def test_read_arrays__lengths_differ():
    with pytest.raises(DataError, match="2 images but 1 labels"):
        read_arrays([b"", b""], ["a"])
