import inspect

import pytest

from budwood.auditing import near_duplicates as module
from budwood.auditing.near_duplicates import NEAR, Grouped
from budwood.data.groups import SAME_PICTURE
from budwood.data.manifest import Manifest, Photo
from budwood.features.twins import Twins

PHOTOS = [Photo(b"", str(number), "a", sha256=f"{9 - number:x}" * 64) for number in range(6)]


class Pair:
    """A photo and one that it is a copy of."""

    def __init__(self, photo, known):
        self.photo, self.known = photo, known


class Found:
    def __init__(self, *pairs):
        self.twins = [Pair(*pair) for pair in pairs]


def joined(groups, *pairs):
    # The check of types at run time asks for what features and pixels say of a pair.
    return inspect.unwrap(module._with_twins)(PHOTOS, groups, Found(*pairs))


def test_with_twins__a_pair_is_a_group_of_its_own():
    one, *rest = joined([None] * 6, ("0", "3"))
    assert one == rest[2] and one.startswith(NEAR)
    assert [rest[0], rest[1], rest[3], rest[4]] == [None] * 4
    # Named by the smallest content, whatever the order.
    assert one == NEAR + "6" * 12


def test_with_twins__chains_are_one_group_and_others_stay_apart():
    found = joined([None] * 6, ("0", "1"), ("2", "1"), ("4", "5"))
    assert len({found[0], found[1], found[2]}) == 1
    assert found[3] is None
    assert found[4] == found[5] != found[0]


@pytest.mark.parametrize(
    ("groups", "name"),
    [
        (["given", "given", None, None, None, None], "given"),
        ([f"{SAME_PICTURE}1", f"{SAME_PICTURE}1", None, None, None, None], None),
        (["z", "z", "b", None, None, None], "b"),
    ],
)
def test_with_twins__a_name_of_the_data_stays(groups, name):
    found = joined(groups, ("1", "2"))
    assert found[0] == found[1] == found[2]
    assert found[0] == name if name else found[0].startswith(NEAR)


def test_with_twins__a_group_of_one_is_none():
    assert joined(["alone", None, None, None, None, None]) == [None] * 6


def test_grouped__counts_and_names_one_pair_of_each_group_in_two_splits():
    photos = tuple(
        Photo(b"", str(number), "a", split, group=group)
        for number, (split, group) in enumerate(
            [
                ("train", "g"),
                ("test", "g"),
                ("test", "g"),
                ("train", "h"),
                ("train", "h"),
                (None, "i"),
                ("test", "i"),
            ]
        )
    )
    pairs = module._in_two_splits(photos)
    assert [(one.name, other.name) for one, other in pairs] == [("0", "1")]
    found = Grouped(Manifest((*photos, PHOTOS[0]), ("a",)), Twins((), 0, 0), 0, pairs)
    assert (found.num_groups, found.num_photos) == (3, 7)
