from dataclasses import replace

import numpy as np
import pytest

from budwood.data.manifest import Photo
from budwood.data.same_names import names_in_two_splits


def photo(name, label="a", **values):
    return Photo(b"", name, label, sha256=f"sha {name}", **values)


def given(names):
    return [
        replace(photo(f"{split}/cat/{name(i)}.png", "cat"), split=split)
        for split, name, number in names
        for i in range(number)
    ]


def test_names_in_two_splits__said_of_names_that_are_no_counters():
    photos = given(
        [
            ("train", lambda i: f"ISIC_00{24306 + i}0", 60),
            ("test", lambda i: f"isic_00{24306 + i}0" if i < 8 else f"other-{i}-{i}", 40),
        ]
    )
    said = names_in_two_splits(photos)
    assert said.startswith("8 of 40 test photos have the file name of a training photo of their class")
    assert "isic_00243060" in said


@pytest.mark.parametrize(
    "name",
    [lambda i: f"{i:04}", lambda i: f"cat.{i}", lambda i: f"image ({i})", lambda i: f"IMG_{i:04}"],
)
def test_names_in_two_splits__counters_meet_by_chance(name):
    assert names_in_two_splits(given([("train", name, 60), ("test", name, 40)])) is None


def test_names_in_two_splits__of_another_class_or_one_split_it_says_nothing():
    photos = given([("train", lambda i: f"id-{i}-{i}", 60), ("test", lambda i: f"id-{i}-{i}", 40)])
    assert names_in_two_splits(photos) is not None
    other = [replace(one, label="dog") if one.split == "test" else one for one in photos]
    assert names_in_two_splits(other) is None
    assert names_in_two_splits([replace(one, split=None) for one in photos]) is None


@pytest.mark.parametrize("alike", [True, False])
def test_names_in_two_splits__counters_count_where_the_pictures_of_a_name_are_alike(alike):
    photos = given([("train", lambda i: f"cat{i}", 60), ("test", lambda i: f"cat{i}", 15)])
    rng = np.random.default_rng(0)
    grids = rng.integers(60, 196, (60, 256))
    hashes = {}
    for photo in photos:
        number = int(photo.name.rpartition("cat")[2].removesuffix(".png"))
        shown = grids[number] if alike or photo.split == "train" else rng.integers(60, 196, 256)
        hashes[photo.name] = (shown + rng.integers(-60, 60, 256)).astype(np.uint8).tobytes()
    said = names_in_two_splits(photos, hashes)
    assert (said or "").startswith("15 of 15 test photos have the file name") == alike
