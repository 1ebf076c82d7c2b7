from typing import get_args

import numpy as np
import pytest

from budwood.core import text as words
from budwood.evaluation.figures import NoInterval
from budwood.evaluation.metrics import compute_metrics
from budwood.report import terminal


def test_confusions__most_frequent_first():
    assert terminal.confusions([[5, 1, 3], [3, 0, 0], [0, 0, 9]]) == [
        (1, 0, 3, 3),
        (0, 2, 3, 9),
        (0, 1, 1, 9),
    ]


def test_confusion_words():
    sentence = terminal.confusion_words((0, 1, 6, 64), ["roses", "tulips"]).replace(words.NO_BREAK, " ")
    assert sentence == "“roses” taken for “tulips” 6 times, 9.4 % of its 64 photos."


def _scores(confusion, interval):
    n = sum(map(sum, confusion))
    right = sum(confusion[i][i] for i in range(len(confusion)))
    return {"n": n, "accuracy": right / n, "accuracy_ci95": interval, "confusion": confusion}


def test_verdict__one_photo():
    sentence = terminal.verdict(_scores([[1, 0], [0, 0]], [0.2, 1.0]), "test").replace(words.NO_BREAK, " ")
    assert sentence.startswith("On 1 test photo never used for training, 100.0 % is classified correctly")


def test_verdict__of_groups():
    scores = {"n": 200, "accuracy": 0.9, "accuracy_ci95": [0.8, 0.95], "groups": {"num": 40}}
    assert "95 % interval of 40 groups of photos that belong together 80.0 % to" in terminal.verdict(
        scores, "test"
    ).replace(words.NO_BREAK, " ")
    few = {"num": 7, "accuracy_range": [0.5, 0.99]}
    sentence = terminal.verdict({**scores, "accuracy_ci95": None, "groups": few}, "test")
    assert "no interval: 7 groups" in sentence
    assert "95" not in sentence


def test_scores_as_text__says_why_a_figure_has_no_interval():
    labels = np.arange(40) % 20
    shares = np.random.default_rng(0).dirichlet(np.ones(20), 40) + np.eye(20)[labels]
    shares /= shares.sum(axis=1, keepdims=True)
    classes = [f"class {number}" for number in range(20)]
    scores = compute_metrics(labels, shares, classes, resamples=100).to_json()
    lines = {line[:20].strip(): line for line in terminal.scores_as_text(scores, "test").splitlines()}
    assert lines["macro F1"].endswith("   no interval: too few photos a class")
    assert lines["calibration error"].endswith("   no interval: too few photos")
    assert " to " in lines["balanced accuracy"] and "no interval" not in lines["balanced accuracy"]
    # A run of before the reasons were kept: groups alone left a figure without an interval.
    del scores["no_interval"]
    assert "macro F1" in terminal.scores_as_text(scores, "test")
    assert "no interval: too few groups of photos" in terminal.scores_as_text(scores, "test")


def test_no_interval__has_words_for_every_reason():
    assert all(terminal.no_interval(reason).startswith("no interval: ") for reason in get_args(NoInterval))


def test_notes__few_photos_widen_the_interval():
    lines = terminal.notes(_scores([[9, 1], [2, 8]], [0.64, 0.95]), "test", ["a", "b"])
    assert "interval is wide because 20 test photos are few" in lines[0]
    assert "50.0" in lines[1]
    assert "“b” taken for “a” 2 times" in lines[2]


def test_notes__validation_is_no_test():
    lines = terminal.notes(_scores([[50, 0], [0, 50]], [0.96, 1.0]), "validation", ["a", "b"])
    assert "--no-test" in lines[0]
    assert lines[-1] == "No validation photo is misclassified."


def test_notes__single_mistakes():
    lines = terminal.notes(_scores([[50, 1], [1, 50]], [0.93, 0.99]), "test", ["a", "b"])
    assert lines[-1] == "2 photos are misclassified, no two of them in the same way."


@pytest.mark.parametrize(("parts", "listed"), [([], ""), (["a"], "a"), (["a", "b"], "a and b")])
def test_listing__of_few(parts, listed):
    assert words.listing(parts) == listed


def test_sentences__leaves_out_the_empty_ones():
    assert words.sentences("One.", "", "Two.") == "One. Two."


@pytest.mark.parametrize(("right", "told"), [(80, True), (100, False)])
def test_notes__no_better_than_guessing(right, told):
    scores = {"n": 100, "accuracy": right / 100, "accuracy_ci95": [right / 100 - 0.08, 1.0]}
    scores["confusion"] = [[80, 0], [100 - right, right - 80]]
    found = " ".join(terminal.notes(scores, "test", ["many", "few"]))
    assert ("it is not shown that the model does better" in found) is told


def test_notes__of_classes_with_few_photos_the_whole_is_to_be_read():
    matrix = [[int(row == column) for column in range(6)] for row in range(6)]
    lines = terminal.notes(_scores(matrix, [0.61, 1.0]), "test", list("abcdef"))
    assert any("about 1 test photo a class" in line for line in lines)
    lines = terminal.notes(_scores([[9, 1], [2, 8]], [0.64, 0.95]), "test", ["a", "b"])
    assert not any("a class: read the figure" in line for line in lines)


def test_notes__classes_of_one_size_have_no_most_frequent_one():
    lines = " ".join(terminal.notes(_scores([[9, 1], [2, 8]], [0.64, 0.95]), "test", ["a", "b"]))
    assert "Always answering the same class would be right for 50.0" in lines
    lines = " ".join(terminal.notes(_scores([[9, 1], [2, 9]], [0.64, 0.95]), "test", ["a", "b"]))
    assert "Always answering “b”, the most frequent class" in lines
    lines = " ".join(
        terminal.notes(_scores([[9, 0, 0], [0, 9, 0], [0, 0, 8]], [0.8, 1.0]), "test", list("abc"))
    )
    assert "Always answering “a”, one of the most frequent classes, would" in lines
