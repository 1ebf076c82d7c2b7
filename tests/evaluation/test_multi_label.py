"""What tests/evaluation/test_task.py asks of every task, for several labels a photo."""

import numpy as np
import pytest
from scipy.special import expit

from budwood.core.errors import DataError
from budwood.evaluation.multi_label import MultiLabel
from budwood.evaluation.task import Task
from budwood.evaluation.thresholds import choose_thresholds

LABELS = ["ash", "birch", "cedar"]
TASK = MultiLabel()


@pytest.fixture
def answers():
    rng = np.random.default_rng(3)
    targets = (rng.random((120, 3)) < [0.5, 0.3, 0.1]).astype(np.float32)
    logits = rng.normal(size=(120, 3)) * 2 + 4 * targets - 2
    targets[rng.random((120, 3)) < 0.1] = np.nan
    return targets, logits


def test_multi_label__keeps_the_contract(answers):
    targets, logits = answers
    assert isinstance(TASK, Task)
    scaling = TASK.fit_scaling(logits, targets)
    shares = TASK.probabilities(logits, scaling)
    assert shares.shape == logits.shape and shares.dtype == np.float64
    assert (shares >= 0).all() and (shares <= 1).all()
    losses, correct = TASK.losses(shares, targets), TASK.correct(shares, targets)
    assert losses.shape == correct.shape == (120,) and (losses >= 0).all() and correct.dtype == bool
    others = [TASK.losses(TASK.probabilities(scaling.apply(logits), f), targets).mean() for f in (0.5, 2.0)]
    assert losses.mean() < min(others)


def test_multi_label__the_figures_of_a_split_are_those_of_its_photos(answers):
    targets, logits = answers
    shares = TASK.probabilities(logits)
    found = TASK.metrics(targets, shares, LABELS, resamples=200, seed=1)
    assert found.n == 120
    assert found.loss == pytest.approx(TASK.losses(shares, targets).mean())
    some = ~np.isnan(targets).all(axis=1)
    assert found.exact_match == pytest.approx(TASK.correct(shares, targets)[some].mean())
    assert found.exact_match_ci95[0] < found.exact_match < found.exact_match_ci95[1]
    assert TASK.metrics(targets, shares, LABELS, resamples=200, seed=1) == found


def test_multi_label__a_scaling_that_does_nothing_changes_no_calibration(answers):
    targets, logits = answers
    same = TASK.calibration(TASK.probabilities(logits), targets, 1.0)
    assert same["before"]["loss"] == pytest.approx(same["after"]["loss"])
    assert same["after"]["loss"] == pytest.approx(TASK.losses(TASK.probabilities(logits), targets).mean())
    scaling = TASK.fit_scaling(logits, targets)
    other = TASK.calibration(TASK.probabilities(logits, scaling), targets, scaling)
    assert other["before"]["loss"] == pytest.approx(same["after"]["loss"])
    halved = TASK.calibration(TASK.probabilities(logits, 2.0), targets, 2.0)
    assert halved["before"]["loss"] == pytest.approx(same["after"]["loss"])


def test_multi_label__what_is_unknown_costs_nothing_and_is_not_wrong():
    shares = np.array([[0.9, 0.2], [0.9, 0.2], [0.9, 0.2]])
    targets = np.array([[1, np.nan], [np.nan, np.nan], [np.nan, 1]], np.float32)
    assert TASK.correct(shares, targets).tolist() == [True, True, False]
    assert TASK.losses(shares, targets) == pytest.approx([1.5 * -np.log(0.9), 0, 1.5 * -np.log(0.2)])


def test_multi_label__thresholds_decide_what_is_right():
    shares, targets = np.array([[0.6, 0.3]]), np.array([[0, 1]], np.float32)
    assert not TASK.correct(shares, targets)[0]
    assert MultiLabel((0.7, 0.3)).correct(shares, targets)[0]
    assert MultiLabel((0.7, 0.2)).metrics(targets, shares, ["a", "b"]).exact_match == 1
    with pytest.raises(DataError, match="2 thresholds for 3 labels"):
        MultiLabel((0.7, 0.3)).correct(np.ones((1, 3)), np.ones((1, 3)))


def test_multi_label__encode_reads_names_and_what_is_unknown():
    found = TASK.encode([["birch", "ash"], [], ["cedar"]], LABELS, unknown=[[], ["ash"], []])
    np.testing.assert_array_equal(found, [[1, 1, 0], [np.nan, 0, 0], [0, 0, 1]])
    assert found.dtype == np.float32
    with pytest.raises(DataError, match="oak is none of ash, birch, cedar"):
        TASK.encode([["ash"], ["oak"]], LABELS)
    with pytest.raises(DataError, match="photo 2 both has ash and is unknown"):
        TASK.encode([[], ["ash"]], LABELS, unknown=[[], ["ash"]])


def test_multi_label__answers_are_read_as_they_were_written():
    shares = np.array([[0.9, 0.6, 0.1], [0.1, 0.2, 0.3]])
    answers = MultiLabel((0.5, 0.7, 0.1)).answers(shares, LABELS)
    np.testing.assert_array_equal(TASK.encode(answers, LABELS), [[1, 0, 1], [0, 0, 1]])


def test_multi_label__decides_thresholds_on_the_photos_that_it_is_given(answers):
    targets, logits = answers
    shares = TASK.probabilities(logits)
    decided = TASK.decide(shares, targets, LABELS)
    assert decided.thresholds == choose_thresholds(targets, shares, LABELS).values
    assert TASK.thresholds is None and decided.metrics(targets, shares, LABELS, resamples=50).macro_f1 > 0


def test_multi_label__probabilities_are_independent():
    assert TASK.probabilities(np.array([[0.0, 2.0]])) == pytest.approx(expit([[0.0, 2.0]]))
