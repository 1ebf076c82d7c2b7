import numpy as np
import pytest

from budwood.auditing import labels as module
from budwood.auditing.labels import ask_heads, find_alike_classes, find_suspects
from budwood.data.manifest import Photo

CLASSES = ("a", "b", "c")


def made(n=240, seed=0, spread=3.0, features=20):
    rng = np.random.default_rng(seed)
    true = np.arange(n) % 3
    centres = rng.normal(size=(3, features)) * spread / np.sqrt(features) * 3
    return (centres[true] + rng.normal(size=(n, features))).astype(np.float32), true


def ask(rows, labels, **options):
    return ask_heads(lambda places: rows[list(places)], rows.shape[1], labels, 3, **options)


def test_ask_heads__planted_labels_are_found_and_nothing_else():
    rows, true = made()
    given = true.copy()
    planted = np.random.default_rng(1).permutation(240)[:20]
    given[planted] = (true[planted] + 1) % 3

    found = ask(rows, given)

    assert set(found.suspects) <= set(planted)
    assert len(found.suspects) >= 18
    own = found.probabilities[found.suspects, given[found.suspects]]
    assert (np.diff(own) >= 0).all()
    assert len(ask(rows, true).suspects) == 0


def test_ask_heads__copies_of_a_wrong_label_do_not_vouch_for_each_other():
    rows, true = made()
    rows[1::40] = rows[1]
    given = true.copy()
    given[1::40] = 2
    groups = ["one" if place % 40 == 1 else None for place in range(240)]

    assert set(range(1, 240, 40)) <= set(ask(rows, given, groups=groups).suspects.tolist())


def test_ask_heads__in_parts_where_there_is_too_much_for_one_fit(monkeypatch):
    rows, true = made()
    given = true.copy()
    given[:6] = (true[:6] + 1) % 3
    monkeypatch.setattr(module, "linear_fits", lambda n, *rest: n <= 130)
    asked = []

    found = ask_heads(lambda places: asked.append(len(places)) or rows[list(places)], 20, given, 3)

    assert len(asked) == 2 and max(asked) <= 130
    assert set(found.suspects) == set(range(6)) and found.asked.all()


def test_ask_heads__the_only_photo_of_a_class_is_not_asked_for():
    rows, true = made()
    true[true == 2] = 0
    true[5] = 2

    found = ask(rows, true)

    assert not found.asked[5] and found.asked.sum() == 239


def test_find_suspects__none_of_perfect_answers():
    assert len(find_suspects(np.array([0, 1, 2]), np.eye(3))) == 0


def test_find_alike_classes__counts_both_ways_with_an_interval_of_groups():
    labels = np.repeat(np.arange(3), 40)
    shares = np.eye(3)[labels] * 0.9 + 0.03
    for place in (*range(0, 8), *range(40, 46)):
        shares[place] = [0.2, 0.7, 0.1] if labels[place] == 0 else [0.7, 0.2, 0.1]
    photos = [Photo(b"", f"{place}", CLASSES[label]) for place, label in enumerate(labels)]

    (found,) = find_alike_classes(module.Opinions(shares, np.zeros(0, int), 0.1), photos, labels, CLASSES)

    assert (found.first, found.second) == ("a", "b")
    assert (found.first_as_second, found.second_as_first, found.num_first, found.num_second) == (8, 6, 40, 40)
    assert found.share == pytest.approx(14 / 80)
    assert found.interval[0] < found.share < found.interval[1]
    assert {one.label for one in found.examples} <= {"a", "b"}
