"""What predictions are completed with, as it was asked for."""

import numpy as np

from budwood.evaluation.conformal import SetRule
from budwood.inference.prediction import Prediction
from budwood.inference.rules import PLAIN, Asked, Rules
from tests.inference.test_climbing import CLIMB, TREE, predicted

SETS = SetRule("lac", 0.9, False, np.full(3, 0.7), (20,))


def test_complete__adds_what_was_asked_for_and_nothing_else():
    found = predicted(0.5, 0.4, 0.1)
    assert Rules(0.0, np.inf, None, None, None).complete(found) == found
    placed = Rules(0.8, np.inf, SETS, TREE, CLIMB).complete(found)
    assert placed.path == (("owl", 0.9), ("barn", 0.5)) and placed.answer.label == "owl"
    assert placed.prediction_set == ("barn", "elf")


def test_complete__of_what_cannot_be_read_there_is_nothing_to_add():
    unread = Prediction("a.jpg", None, None, {}, "truncated")
    assert Rules(0.8, np.inf, SETS, TREE, CLIMB).complete(unread) == unread


def test_asked__equal_wishes_are_one_key():
    assert Asked(coverage=0.9) in {Asked(coverage=0.9): 1} and Asked(coverage=0.9) != PLAIN == Asked()
