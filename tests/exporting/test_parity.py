import numpy as np
import pytest

from budwood.evaluation.multi_label import MultiLabel
from budwood.evaluation.statistics import tango_interval
from budwood.evaluation.task import SINGLE_LABEL
from budwood.exporting.parity import Answered, compare, compare_default, compare_distances, compare_labels

OWN = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]], np.float32)
TARGETS = np.array([0, 0, 1, 0])


def parity(exported, task=SINGLE_LABEL, targets=TARGETS):
    both = Answered(OWN), Answered(exported.astype(np.float32))
    return compare(task, ("a", "b"), targets, *both, split="test", batches=(1, 7))


def test_compare__the_same():
    found = parity(OWN)
    assert found.holds and found.same_answers == 4 and found.largest_difference == 0
    assert found.run_correct == found.export_correct == 0.75 and found.difference == 0
    assert found.difference_ci95 == tango_interval(0, 0, 4)


def test_compare__another_class_of_one_photo_does_not_hold():
    found = parity(np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]]))
    assert not found.holds and found.same_answers == 3 and found.difference == -0.25
    assert abs(found.largest_difference - 0.2) < 1e-6


def test_compare__the_same_classes_with_other_probabilities_do_not_hold():
    found = parity(OWN + np.array([0.002, -0.002]))
    assert found.same_answers == 4 and not found.holds


def test_compare__of_several_labels_every_label_counts():
    task, targets = MultiLabel((0.5, 0.3)), np.array([[1, 0], [1, 1], [0, 1], [0, 1]], np.float32)
    found = parity(OWN, task, targets)
    assert found.holds and found.run_correct == 1.0
    found = parity(OWN - np.array([0.0, 0.15]), task, targets)
    # 0.4 - 0.15 lies below the threshold of the second label.
    assert found.same_answers == 3 and found.export_correct == 0.75


def test_compare__with_fewer_bits_half_a_point_may_be_lost_and_more_by_chance():
    many = np.repeat(OWN, 100, axis=0)
    targets = np.repeat(TARGETS, 100)
    # Of 400 photos 3 are more than half a point, and cannot be told from none: the interval reaches 0.
    for wrong, holds in ((2, True), (3, True), (5, False), (6, False)):
        changed = many.copy()
        changed[:wrong] = changed[:wrong, ::-1]
        both = Answered(many), Answered(changed)
        found = compare(
            SINGLE_LABEL, ("a", "b"), targets, *both, split="test", batches=(1,), precision="int8"
        )
        assert (found.holds, found.difference) == (holds, pytest.approx(-wrong / 400))
        assert found.export_loss > found.run_loss


def test_compare__a_distance_that_differs_does_not_hold_at_full_precision():
    far = np.array([0.1, 0.4, 0.5, 0.9], np.float32)
    same = compare_distances(far, far + np.float32(1e-5), 0.5, 0.5)
    assert parity(OWN).model_copy(update={"distance": same}).holds
    other = compare_distances(far, far + np.float32(1e-2), 0.5, 0.5)
    assert not parity(OWN).model_copy(update={"distance": other}).holds
    assert other.largest_difference == pytest.approx(0.02, rel=1e-3)
    assert (other.same_side, other.run_beyond, other.export_beyond) == (3, 0.25, 0.5)


def test_compare_distances__each_by_its_own_threshold():
    far = np.array([0.1, 0.4, 0.9])
    assert compare_distances(far, 2 * far, 0.5, 1.0).same_side == 3


def test_compare_default__counts_answers():
    found = compare_default(SINGLE_LABEL, ("a", "b"), Answered(OWN), Answered(OWN[:, ::-1]), "bf16")
    assert (found.precision, found.same_answers) == ("bf16", 0)
    assert found.largest_difference == pytest.approx(0.8)


def test_compare_labels__of_known_ones():
    targets = np.array([[1, 0], [1, np.nan], [0, np.nan], [0, np.nan]])
    red, blue = compare_labels(
        ("red", "blue"), (0.5, 0.3), targets, Answered(OWN), Answered(OWN - np.float32([0.15, 0.0]))
    )
    assert (red.changed, red.run_correct, red.export_correct) == (1, 1.0, 0.75)
    assert (blue.label, blue.threshold, blue.changed, blue.run_correct) == ("blue", 0.3, 0, 1.0)
