import json

import pytest

from budwood.inference.prediction import Prediction

SHARES = {"a": 0.2, "b": 0.5, "c": 0.3}


def prediction(**more):
    return Prediction("x.jpg", "b", 0.5, SHARES, **more)


@pytest.mark.parametrize(
    ("k", "top"),
    [(1, [("b", 0.5)]), (2, [("b", 0.5), ("c", 0.3)]), (9, [("b", 0.5), ("c", 0.3), ("a", 0.2)])],
)
def test_top__the_most_probable_first(k, top):
    assert prediction().top(k) == top


def test_top__equal_ones_in_the_order_of_the_classes():
    assert Prediction("x", "a", 0.5, {"b": 0.5, "a": 0.5}).top(2) == [("b", 0.5), ("a", 0.5)]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "b 50.0%  c 30.0%"),
        ({"confident": False}, "not confident: b 50.0%  c 30.0%"),
        ({"out_of_distribution": True, "confident": False}, "none of these (b 50.0%  c 30.0%)"),
    ],
)
def test_in_words__what_is_to_be_thought_of_it(more, words):
    assert prediction(**more).in_words(2) == words


def test_to_json__is_plain_and_says_what_cannot_be_read():
    found = json.loads(json.dumps(prediction(distance=0.25).to_json(2)))
    assert found == {
        "name": "x.jpg",
        "label": "b",
        "probability": 0.5,
        "confident": True,
        "none_of_these": False,
        "distance": 0.25,
        "top": [{"label": "b", "probability": 0.5}, {"label": "c", "probability": 0.3}],
    }
    broken = Prediction("x.jpg", None, None, {}, error="it is cut")
    assert broken.to_json() == {"name": "x.jpg", "error": "it is cut"}
    assert repr(broken) == "Prediction('x.jpg', it is cut)"


def test_in_words__a_label_cannot_speak_to_the_terminal():
    assert "\x1b" not in Prediction("x", "\x1b[2J", 1.0, {"\x1b[2J": 1.0}).in_words()
