"""Predictions as the server answers them."""

from budwood.inference.prediction import Answer, Prediction
from budwood.serving.answers import as_answer, in_error
from budwood.serving.errors import RequestError

SHARES = {"barn": 0.5, "elf": 0.3, "wren": 0.2}


def test_as_answer__one_class_with_a_set():
    found = as_answer(Prediction("a.jpg", "barn", 0.5, SHARES, prediction_set=("barn", "elf")), 2)
    assert (found.label, found.labels, found.prediction_set) == ("barn", None, ["barn", "elf"])
    assert [one.label for one in found.top] == ["barn", "elf"] and found.probabilities == SHARES
    assert found.path is None and found.answer is None


def test_as_answer__several_labels():
    found = as_answer(Prediction("a.jpg", "barn;elf", 0.5, SHARES, labels=("barn", "elf")), 1)
    assert found.label is None and found.labels == ["barn", "elf"]
    assert as_answer(Prediction("a.jpg", "", 0.1, SHARES, labels=()), 1).labels == []


def test_as_answer__on_a_tree_of_labels():
    path = (("owl", 0.8), ("barn", 0.5))
    sure = Prediction("a.jpg", "barn", 0.5, SHARES, path=path, answer=Answer("owl", 1, 0.8, ("owl",)))
    found = as_answer(sure, 1)
    assert [one.label for one in found.path] == ["owl", "barn"]
    assert (found.answer.label, found.answer.depth, found.answer.path) == ("owl", 1, ["owl"])
    unsure = Prediction("a.jpg", "barn", 0.5, SHARES, path=path, answer=Answer(None))
    assert as_answer(unsure, 1).answer is None


def test_in_error__keeps_its_place_among_others():
    found = in_error("b.txt", RequestError("not_an_image", "no picture"))
    assert (found.name, found.label, found.error.kind) == ("b.txt", None, "not_an_image")
