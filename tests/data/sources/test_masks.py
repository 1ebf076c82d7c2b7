import pytest

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.data.sources.folder import read_folder
from budwood.data.sources.masks import find_masks
from tests.data.sources.listings import listed


def masks(names, choice="auto"):
    return find_masks(listed(names), choice, "DATA")


@pytest.mark.parametrize("start", ["", "train/"])
@pytest.mark.parametrize("drawn", ["masks", "Annotations", "labels", "ground_truth"])
def test_find_masks__folders_beside_the_pictures_of_a_class(start, drawn):
    names = [f"{start}{c}/images/{n}.jpg" for c in "ab" for n in range(3)]
    names += [f"{start}{c}/{drawn}/{n}.png" for c in "ab" for n in range(2)]
    assert masks(names) == {f"{start}a/{drawn}", f"{start}b/{drawn}"}


@pytest.mark.parametrize("file", ["1.png", "1_mask.png"])
def test_find_masks__folder_in_the_one_of_a_class_where_every_picture_is_of_a_photo(file):
    assert masks(["a/1.jpg", "a/2.jpg", f"a/labels/{file}", "b/1.jpg"]) == {"a/labels"}


def test_find_masks__folder_of_other_names_is_asked_for_unless_labels_may_be_photographed():
    with pytest.raises(DataError, match=r"two ways.*not every picture in 'a/masks'.*\n.*=skip.*\n.*=keep"):
        masks(["a/1.jpg", "a/masks/venice.jpg", "b/1.jpg"])
    assert masks(["a/1.jpg", "a/labels/beer.jpg", "b/1.jpg"]) == frozenset()
    assert masks(["masks/1.jpg", "images/1.jpg"]) == frozenset()


@pytest.mark.parametrize(
    "word", ["_mask", "-mask", " Mask", "_seg", "_gt", "_ground_truth", "_mask_1", "_mask (2)"]
)
def test_find_masks__files_named_as_the_photo_beside(word):
    photos = [f"{c}/{c} ({n}).png" for c in "ab" for n in range(3)]
    drawn = [name.replace(".png", f"{word}.png") for name in photos[1:]]
    assert masks([*photos, *drawn]) == set(drawn)
    assert masks([*photos, *drawn], "keep") == frozenset()


def test_find_masks__none_where_photos_are_only_called_so():
    assert masks([f"{c}/{n}{c}.jpg" for c in ("_mask", "_plain") for n in range(3)]) == frozenset()


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["a/1.jpg", "a/1_mask.png", "a/2_mask.png"], "no photo beside 'a/2_mask.png'"),
        (["a/mustang.jpg", "a/mustang_gt.jpg", *(f"a/{n}.jpg" for n in range(9))], "only 1 of the 10 photos"),
    ],
)
def test_find_masks__of_some_photos_alone_is_asked_for(names, why):
    with pytest.raises(DataError, match=why):
        masks(names)
    drawn = {name for name in names if "_" in name}
    assert masks(names, "skip") == drawn
    assert masks(names, "keep") == frozenset()


def test_read_folder__masks_are_no_photos_and_are_told_by_folder(tmp_path):
    for name in ("a/1", "a/2", "b/1", "b/2"):
        for ending in (".jpg", "_mask.png"):
            path = tmp_path / f"{name}{ending}"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(name.encode())
    found = read_folder(tmp_path)
    assert [photo.name for photo in found.photos] == ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg"]
    assert {(one.kind, one.place, one.count) for one in found.passed_over} == {
        ("annotations", "a", 2),
        ("annotations", "b", 2),
    }
    assert [(one.path, one.kind) for one in found.problems] == [("a", "ignored"), ("b", "ignored")]
    assert len(read_folder(tmp_path, Data(masks="keep")).photos) == 8
