import pytest

from budwood.core.errors import DataError
from budwood.data.sources.listing import Placed
from budwood.data.sources.spelling import join_spellings


def placed(label: str, split: str | None = None, home: str = "") -> Placed:
    return Placed(f"{home}{label}/{split}.jpg", label, split, home=home)


def labels(photos, **options):
    joined, others = join_spellings(photos, title="photos", **{"asked": False, **options})
    return [photo.label for photo in joined], others


def test_join_spellings__the_name_of_the_photos_to_learn_from():
    photos = [placed("Cats", "train", "train/"), *3 * [placed("cats", "test", "test/")]]
    assert labels(photos) == (4 * ["Cats"], {"Cats": ("cats",)})


def test_join_spellings__of_no_split_the_most_frequent():
    photos = [placed("cats ", home="a/"), *2 * [placed("cats", home="b/")]]
    assert labels(photos) == (3 * ["cats"], {"cats": ("cats ",)})


def test_join_spellings__unicode_forms_are_one_name_in_one_folder_too():
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert labels([placed(composed), placed(decomposed)])[0] == [composed, composed]


def test_join_spellings__two_in_one_folder_may_be_two_classes():
    photos = [placed("cats"), placed("Cats")]
    with pytest.raises(DataError, match=r"'Cats' and 'cats' in photos differ .*--layout classes"):
        labels(photos)
    assert labels(photos, asked=True) == (["cats", "Cats"], {})


def test_join_spellings__other_names_stay():
    assert labels([placed("cat"), placed("cats")]) == (["cat", "cats"], {})
