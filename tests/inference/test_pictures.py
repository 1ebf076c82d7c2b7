from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from budwood.inference.pictures import many, names_of

GREY, COLOUR = np.zeros((4, 5), np.uint8), np.zeros((4, 5, 3), np.uint8)


@pytest.mark.parametrize("one", ["a.jpg", Path("a.jpg"), b"bytes", Image.new("RGB", (2, 2)), GREY, COLOUR])
def test_many__one_alone(one):
    (found,) = many(one)
    assert found is one


def test_many__several():
    assert many(["a.jpg", "b.jpg"]) == ["a.jpg", "b.jpg"] == many(name for name in ("a.jpg", "b.jpg"))
    assert [found.shape for found in many(np.zeros((2, 4, 5, 3), np.uint8))] == [(4, 5, 3)] * 2
    assert [found.shape for found in many(np.zeros((2, 4, 5), np.uint8))] == [(4, 5)] * 2


def test_names_of__the_path_or_a_number():
    assert names_of([Path("a.jpg"), b"bytes", "b.jpg"]) == ["a.jpg", "image 1", "b.jpg"]
