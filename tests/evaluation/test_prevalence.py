import numpy as np
import pytest

from benchmarks.prevalence import coverage
from budwood.core.errors import DataError
from budwood.evaluation.groups import Grouping
from budwood.evaluation.prevalence import (
    correct_probabilities,
    figures_at_prevalence,
    stated_shares,
)

CLASSES = ["a", "b", "c"]


def answers(n=300, seed=0, num=3, skill=0.8):
    """Labels of equal shares, and probabilities that are right as often as `skill`."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % num
    told = np.where(rng.random(n) < skill, labels, rng.integers(num, size=n))
    return labels, 0.1 + np.eye(num)[told] * 0.7


def test_figures_at_prevalence__at_the_shares_of_the_split_are_those_of_the_split():
    from sklearn import metrics

    labels, shares = answers()
    rng = np.random.default_rng(1)
    kept = rng.random(300) < np.array([0.9, 0.5, 0.2])[labels]
    labels, shares = labels[kept], shares[kept]
    observed = np.bincount(labels) / len(labels)
    found = figures_at_prevalence(labels, shares, CLASSES, observed, observed)
    told = shares.argmax(axis=1)
    assert found.own.accuracy == pytest.approx((told == labels).mean())
    precision, recall, _, _ = metrics.precision_recall_fscore_support(labels, told)
    for place, one in enumerate(found.own.per_class):
        table = metrics.confusion_matrix(labels == place, told == place)
        assert one.precision == pytest.approx(precision[place]) and one.recall == pytest.approx(recall[place])
        assert one.npv == pytest.approx(table[0, 0] / table[:, 0].sum())
        assert one.specificity == pytest.approx(table[0, 0] / table[0].sum())
        for value, ends in ((one.precision, one.precision_ci95), (one.npv, one.npv_ci95)):
            assert ends[0] < value < ends[1]
    # Nothing is corrected where the shares are those that were learned.
    assert found.corrected == found.own


def test_figures_at_prevalence__a_rare_class_by_hand():
    labels = np.repeat([0, 1], 100)
    told = np.concatenate([np.repeat([0, 1], [90, 10]), np.repeat([0, 1], [5, 95])])
    found = figures_at_prevalence(
        labels, np.eye(2)[told], ["ill", "well"], np.array([0.01, 0.99]), np.array([0.5, 0.5])
    )
    ill = found.own.per_class[0]
    assert found.own.accuracy == pytest.approx(0.01 * 0.9 + 0.99 * 0.95)
    assert ill.precision == pytest.approx(0.009 / (0.009 + 0.99 * 0.05))
    assert ill.npv == pytest.approx(0.99 * 0.95 / (0.99 * 0.95 + 0.001))
    assert ill.recall == pytest.approx(0.9) and ill.specificity == pytest.approx(0.95)


def test_correct_probabilities__is_bayes_rule_for_two_known_densities():
    from scipy.stats import norm

    values = np.linspace(-2, 3, 11)
    densities = np.stack([norm.pdf(values, 0, 1), norm.pdf(values, 1, 1)], axis=1)

    def posterior(shares):
        joint = densities * shares
        return joint / joint.sum(axis=1, keepdims=True)

    learned, stated = np.array([0.5, 0.5]), np.array([0.03, 0.97])
    np.testing.assert_allclose(correct_probabilities(posterior(learned), learned, stated), posterior(stated))


def test_figures_at_prevalence__corrected_answers_are_right_more_often_where_probabilities_are_true():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 2000)
    values = rng.normal(labels, 1)
    share = 1 / (1 + np.exp(-(values - 0.5)))
    stated = np.array([0.05, 0.95])
    found = figures_at_prevalence(
        labels, np.stack([1 - share, share], axis=1), ["a", "b"], stated, np.array([0.5, 0.5])
    )
    assert found.corrected.accuracy > found.own.accuracy + 0.15
    assert found.corrected.per_class[0].recall < found.own.per_class[0].recall


@pytest.mark.parametrize(
    "shape, num, photos, burst, repeats",
    [
        ("varied", 3, 10, 1, 60),
        pytest.param("high", 2, 20, 1, 300, marks=pytest.mark.slow),
        pytest.param("equal", 20, 5, 1, 300, marks=pytest.mark.slow),
        pytest.param("varied", 2, 120, 4, 300, marks=pytest.mark.slow),
    ],
)
def test_figures_at_prevalence__intervals_hold_the_truth(shape, num, photos, burst, repeats):
    found = coverage(shape, num, photos, repeats, kinds=["rare"], burst=burst)
    # 93 %, less three standard errors.
    assert len(found) == 3
    assert all(share >= 0.93 - 3 * (0.93 * 0.07 / repeats) ** 0.5 for share in found.values())


def test_figures_at_prevalence__intervals_count_the_few_cases_of_all_classes():
    # Two false alarms, each from another class, of a class that has 0.4 of them in the mean.
    labels = np.repeat(np.arange(20), 20)
    told = labels.copy()
    told[[20, 40]] = 0
    even = np.full(20, 1 / 20)
    names = [str(number) for number in range(20)]
    low, high = (
        figures_at_prevalence(labels, np.eye(20)[told], names, even, even).own.per_class[0].precision_ci95
    )
    assert low < 20 / 22 < 1 / (1 + 0.4 / 20) < high


def test_figures_at_prevalence__of_groups_says_less_than_of_as_many_photos():
    labels, shares = answers(240)
    stated = np.full(3, 1 / 3)
    right = np.repeat(np.arange(80) % 5 > 0, 3)
    shares = np.where(right[:, None], 0.1 + 0.7 * np.eye(3)[labels], 0.1 + 0.7 * np.eye(3)[(labels + 1) % 3])
    alone = figures_at_prevalence(labels, shares, CLASSES, stated, stated).own.accuracy_ci95
    together = figures_at_prevalence(
        labels, shares, CLASSES, stated, stated, groups=Grouping(np.arange(240) // 3)
    ).own.accuracy_ci95
    # Each group has a photo of each class, all right or all wrong.
    assert together[1] - together[0] > 1.5 * (alone[1] - alone[0])
    few = figures_at_prevalence(
        labels, shares, CLASSES, stated, stated, groups=Grouping(np.arange(240) // 20)
    )
    assert few.own.accuracy_ci95 is None and few.no_interval.of == "groups" and few.no_interval.fewest == 20


def test_figures_at_prevalence__too_few_photos_of_a_class():
    labels, shares = answers(60)
    kept = (labels != 2) | (np.arange(60) < 12)
    found = figures_at_prevalence(labels[kept], shares[kept], CLASSES, np.full(3, 1 / 3), np.full(3, 1 / 3))
    assert found.no_interval.classes == ("c",) and found.no_interval.of == "photos"
    assert found.own.accuracy_ci95 is None and found.corrected.per_class[0].precision_ci95 is None
    assert found.own.accuracy > 0.5


def test_figures_at_prevalence__a_class_that_does_not_occur():
    labels, shares = answers(90)
    stated = np.array([0.3, 0.7, 0.0])
    found = figures_at_prevalence(labels, shares, CLASSES, stated, np.full(3, 1 / 3))
    assert found.n == 60
    gone = found.corrected.per_class[2]
    assert (gone.n, gone.recall, gone.precision) == (0, None, None)
    # The model itself still answers it, wrongly.
    assert found.own.per_class[2].precision == 0
    with pytest.raises(DataError, match="no photo of 'c'"):
        figures_at_prevalence(labels[labels < 2], shares[labels < 2], CLASSES, np.full(3, 1 / 3), stated)
    with pytest.raises(DataError, match="nothing was learned of 'c'"):
        figures_at_prevalence(labels, shares, CLASSES, np.full(3, 1 / 3), stated)


@pytest.mark.parametrize(
    "given, why",
    [
        ({"a": 0.1, "b": 0.8}, "add up to 0.9"),
        ({"a": 0.1, "B": 0.9}, "'B', which the run does not know"),
        ({"a": 1.0}, "leaves out 'b'"),
        ({"a": 2.0, "b": 98.0}, "no share"),
        ({"a": float("nan"), "b": 1.0}, "no share"),
        ({"a": -0.1, "b": 1.1}, "no share"),
    ],
)
def test_stated_shares__refuses(given, why):
    with pytest.raises(DataError, match=why):
        stated_shares(given, ["a", "b"])
