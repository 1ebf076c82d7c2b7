import pytest
from pydantic import ValidationError

from budwood.config.data import Data
from budwood.core.errors import StorageError


@pytest.mark.parametrize(
    ("settings", "levels"),
    [
        ({}, None),
        ({"bit_depth": 12}, (0.0, 4095.0)),
        ({"bit_depth": 32}, (0.0, 4294967295.0)),
        ({"range": [-1024, 3071]}, (-1024.0, 3071.0)),
    ],
)
def test_levels__by_range_or_by_bits(settings, levels):
    assert Data(**settings).levels == levels


def test_fewest__auto_is_nobodys_number():
    assert (Data().fewest, Data(min_photos=3).fewest) == (None, 3)


@pytest.mark.parametrize(
    "split", [[0.8, 0.1, 0.1], [0.9, 0.1, 0.0], [1 / 3, 1 / 3, 1 / 3], [0.7, 0.2, 0.1], [0.98, 0.01, 0.01]]
)
def test_split__shares_of_the_whole(split):
    assert Data(split=split).split == split


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        *[
            ({"split": split}, "sum to 1")
            for split in ([0.8, 0.1, 0.2], [1.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.9, 0.2, -0.1])
        ],
        ({"split": [0.5, 0.5]}, "at least 3"),
        ({"range": [0, 4095], "bit_depth": 12}, "range and bit_depth say the same thing"),
        *[({"range": one}, "Give the darkest value first") for one in ([5, 5], [9, 1])],
        ({"range": [0, float("inf")]}, "finite"),
        ({"folds": 1}, "folds = 1 leaves nothing to learn from"),
        ({"folds": 5, "fold": 5}, "of 5 folds the last one is 4"),
        ({"fold": 1}, "fold = 1 and folds = 0 do not go together"),
        ({"split_folders": {"test": "Testing"}}, "one of the folders has to be train"),
        ({"split_folders": {"train": "a"}, "layout": "classes"}, "knows no split folders"),
        ({"group": "burst"}, "names no time"),
        ({"size": 31}, "greater than or equal to 32"),
        ({"unknown": 1}, "Extra inputs"),
    ],
)
def test_data__what_does_not_go_together_is_said(settings, words):
    with pytest.raises(ValidationError, match=words):
        Data(**settings)


@pytest.mark.parametrize(
    "settings", [{"folds": 5, "fold": 4}, {"split_folders": {"train": ["a", "b"]}}, {"folds": 2}]
)
def test_data__what_does(settings):
    assert Data(**settings).model_dump().items() >= settings.items()


def test_data__addresses_with_credentials_are_refused_and_not_repeated():
    assert Data(allow_uri=["s3://bucket/photos/"]).allow_uri == ["s3://bucket/photos"]
    with pytest.raises(StorageError) as error:
        Data(allow_uri=["s3://key:hidden@bucket/photos"])
    assert "hidden" not in str(error.value)
