"""`budwood.auditing.label_counts`: labels of unequal number, and labels that come with others."""

import numpy as np
import pytest

from budwood.auditing.label_counts import find_label_imbalance, find_labels_together, find_unlearnable_labels
from budwood.data.manifest import Photo

LABELS = ("boat", "sea", "tree")


def targets(*rows):
    return np.array([row for row, number in rows for _ in range(number)], np.float32)


def together(values):
    photos = [Photo(b"", str(place), "") for place in range(len(values))]
    return find_labels_together(photos, values, LABELS)


def test_find_label_imbalance__with_what_balanced_weights_would_be():
    values = targets(([1, 1, 0], 10), ([0, 1, 0], 20), ([0, 0, 1], 9), ([0, 0, np.nan], 1))
    (found,) = find_label_imbalance(values, LABELS)
    assert (found.kind, found.largest, found.num_largest) == ("label_imbalance", "sea", 30)
    assert (found.smallest, found.num_smallest, found.majority_share) == ("tree", 9, 0.75)
    # n / (2 * count), of those of which the label is known.
    assert found.weights == pytest.approx({"boat": 2.0, "sea": 40 / 60, "tree": 39 / 18}, abs=1e-4)
    assert find_label_imbalance(values[:, [0, 2]], ["boat", "tree"]) == []


def test_find_labels_together__a_label_that_does_not_stand_alone():
    values = targets(([1, 1, 0], 20), ([0, 1, 0], 20), ([0, 0, 1], 40), ([1, 0, 0], 1))
    (found,) = together(values)
    assert (found.label, found.other) == ("boat", "sea")
    assert (found.together, found.num_label, found.num_other) == (20, 21, 40)
    assert found.examples[0].path == "80" and len(found.examples) == 6
    assert together(targets(([1, 1, 0], 20), ([0, 1, 0], 20), ([0, 0, 1], 40), ([1, 0, 0], 2))) == []


def test_find_labels_together__names_two_that_are_one_once():
    (found,) = together(targets(([1, 1, 0], 20), ([0, 0, 1], 40)))
    assert (found.label, found.other) == ("boat", "sea")


def test_find_labels_together__is_silent_of_few_photos_of_unknown_ones_and_of_what_nearly_all_have():
    assert together(targets(([1, 1, 0], 9), ([0, 0, 1], 40))) == []
    assert together(targets(([1, 1, 0], 9), ([1, np.nan, 0], 9), ([0, 0, 1], 40))) == []
    assert together(targets(([1, 1, 0], 20), ([0, 1, 0], 30), ([0, 0, 1], 10))) == []


def test_find_unlearnable_labels__on_all_photos():
    (found,) = find_unlearnable_labels(targets(([1, 0, 1], 3), ([np.nan, 0, 0], 2)), LABELS)
    assert (found.path, found.problem, found.severity) == ("boat", "always", "error")
