"""What a training says of copies of its training photos."""

import numpy as np
from PIL import Image, ImageOps

from budwood.config.recipe import Recipe
from budwood.data.manifest import Kin, Photo
from budwood.pipeline.features import OpenFeatures
from budwood.pipeline.twins import look_for_twins


class Vectors:
    """Features that are a photo's label."""

    def array(self, photos: list[Photo]) -> np.ndarray:
        return np.array([[1.0, int(photo.label)] for photo in photos])


class Features(OpenFeatures):
    """Those of a stand-in for the store."""

    def __init__(self) -> None:
        object.__setattr__(self, "training", Vectors())
        object.__setattr__(self, "exact", Vectors())


def test_look_for_twins__a_mirrored_copy_of_a_training_photo():
    noise = np.random.default_rng(0).integers(0, 255, (2, 12, 16, 3)).astype(np.uint8)
    one, two = (Image.fromarray(each).resize((160, 120), Image.Resampling.BICUBIC) for each in noise)
    parts = {
        "train": [Photo(one, "train/1", "0", "train", kin=Kin(near="n"))],
        "validation": [Photo(one, "validation/known by its hash", "0", "validation", kin=Kin(near="n"))],
        "test": [
            Photo(two, "test/1", "0", "test"),
            Photo(one, "test/known by its hash", "0", "test", kin=Kin(near="n")),
            Photo(ImageOps.mirror(one), "test/2", "0", "test"),
        ],
    }
    twins, notes = look_for_twins(Features(), parts, Recipe())
    assert [(one.photo, one.known, one.mirrored) for one in twins] == [("test/2", "train/1", True)]
    assert [note.kind for note in notes] == ["groups"]
    assert "1 test photo looks like a copy of a training photo" in notes[0].text
    assert "'train/1'" in notes[0].text and "beside 1 that the perceptual hash found" in notes[0].text
    assert "budwood manifest DATA --group near-duplicates -o photos.csv" in notes[0].text
    assert "The figure without such photos stands beside the other." in notes[0].text
    parts["test"] = parts["test"][1:]
    _, (note,) = look_for_twins(Features(), parts, Recipe())
    assert "No other test photo is left." in note.text


def test_look_for_twins__the_remedy_once():
    noise = np.random.default_rng(0).integers(0, 255, (12, 16, 3)).astype(np.uint8)
    one = Image.fromarray(noise).resize((160, 120), Image.Resampling.BICUBIC)
    parts = {"train": [Photo(one, "train/1", "0", "train")]}
    parts |= {
        split: [Photo(ImageOps.mirror(one), f"{split}/1", "0", split)] for split in ("validation", "test")
    }
    twins, (first, second) = look_for_twins(Features(), parts, Recipe())
    assert {twin.photo for twin in twins} == {"test/1", "validation/1"}
    assert first.text.startswith("1 test photo") and "budwood manifest" not in first.text
    assert second.text.startswith("1 validation photo") and "budwood manifest" in second.text


def test_look_for_twins__nothing_to_look_for():
    assert look_for_twins(Features(), {"train": [], "validation": [], "test": []}, Recipe()) == (
        (),
        [],
    )
