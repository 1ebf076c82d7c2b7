"""Candidates by features, decided by pixels."""

import random

import numpy as np
from PIL import Image, ImageOps

import budwood.features.twins as module
from benchmarks.planted_copies import KINDS
from budwood.data.manifest import Photo
from budwood.features.twins import Twins, find_twins, nearest


def pictures(count: int) -> list[Image.Image]:
    chance = np.random.default_rng(0)
    noise = chance.integers(0, 255, (count, 12, 16, 3)).astype(np.uint8)
    return [Image.fromarray(one).resize((160, 120), Image.Resampling.BICUBIC) for one in noise]


def photo(image: object, name: str) -> Photo:
    return Photo(image, name, "a")


def test_nearest__is_that_of_all_pairs(monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 3)
    chance = np.random.default_rng(1)
    vectors, known = chance.normal(size=(10, 5)), chance.normal(size=(50, 5))
    cosines = vectors @ known.T
    cosines /= np.linalg.norm(vectors, axis=1)[:, None] * np.linalg.norm(known, axis=1)
    place, value = nearest(vectors, known)
    assert place.tolist() == cosines.argmax(axis=1).tolist()
    assert np.allclose(value, cosines.max(axis=1), atol=1e-6)


def test_find_twins__pixels_decide_between_near_features():
    images = pictures(4)
    known = [photo(image, f"known {place}") for place, image in enumerate(images[:2])]
    photos = [
        photo(ImageOps.mirror(images[1]), "mirrored"),
        photo(KINDS["cropped by 10 %"](images[0], random.Random(0)), "cropped"),
        photo(images[2], "near by its features alone"),
        photo(images[0], "a copy whose features are far"),
        photo("/nowhere/gone.jpg", "gone"),
    ]
    known_vectors = np.eye(3)[:2]
    vectors = np.array([[0.1, 1, 0], [1, 0.1, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0]])
    found = find_twins(photos, vectors, known, known_vectors)
    pairs = {(one.photo, one.known, one.mirrored) for one in found.twins}
    assert pairs == {("mirrored", "known 1", True), ("cropped", "known 0", False)}
    assert (found.compared, found.passed_over) == (4, 0)


def test_find_twins__says_what_was_not_compared(monkeypatch):
    monkeypatch.setattr(module, "AT_MOST", 1)
    image = pictures(1)[0]
    vectors = np.array([[1.0, 0.5], [1.0, 0.0]])
    found = find_twins([photo(image, "far"), photo(image, "near")], vectors, [photo(image, "k")], vectors[1:])
    assert [one.photo for one in found.twins] == ["near"]
    assert (found.compared, found.passed_over) == (1, 1)


def test_find_twins__of_nothing():
    assert find_twins([], np.empty((0, 2)), [], np.empty((0, 2))) == Twins((), 0, 0)


def test_find_twins__small_photos_are_not_compared():
    image = pictures(1)[0]
    for side, number in ((63, 0), (64, 1)):
        one = Photo(image, "one", "a", width=80, height=side)
        found = find_twins([one], np.ones((1, 1)), [photo(image, "known")], np.ones((1, 1)))
        assert (found.compared, len(found.twins)) == (number, number)


def test_find_twins__where_all_photos_of_a_class_are_alike_the_limit_rises():
    # As of a fixed camera: most of the picture is the same every time.
    images = pictures(31)
    alike = [Image.blend(images[0], image, 0.4) for image in images[1:]]
    known = [photo(image, f"known {place}") for place, image in enumerate(alike[:20])]
    photos = [photo(image, f"other {place}") for place, image in enumerate(alike[20:])]
    photos.append(photo(ImageOps.mirror(alike[3]), "mirrored"))
    places = [*range(10), 3]
    found = find_twins(photos, np.eye(20)[places], known, np.eye(20))
    assert [(one.photo, one.known) for one in found.twins] == [("mirrored", "known 3")]
    assert found.limit > 0.8
    apart = [Photo(one.image, one.name, str(place)) for place, one in enumerate(known)]
    # Without a second photo of a class nothing says how alike they are.
    assert len(find_twins(photos, np.eye(20)[places], apart, np.eye(20)).twins) == 11
