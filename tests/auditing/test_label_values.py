"""`budwood.auditing.label_values`: values that were planted wrong are found, out of fold."""

import numpy as np
import pytest

from budwood.auditing import label_values as module
from budwood.auditing.label_values import (
    LabelOpinions,
    answered_as_given,
    ask_label_heads,
    describe_values,
    find_alike_labels,
    targets_of,
)
from budwood.data.label_sets import with_labels
from budwood.data.manifest import Photo
from budwood.evaluation.label_issues import SuspectValue

LABELS = ("a", "b", "c")


def made(n=240, seed=0, features=20):
    """Features of which each label turns some by much, and which label each photo has."""
    rng = np.random.default_rng(seed)
    true = (rng.random((n, 3)) < [0.3, 0.5, 0.4]).astype(np.float32)
    directions = rng.normal(size=(3, features)) * 3
    return (true @ directions + rng.normal(size=(n, features))).astype(np.float32), true


def ask(rows, targets, **options):
    return ask_label_heads(lambda places: rows[list(places)], rows.shape[1], targets, LABELS, **options)


def cells(found):
    return {(one.index, one.label) for one in found.suspects}


def test_targets_of__says_what_is_unknown():
    photos = [with_labels(Photo(b"", "1", ""), ["a"], ["b"]), with_labels(Photo(b"", "2", ""), [])]
    np.testing.assert_array_equal(targets_of(photos, LABELS), [[1, np.nan, 0], [0, 0, 0]])
    assert targets_of([], LABELS).shape == (0, 3)


def test_ask_label_heads__planted_values_are_found_and_nothing_else():
    rows, true = made()
    planted = {(3, 0), (10, 1), (17, 2), (40, 0), (41, 1), (99, 2), (150, 0), (151, 0)}
    given = true.copy()
    for cell in planted:
        given[cell] = 1 - given[cell]
    found = ask(rows, given)
    assert cells(found) <= planted and len(found.suspects) >= 7
    assert all(one.given == (given[one.index, one.label] == 1) for one in found.suspects)
    margins = [one.margin for one in found.suspects]
    assert margins == sorted(margins, reverse=True) and found.strengths.keys() == set(LABELS)
    assert not ask(rows, true).suspects


def test_ask_label_heads__copies_of_a_wrong_value_do_not_vouch_for_each_other():
    rows, true = made()
    rows[1::40], true[1::40] = rows[1], true[1]
    given = true.copy()
    given[1::40, 1] = 1 - true[1, 1]
    groups = ["one" if place % 40 == 1 else None for place in range(240)]
    assert {(place, 1) for place in range(1, 240, 40)} <= cells(ask(rows, given, groups=groups))


def test_ask_label_heads__says_something_of_what_is_unknown_and_suspects_none_of_it():
    rows, true = made()
    given = true.copy()
    given[:20, 0] = np.nan
    found = ask(rows, given)
    assert found.asked[:20, 0].all() and not found.suspects
    assert np.mean((found.probabilities[:20, 0] > 0.5) == (true[:20, 0] == 1)) > 0.9
    photos = [Photo(b"", str(place), "") for place in range(240)]
    listed = describe_values(found, photos, given, LABELS)
    assert {(one.kind, one.severity, one.label) for one in listed} == {("unknown_label", "note", "a")}
    assert {int(one.photo.path) for one in listed} <= set(np.flatnonzero(true[:20, 0] == 1))


def test_ask_label_heads__leaves_out_a_label_that_cannot_be_held_out():
    rows, true = made()
    true[:, 2] = 0
    true[5, 2] = 1
    found = ask(rows, true)
    assert set(found.strengths) == {"a", "b"} and not found.asked[:, 2].any()
    places, right = answered_as_given(found, true)
    assert len(places) == 240 and right.mean() > 0.95


def test_ask_label_heads__in_parts_where_there_is_too_much_for_one_fit(monkeypatch):
    rows, true = made()
    given = true.copy()
    given[:6, 1] = 1 - true[:6, 1]
    monkeypatch.setattr(module, "linear_fits", lambda n, *rest: n <= 130)
    asked = []
    found = ask_label_heads(lambda places: asked.append(len(places)) or rows[list(places)], 20, given, LABELS)
    assert len(asked) == 2 and sum(asked) == 240 and max(asked) <= 130
    assert cells(found) == {(place, 1) for place in range(6)} and found.asked.all()


@pytest.mark.parametrize("seed", range(2))
def test_ask_label_heads__no_head_learned_from_the_photo_it_is_asked_about(seed):
    # Of pure noise a head that had learned from a photo would know its labels.
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(150, 60)).astype(np.float32)
    given = (rng.random((150, 3)) < 0.5).astype(np.float32)
    found = ask(rows, given)
    assert abs(np.mean((found.probabilities > 0.5) == (given == 1)) - 0.5) < 0.1


def test_describe_values__tells_what_is_missing_from_what_is_too_much():
    photos = [Photo(b"", name, "a;b", "train") for name in "xy"]
    targets = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    shares = np.array([[0.02, 0.97, 0.1], [0.1, 0.9, 0.2]])
    suspects = (SuspectValue(0, 0, True, 0.96), SuspectValue(0, 1, False, 0.94))
    missing, extra = describe_values(LabelOpinions(shares, suspects, {}), photos, targets, LABELS)
    assert (missing.kind, missing.label, missing.probability, missing.rank) == ("missing_label", "b", 0.97, 1)
    assert (extra.kind, extra.label, extra.probability, extra.photo.split) == (
        "extra_label",
        "a",
        0.02,
        "train",
    )


def test_find_alike_labels__counts_photos_with_one_of_two_that_are_said_to_have_the_other():
    targets = np.repeat([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]], 40, axis=0).astype(np.float32)
    shares = np.where(targets == 1, 0.9, 0.1)
    for place in range(8):
        shares[place, :2] = 0.2, 0.7
    for place in range(40, 46):
        shares[place, :2] = 0.7, 0.2
    # A photo with both that is said to have one alone is no confusion of the two, nor is one that has both by its look.
    shares[80:90, 0], shares[20:30, 1] = 0.2, 0.9
    targets[7, 1] = np.nan
    photos = [Photo(b"", str(place), "") for place in range(len(targets))]
    (found,) = find_alike_labels(LabelOpinions(shares, (), {}), photos, targets, LABELS)
    assert (found.kind, found.first, found.second) == ("alike_labels", "a", "b")
    assert (found.first_as_second, found.second_as_first, found.num_first, found.num_second) == (7, 6, 39, 40)
    assert found.share == pytest.approx(13 / 79, abs=1e-4)
    assert found.interval[0] < found.share < found.interval[1]
    assert {int(one.path) for one in found.examples} <= {*range(7), *range(40, 46)}


def test_answered_as_given__asks_for_every_known_label_alone():
    targets = np.array([[1, np.nan, 0], [1, 1, 0], [0, 0, 0]], np.float32)
    shares = np.array([[0.9, 0.9, 0.1], [0.9, 0.1, 0.2], [0.1, np.nan, 0.3]])
    places, right = answered_as_given(LabelOpinions(shares, (), {}), targets)
    assert places.tolist() == [0, 1] and right.tolist() == [True, False]
