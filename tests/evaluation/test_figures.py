import numpy as np
import pytest
from pydantic import ValidationError

from budwood.evaluation.figures import GroupsInfo, SplitFigures
from budwood.evaluation.groups import Grouping
from budwood.evaluation.metrics import compute_metrics

LABELS = np.arange(60) % 3
SHARES = np.random.default_rng(0).dirichlet(np.ones(3), 60)
FIGURES = compute_metrics(LABELS, SHARES, ["a", "b", "c"], resamples=100)


def test_figures__come_back_from_json_by_the_names_of_a_file():
    written = FIGURES.to_json()
    assert SplitFigures.model_validate(written) == FIGURES
    assert "groups" not in written
    assert written["top5_accuracy"] is None and written["top5_accuracy_ci95"] is None
    assert written["per_class"][1].keys() == {"class", "precision", "recall", "f1", "support"}
    assert written["confusion"] == [list(row) for row in FIGURES.confusion]


def test_figure__with_its_interval():
    share, (low, high) = FIGURES.figure("macro_f1")
    assert share == FIGURES.macro_f1 and low < share < high
    assert FIGURES.figure("top5_accuracy") == (None, None)
    with pytest.raises(AttributeError):
        FIGURES.figure("speed")


def test_figures__of_too_few_groups_have_no_interval_but_a_range():
    found = compute_metrics(
        LABELS, SHARES, ["a", "b", "c"], resamples=100, groups=Grouping(np.arange(60) // 20)
    )
    assert found.groups == GroupsInfo(
        num=3, effective=found.groups.effective, largest=20, accuracy_range=found.groups.accuracy_range
    )
    low, high = found.groups.accuracy_range
    assert low < found.accuracy < high
    assert found.accuracy_ci95 is None and found.loss_ci95 is None
    assert found.why_no_interval("accuracy") == found.why_no_interval("macro_f1") == "few-groups"
    assert FIGURES.why_no_interval("macro_f1") is None
    # There is no figure to have one.
    assert found.why_no_interval("top5_accuracy") is None


@pytest.mark.parametrize(
    "change", [{"n": None}, {"more": 1}, {"accuracy_ci95": [1]}, {"per_class": [{"class": "a"}]}]
)
def test_figures__with_a_key_too_many_or_too_few_are_none(change):
    with pytest.raises(ValidationError):
        SplitFigures.model_validate(FIGURES.to_json() | change)
