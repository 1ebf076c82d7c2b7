import pytest

from budwood.data.sources import readings
from budwood.data.sources.listing import Draft, File, Folder
from tests.data.sources.listings import in_each, listed


def read(found):
    return {photo.name: (photo.label, photo.split, photo.above) for photo in found.photos}


def test_read_classes__with_empty_ones_and_all_that_lies_deeper():
    found = readings.read_classes(listed(["a/1.jpg", "a/x/2.jpg", "b/", "3.jpg"]))
    assert read(found) == {"a/1.jpg": ("a", None, ""), "a/x/2.jpg": ("a", None, "")}
    assert found.class_folders == ("a", "b")


def test_read_classes__small_copies_of_photos_are_passed_over():
    def folder(name, sizes, *inside):
        return Folder(name, inside, tuple(File(f"{name}/{base}", size) for base, size in sizes.items()))

    small = folder("a/thumbs", {"1.png": 3, "2.jpg": 3})
    large = folder("a/thumbs", {"1.png": 3, "2.jpg": 9})
    more = folder("a/more", {"1.jpg": 5})
    for inside, number in ((small, 3), (large, 5)):
        top = Folder("", (folder("a", {"1.jpg": 9, "2.jpg": 9}, inside, more),))
        assert len(readings.read_classes(top).photos) == number
    only = Folder("", (folder("a", {"1.jpg": 9, "2.jpg": 9}, small, more),))
    assert readings.read_classes(only).reasons == {"a/thumbs": "preview"}


def test_read_splits__a_split_without_folders_is_read_by_the_names_of_known_classes():
    top = listed([*in_each("train/a", "train/b"), "test/a_1.jpg", "val/c_1.jpg"])
    folders = [
        (top.find(name), split)
        for name, split in (("train", "train"), ("test", "test"), ("val", "validation"))
    ]
    found = readings.read_splits(folders)
    assert read(found)["test/a_1.jpg"] == ("a", "test", "")
    assert found.reasons == {"val": "unlabelled"}
    assert found.splits == {"train": ("train",), "test": ("test",)}


def test_read_splits_below__each_class_has_its_own():
    found = readings.read_splits_below(listed(["a/train/1.jpg", "a/test/2.jpg", "b/train/3.jpg"]))
    assert {name: one[:2] for name, one in read(found).items()} == {
        "a/train/1.jpg": ("a", "train"),
        "a/test/2.jpg": ("a", "test"),
        "b/train/3.jpg": ("b", "train"),
    }
    assert found.splits == {"train": ("train",), "test": ("test",)}


def test_read_nested__splits_above_or_below_the_sites():
    below = readings.read_nested(listed(["n/train/a/1.jpg", "n/test/b/2.jpg", "s/c/3.jpg"]))
    assert read(below) == {
        "n/train/a/1.jpg": ("a", "train", "n"),
        "n/test/b/2.jpg": ("b", "test", "n"),
        "s/c/3.jpg": ("c", None, "s"),
    }
    above = readings.read_nested(listed(["train/n/a/1.jpg", "train/s/b/1.jpg", "test/n/a/2.jpg"]))
    assert read(above)["test/n/a/2.jpg"] == ("a", "test", "n")


def test_read_flat__files_without_a_label_are_told():
    found = readings.read_flat(listed(["x/cat_1.jpg", "dog.2.jpg", "IMG_3.jpg"]))
    assert {name: one[0] for name, one in read(found).items()} == {"x/cat_1.jpg": "cat", "dog.2.jpg": "dog"}
    assert found.reasons == {"IMG_3.jpg": "no_label"}


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (["x/y/a/1.jpg", "x/y/b/1.jpg"], "x/y"),
        (["x/a/1.jpg", "x/2.jpg"], ""),
        (["x/IMG_1.jpg", "x/IMG_2.jpg"], ""),
        (["x/cat_1.jpg", "x/cat_2.jpg", "x/dog_1.jpg", "x/dog_2.jpg"], "x"),
        (["images/a/1.jpg", "images/b/1.jpg", "masks/1.png"], "images"),
        (["images/a/1.jpg", "images/b/1.jpg", "masks/1.png", "more/1.jpg"], ""),
        (["images/1.jpg", "pictures/2.jpg", "masks/1.png"], ""),
    ],
)
def test_inside__below_lone_folders_and_beside_annotations(names, name):
    draft = Draft("classes")
    assert readings.inside(listed(names), draft).name == name
    assert draft.reasons == ({"masks": "annotations"} if name == "images" else {})


def test_inside__a_known_class_is_not_descended_into():
    top = listed(["A/x/1.jpg", "A/y/1.jpg"])
    assert readings.inside(top).name == "A"
    assert readings.inside(top, known=frozenset({"a"})).name == ""


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (in_each("a", "b", "x/a", "x/b"), "x"),
        (in_each("a", "b", "x/A"), "x"),
        (in_each("a", "b", "x/a", "x/c"), None),
        (in_each("a", "b", "x/a", "x/b", "x/c"), "x"),
        ([*in_each("a", "b", "x/a", "x/b"), "x/1.jpg"], None),
        (in_each("x/x", "a"), None),
    ],
)
def test_inside_itself__folders_of_the_names_beside(names, name):
    found = readings.inside_itself(listed(names))
    assert (found.name if found else None) == name


def test_inner_classes__folders_that_have_the_name_of_another_class():
    names = ["a/1.jpg", "a/b/1.jpg", "a/x/B /2.jpg", "a/a/1.jpg", "a/b.jpg", "b/1.jpg"]
    assert readings.inner_classes(readings.read_classes(listed(names)).photos) == ("a/b", "a/x/B ")
    below = readings.read_classes(listed([f"data/{name}" for name in names], "data"))
    assert readings.inner_classes(below.photos) == ("data/a/b", "data/a/x/B ")
