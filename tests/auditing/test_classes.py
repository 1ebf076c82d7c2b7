from budwood.auditing.classes import find_few_photos, find_imbalance
from budwood.auditing.words import evidence
from budwood.data.manifest import Photo


def photos(**counts):
    return [
        Photo(b"", f"{label}/{split}{number}", label, split or None, sha256=f"{label}{split}{number}")
        for name, count in counts.items()
        for label, _, split in [name.partition("_")]
        for number in range(count)
    ]


def test_find_imbalance__none_of_equal_classes():
    assert find_imbalance(photos(a=30, b=20), ("a", "b")) == []
    assert find_imbalance(photos(a=30), ("a",)) == []


def test_find_imbalance__the_majority_guess_and_weights():
    (found,) = find_imbalance(photos(a=90, b=10), ("a", "b"))

    assert (found.majority_share, found.num_largest, found.num_smallest) == (0.9, 90, 10)
    assert found.weights == {"a": 0.5556, "b": 5.0}


def test_find_few_photos__of_given_splits():
    found = find_few_photos(photos(a_train=30, a_test=20, b_train=30, b_test=1), ("a", "b"))

    test = [(one.classes, one.given) for one in found if one.split == "test"]
    assert test == [({"b": 1}, True)]


def test_find_few_photos__of_the_split_that_would_be_made():
    found = find_few_photos(photos(a=100, b=20), ("a", "b"))

    assert [(list(one.classes), one.split, one.given) for one in found] == [(["b"], "test", False)]
    assert find_few_photos(photos(a=100, b=80), ("a", "b")) == []


def test_find_few_photos__one_finding_of_a_split_says_how_many_classes_and_names_the_smallest():
    sizes = {f"c{number}_test": 1 + number % 4 for number in range(500)}

    (found,) = find_few_photos(photos(**sizes), [f"c{number}" for number in range(500)])

    assert len(found.classes) == 500
    assert list(found.classes)[:5] == ["c0", "c4", "c8", "c12", "c16"]
    assert evidence(found) == (
        "500 classes have fewer than 5 photos in test: 'c0' 1, 'c4' 1, 'c8' 1, 'c12' 1, 'c16' 1 and 495 more"
    )
