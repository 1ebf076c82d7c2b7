import pytest

from budwood.core.errors import DataError
from budwood.data.enough import leave_small_classes_out, refuse_too_few, too_few_classes
from budwood.data.label_sets import with_labels
from budwood.data.manifest import Kin, Photo


def photos(*sets, split=None):
    """Photos with several labels, all different; a label after "?" is unknown."""
    return [
        with_labels(
            Photo(b"", f"{number}.jpg", "", split, kin=Kin(equal=f"{number}")),
            [label for label in labels.split() if label[0] != "?"],
            [label[1:] for label in labels.split() if label[0] == "?"],
        )
        for number, labels in enumerate(sets)
    ]


ENOUGH = ["sea", "sea sun", "sun", "sea", "sun", ""]


def fault(some, classes):
    with pytest.raises(DataError) as caught:
        refuse_too_few(some, classes, "")
    return str(caught.value)


def test_refuse_too_few__passes_what_is_enough():
    refuse_too_few(photos(*ENOUGH), ["sea", "sun"], "")


def test_refuse_too_few__of_several_labels_says_labels():
    told = fault(photos(*ENOUGH, "moon"), ["moon", "sea", "sun"])
    assert (
        told.startswith("too few photos: 'moon' has 1. Each label needs at least 3")
        and "such labels out" in told
    )
    told = fault(photos("sea", "sea", "sea", ""), ["sea"])
    assert told.startswith("1 label can be used ('sea'); two are needed") and "one of two classes" in told


def test_refuse_too_few__a_label_that_every_photo_has_where_it_is_known():
    told = fault(photos("sea sun", "sea", "sea sun", "?sea sun"), ["sea", "sun"])
    assert told.startswith("every photo has 'sea' where that is known, so there is nothing to learn")
    refuse_too_few(photos("sea sun", "sea", "sea sun", "sun"), ["sea", "sun"], "")


def test_refuse_too_few__a_label_without_training_photos():
    some = photos(*ENOUGH, split="train") + photos("moon", split="test")
    assert fault(some, ["moon", "sea", "sun"]).startswith("no usable photos in train of 'moon'")


def test_leave_small_classes_out__the_photos_of_a_rare_label_stay():
    kept, problems = leave_small_classes_out(photos(*ENOUGH, "moon sea"), 3)
    assert len(kept) == 7 and kept[-1].labels == ("sea",)
    assert [(one.path, one.kind) for one in problems] == [("moon", "small_class")]


def test_too_few_classes__names_the_largest():
    told = too_few_classes({"a": 5, "b": 4, "c": 1}, 9)
    assert (
        "leaves fewer than two classes: of the largest, 'a' has 5 and 'b' has 4" in told
        and "Give 4 or fewer" in told
    )
