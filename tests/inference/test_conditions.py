import numpy as np
import pytest

from budwood.config.learning import Loss
from budwood.core.errors import DataError, RunError
from budwood.data.manifest import Photo
from budwood.evaluation.groups import Grouping
from budwood.evaluation.multi_label import MultiLabel
from budwood.evaluation.task import SINGLE_LABEL
from budwood.inference.conditions import (
    Answers,
    Conditions,
    Evaluation,
    learned_shares,
    measure_at,
    measure_by,
)
from budwood.inference.own_photos import OwnPhotos

OWN = OwnPhotos(
    [{"name": str(n), "label": "ab"[n % 4 == 0], "split": "train", "sha256": f"t{n}"} for n in range(8)],
    ["a", "b"],
)


@pytest.fixture
def answers():
    photos = [
        Photo(b"", str(n), "ab"[n % 2], sha256=str(n), metadata={"camera": "xy"[n < 40]}) for n in range(80)
    ]
    targets = np.arange(80) % 2
    told = np.where(np.arange(80) % 8 == 0, 1 - targets, targets)
    shares = np.where(told[:, None] == np.arange(2), 0.8, 0.2)
    return Answers(photos, targets, shares, ["a", "b"], Grouping(np.arange(80)), SINGLE_LABEL)


def test_measure_by_and_at__stand_beside_the_figures(answers):
    found = Evaluation(
        SINGLE_LABEL.metrics(answers.targets, answers.probabilities, answers.classes, resamples=50),
        measure_by(answers, ["camera", "label"], OWN, {}),
        measure_at(answers, {"a": 0.1, "b": 0.9}, OWN, Loss()),
    ).to_json()
    assert [one["by"] for one in found["by"]] == ["camera", "label"]
    assert sum(one["n"] for one in found["by"][0]["subgroups"]) == found["n"] == 80
    # All that is wrong is of the first class.
    assert [one["accuracy"] for one in found["by"][1]["subgroups"]] == [0.75, 1.0]
    assert found["prevalence"]["own"]["accuracy"] == pytest.approx(0.1 * 0.75 + 0.9)
    assert found["prevalence"]["learned"] == {"a": 0.75, "b": 0.25}


def test_evaluation__without_conditions_is_the_figures(answers):
    figures = SINGLE_LABEL.metrics(answers.targets, answers.probabilities, answers.classes, resamples=50)
    assert measure_by(answers, (), OWN, {}) == () and measure_at(answers, None, OWN, Loss()) is None
    assert Evaluation(figures).to_json() == figures.to_json()


def test_conditions__refused_before_a_photo_is_read():
    with pytest.raises(DataError, match="add up to"):
        Conditions(prevalence={"a": 0.5, "b": 0.4}).refuse_impossible(SINGLE_LABEL, ["a", "b"])
    with pytest.raises(DataError, match="asked for twice"):
        Conditions(by=("x", "x")).refuse_impossible(SINGLE_LABEL, ["a", "b"])
    with pytest.raises(RunError, match="several labels a photo"):
        Conditions(prevalence={"a": 1.0}).refuse_impossible(MultiLabel(), ["a"])
    Conditions(by=("x",)).refuse_impossible(MultiLabel(), ["a"])


def test_learned_shares__weights_that_are_named():
    loss = Loss(class_weights={"b": 3.0})
    np.testing.assert_allclose(learned_shares(["a", "a", "a", "b"], ["a", "b"], loss), [0.5, 0.5])
