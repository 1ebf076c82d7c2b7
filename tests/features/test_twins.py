"""Candidates by features, decided by pixels."""

import random
from unittest.mock import Mock

import numpy as np
from PIL import Image, ImageOps

import budwood.features.twins as module
from benchmarks.planted_copies import KINDS
from budwood.data.images import digest
from budwood.data.manifest import Photo
from budwood.features.twins import Twins, find_twins


def pictures(count: int) -> list[Image.Image]:
    chance = np.random.default_rng(0)
    noise = chance.integers(0, 255, (count, 12, 16, 3)).astype(np.uint8)
    return [Image.fromarray(one).resize((160, 120), Image.Resampling.BICUBIC) for one in noise]


def photo(image: object, name: str) -> Photo:
    return Photo(image, name, "a")


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
    # What only its features are near to was seen by the grids, and what is gone is passed over.
    assert (found.compared, found.passed_over) == (2, 0)


def test_find_twins__photos_that_were_compared_before(tmp_path, own_cache, monkeypatch):
    (image,) = pictures(1)
    files = {"known": image, "mirrored": ImageOps.mirror(image)}
    for name, one in files.items():
        one.save(tmp_path / f"{name}.png")
    known, mirrored = (
        Photo(tmp_path / f"{name}.png", name, "a", sha256=digest(tmp_path / f"{name}.png")) for name in files
    )

    def found():
        return find_twins([mirrored], np.ones((1, 2)), [known], np.ones((1, 2)))

    first = found()
    assert [one.mirrored for one in first.twins] == [True]
    monkeypatch.setattr(module, "overlays", compared := Mock(return_value=[]))
    assert found() == first
    assert all(not call.args[0] for call in compared.call_args_list)


def test_find_twins__says_what_was_not_compared(monkeypatch):
    monkeypatch.setattr(module, "most_pairs", lambda photos: 1)
    image = pictures(1)[0]
    cropped = image.crop((10, 10, 160, 120))
    photos = [photo(cropped, "less alike"), photo(image, "alike")]
    found = find_twins(photos, np.ones((2, 2)), [photo(image, "k")], np.ones((1, 2)))
    assert [one.photo for one in found.twins] == ["alike"]
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
    alike = [Image.blend(images[0], image, 0.3) for image in images[1:]]
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


def test_find_twins__of_several_neighbours_the_one_that_is_shown():
    images = pictures(4)
    known = [photo(image, f"known {place}") for place, image in enumerate(images)]
    copy = photo(KINDS["half the size"](images[3].resize((320, 240)), random.Random(0)), "copy")
    vectors = np.array([[1, 0.1, 0], [1, 0.2, 0], [1, 0.3, 0], [1, 0.4, 0]])
    found = find_twins([copy], np.array([[1.0, 0, 0]]), known, vectors)
    assert [(one.photo, one.known) for one in found.twins] == [("copy", "known 3")]


def test_find_twins__photos_of_two_sources_can_have_one_name():
    one, two = pictures(2)
    found = find_twins([photo(one, "1.jpg")], np.ones((1, 2)), [photo(two, "1.jpg")], np.ones((1, 2)))
    assert not found.twins
