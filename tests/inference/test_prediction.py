import json
from dataclasses import replace

import numpy as np
import pytest

from budwood.data.taxonomy import Taxonomy
from budwood.evaluation.conformal import SetRule
from budwood.evaluation.risk_control import LabelSetRule
from budwood.inference.prediction import Answer, Prediction, answered_rightly, with_set

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


def test_with_set__the_most_probable_class_first():
    rule = SetRule("lac", 0.9, False, np.array([0.75, 0.75, 0.75]), (20,))
    shares = {"a": 0.25, "b": 0.5, "c": 0.25}
    found = with_set(Prediction("x.jpg", "b", 0.5, shares), rule)
    assert found.prediction_set == ("b", "a", "c")
    assert found.to_json()["prediction_set"] == ["b", "a", "c"]
    assert found.in_words() == "{b 50.0%  a 25.0%  c 25.0%}"
    per_class = SetRule("lac", 0.9, True, np.array([0.75, 0.4, 0.7]), (20, 20, 20))
    assert with_set(Prediction("x.jpg", "b", 0.5, shares), per_class).prediction_set == ("a",)
    none = with_set(Prediction("x.jpg", "b", 0.5, shares), SetRule("lac", 0.9, False, np.full(3, 0.1), (20,)))
    assert none.prediction_set == () and none.in_words() == "{} (b 50.0%)"
    assert none.to_json()["prediction_set"] == []
    far = replace(found, out_of_distribution=True)
    assert far.in_words() == "none of these ({b 50.0%  a 25.0%  c 25.0%})"


def test_with_set__of_several_labels_in_place_of_those_it_has():
    rule = LabelSetRule(0.9, False, np.full(2, 0.2), (20,))
    said = Prediction("x.jpg", "sea", 0.9, {"sun": 0.25, "sea": 0.9}, labels=("sea",))
    found = with_set(said, rule)
    assert found.prediction_set == ("sea", "sun") and found.in_words() == "{sea 90.0%  sun 25.0%}"
    assert found.to_json()["labels"] == ["sea"] and found.to_json()["prediction_set"] == ["sea", "sun"]
    assert replace(found, out_of_distribution=True).in_words() == "none of these ({sea 90.0%  sun 25.0%})"


def test_with_set__a_picture_that_cannot_be_read_has_none():
    rule = SetRule("lac", 0.9, False, np.array([0.5]), (20,))
    broken = Prediction("x.jpg", None, None, {}, error="it is cut")
    assert with_set(broken, rule) is broken


def test_answered_rightly__a_label_above_the_true_class_is_right():
    tree = Taxonomy({"owl": "", "barn owl": "owl", "elf owl": "owl", "wren": ""})
    said = Prediction("a.jpg", "elf owl", 0.5, {}, confident=False, answer=Answer("owl", 1, 0.9, ("owl",)))
    assert [answered_rightly(said, true, tree) for true in ("barn owl", "elf owl", "wren")] == [
        True,
        True,
        False,
    ]
    assert not answered_rightly(said, "barn owl"), "asked for the class"
    none = replace(said, answer=Answer(None))
    assert [answered_rightly(none, true, tree) for true in ("barn owl", "elf owl")] == [False, True]
