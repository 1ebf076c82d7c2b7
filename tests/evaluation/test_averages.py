"""Averages over classes hold what their intervals promise, on simulated models whose truth is known."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score

from benchmarks import intervals
from budwood.evaluation.averages import FEWEST_OF_A_CLASS, Average, ClassAverages
from budwood.evaluation.groups import Grouping
from budwood.evaluation.statistics import wilson_interval


def confusion(labels, predicted, num: int):
    return np.bincount(labels * num + predicted, minlength=num * num).reshape(num, num)


def answers(rng, num: int, photos: int, share: float = 0.8):
    labels = np.repeat(np.arange(num), photos)
    wrong = (labels + rng.integers(1, num, len(labels))) % num
    return labels, np.where(rng.random(len(labels)) < share, labels, wrong)


def test_class_averages__values_are_scikit_learns():
    labels, predicted = answers(np.random.default_rng(0), 7, 12)
    averages = ClassAverages(confusion(labels, predicted, 7))
    assert averages.of("macro_f1").value == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert averages.of("weighted_f1").value == pytest.approx(f1_score(labels, predicted, average="weighted"))
    precision = precision_score(labels, predicted, average="weighted", zero_division=0)
    assert averages.of("weighted_precision").value == pytest.approx(precision)
    assert averages.of("balanced_accuracy").value == pytest.approx((labels == predicted).mean())


@pytest.mark.parametrize("name", list(FEWEST_OF_A_CLASS))
def test_class_averages__bias_and_variance_are_those_of_many_draws(name):
    # 30 classes of unlike sizes and skill, drawn again and again: what is known of one draw against all of them.
    rng = np.random.default_rng(1)
    model = intervals.Model.draw("unequal", 30, 25, rng)
    model = intervals.Model(np.maximum(model.photos, 6), model.hits, model.targets, model.shares)
    truth = intervals.averages(model.expected())[name]
    found = [ClassAverages(model.answer(rng)).of(name) for _ in range(250)]
    values = np.array([one.value for one in found])
    assert np.mean([one.variance for one in found]) == pytest.approx(values.var(), rel=0.3)
    left = np.mean([one.corrected for one in found]) - truth
    assert abs(left) < 0.35 * values.std()
    # One that is hardly biased is left alone; of macro F1 the bias has to be seen.
    if name in ("macro_f1", "weighted_precision"):
        assert abs(left) < abs(values.mean() - truth)


def test_class_averages__of_classes_of_one_size_balanced_accuracy_has_nearly_wilsons_interval():
    labels, predicted = answers(np.random.default_rng(2), 2, 100)
    found = ClassAverages(confusion(labels, predicted, 2)).of("balanced_accuracy").interval()
    assert found == pytest.approx(wilson_interval(int((labels == predicted).sum()), 200), abs=0.01)


def test_class_averages__where_all_is_right_the_interval_is_wilsons():
    averages = ClassAverages(np.diag([20, 20, 20]))
    for name in FEWEST_OF_A_CLASS:
        assert averages.of(name).interval() == pytest.approx(wilson_interval(60, 60))
    # Of classes of unlike sizes the small ones decide how much is known.
    low, _ = ClassAverages(np.diag([500, 10])).of("macro_f1").interval()
    assert low < wilson_interval(40, 40)[0]


@pytest.mark.parametrize(
    ("name", "photos", "reason"),
    [
        ("macro_f1", 2, "few-photos-a-class"),
        ("weighted_f1", 2, "few-photos-a-class"),
        ("weighted_precision", 4, "few-photos-a-class"),
        ("macro_f1", 3, None),
        ("weighted_precision", 5, None),
        ("balanced_accuracy", 1, "few-photos-a-class"),
        ("balanced_accuracy", 2, None),
    ],
)
def test_class_averages__of_too_few_photos_a_class_have_no_interval(name, photos, reason):
    labels, predicted = answers(np.random.default_rng(3), 20, photos)
    found = ClassAverages(confusion(labels, predicted, 20)).of(name)
    assert found == reason if reason else isinstance(found, Average)


def test_class_averages__a_few_small_classes_may_be_among_others():
    sizes = np.array([1, 1] + [20] * 8)
    assert isinstance(ClassAverages(np.diag(sizes)).of("macro_f1"), Average)
    sizes[2] = 1
    assert ClassAverages(np.diag(sizes)).of("macro_f1") == "few-photos-a-class"


def test_class_averages__without_photos_of_a_class_there_is_no_macro_f1():
    matrix = np.array([[18, 1, 1], [2, 18, 0], [0, 0, 0]])
    averages = ClassAverages(matrix)
    assert averages.of("macro_f1") == "class-without-photos"
    assert averages.of("balanced_accuracy").value == pytest.approx(0.9)
    assert isinstance(averages.of("weighted_f1"), Average)


def test_class_averages__too_biased_an_average_has_no_interval():
    # Of 2,000 classes the error is so small that what is left of the bias after its correction would show.
    labels, predicted = answers(np.random.default_rng(4), 2000, 3, 0.6)
    assert ClassAverages(confusion(labels, predicted, 2000)).of("macro_f1") == "few-photos-a-class"
    labels, predicted = answers(np.random.default_rng(4), 200, 3, 0.6)
    assert isinstance(ClassAverages(confusion(labels, predicted, 200)).of("macro_f1"), Average)


def test_effect__of_photos_that_are_right_and_wrong_together_is_their_number():
    rng = np.random.default_rng(5)
    labels, predicted = answers(rng, 4, 50)
    copies, groups = np.repeat(np.arange(200), 5), Grouping(np.repeat(np.arange(200), 5))
    averages = ClassAverages(confusion(labels[copies], predicted[copies], 4))
    found = averages.effect("macro_f1", labels[copies], predicted[copies], groups)
    assert found == pytest.approx(5, rel=0.1)
    alone = ClassAverages(confusion(labels, predicted, 4)).of("macro_f1").interval()
    assert averages.of("macro_f1").interval(groups, found) == pytest.approx(alone, abs=0.015)


def test_average__interval_holds_the_figure_itself():
    low, high = Average(value=0.9, bias=0.3, variance=1e-6, alike=1e6, rare=1e5).interval()
    assert low < 0.61 and high == 0.9


@pytest.mark.parametrize(("num", "photos"), [(2, 10), (20, 3)])
def test_intervals__hold_the_truth(num, photos):
    for shape in ("varied", "high"):
        held = intervals.of_classes(shape, num, photos, 120, with_bootstrap=False)
        assert all(np.mean(each) >= 0.90 for each in held.values()), held


def test_intervals__those_of_a_percentile_bootstrap_would_not():
    # What the simulation must be able to show.
    held = intervals.of_classes("varied", 20, 3, 50, with_bootstrap=True)
    assert np.mean(held["macro_f1, bootstrap"]) < 0.9 < np.mean(held["macro_f1"])


@pytest.mark.slow
@pytest.mark.parametrize("photos", [2, 3, 5, 10, 50])
@pytest.mark.parametrize("num", [2, 5, 20, 100, 500])
def test_intervals__hold_the_truth_everywhere(num, photos):
    stated: dict[str, list[float]] = {}
    for shape in intervals.SHAPES:
        for name, held in intervals.of_classes(shape, num, photos, 200, with_bootstrap=False).items():
            if len(held) > 100:
                stated.setdefault(name, []).append(float(np.mean(held)))
    # 93 to 97 %, and two standard errors more.
    for name, shares in stated.items():
        assert 0.93 - 0.013 <= np.mean(shares) <= 0.97 + 0.012, (name, shares)
