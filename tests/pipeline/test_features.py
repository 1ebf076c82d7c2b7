import pytest

from budwood.core.notes import Note
from budwood.data.check import Check
from budwood.data.manifest import Photo, Problem
from budwood.features.extract import Extraction
from budwood.pipeline.features import OpenFeatures, move_failed

PHOTOS = tuple(
    Photo(b"", f"{number}.jpg", "a", split)
    for number, split in enumerate(["train", "test", "train", "validation"])
)


class Asked:
    """Features that note which photos they are computed of."""

    def __init__(self, *notes):
        self.notes, self.photos, self.claimed = list(notes), [], []

    def compute(self, photos, *, claimed=False):
        self.photos += [photo.name for photo in photos]
        self.claimed.append(claimed)
        return Extraction(len(photos), 1, {photo.name: "cut" for photo in photos[:1]})


def opened(training, exact):
    found = object.__new__(OpenFeatures)
    vars(found).update(training=training, exact=exact)
    return found


def test_compute__each_photo_at_the_precision_that_it_is_used_with():
    training, exact = Asked(), Asked()
    found = opened(training, exact).compute(PHOTOS, claimed=True)
    assert training.claimed == exact.claimed == [True]
    assert training.photos == ["0.jpg", "2.jpg"]
    assert exact.photos == ["1.jpg", "3.jpg"]
    assert (found.num_computed, found.num_found, found.failed) == (4, 2, {"0.jpg": "cut", "1.jpg": "cut"})


def test_compute__once_where_there_is_one_precision():
    same = Asked()
    assert opened(same, same).compute(PHOTOS).num_computed == 4
    assert same.photos == [photo.name for photo in PHOTOS]


def test_notes__each_once():
    one, other = Note("a", "engine"), Note("b", "store")
    assert opened(Asked(one), Asked(one, other)).notes == [one, other]


@pytest.mark.parametrize("failed", [{}, {"1.jpg": "it is cut"}, {"1.jpg": "cut", "2.jpg": "gone"}])
def test_move_failed__photos_without_features_are_problems(failed):
    before = Check(PHOTOS, ("a",), (Problem("x", "truncated", "y"),), 9, 2)
    checked, photos = move_failed(before, PHOTOS[:3], Extraction(failed=failed))
    assert {photo.name for photo in PHOTOS} - {photo.name for photo in checked.photos} == set(failed)
    assert [photo.name for photo in photos] == [
        f"{number}.jpg" for number in range(3) if f"{number}.jpg" not in failed
    ]
    assert (checked.num_unreadable, checked.num_found) == (2 + len(failed), 9)
    assert [(one.path, one.kind, one.detail) for one in checked.problems[1:]] == [
        (name, "unreadable", detail) for name, detail in failed.items()
    ]
    assert checked.problems[0] == before.problems[0]
