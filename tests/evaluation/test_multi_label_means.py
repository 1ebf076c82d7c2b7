import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from budwood.evaluation.groups import Grouping
from budwood.evaluation.multi_label import MultiLabel
from budwood.evaluation.multi_label_differences import Replicates
from budwood.evaluation.multi_label_means import interval_of, mean_of


def models(n=150, num=2, seed=0):
    rng = np.random.default_rng(seed)
    targets = (rng.random((n, 3)) < 0.4).astype(np.float32)
    common = 1.5 * targets + rng.normal(size=(n, 3))
    return targets, [1 / (1 + np.exp(-common - 0.5 * rng.normal(size=(n, 3)))) for _ in range(num)]


def replicates(targets, shares, groups=None):
    return Replicates.of(targets, shares, np.full(3, 0.5), resamples=500, groups=groups)


@pytest.mark.parametrize("num_groups", [None, 30])
@pytest.mark.parametrize("name", ["mean_average_precision", "macro_f1"])
def test_interval_of__one_model_has_the_interval_of_its_figures(num_groups, name):
    targets, (shares, _) = models()
    groups = (
        None if num_groups is None else Grouping.of([str(row % num_groups) for row in range(len(targets))])
    )
    figures = MultiLabel((0.5,) * 3).metrics(targets, shares, "abc", resamples=500, groups=groups)
    found = interval_of(mean_of([replicates(targets, shares, groups)]), name)
    assert found == pytest.approx(figures.figure(name)[1])


def test_mean_of__is_between_its_models_and_no_surer_than_the_photos_allow():
    targets, shares = models(num=3)
    each = [replicates(targets, one) for one in shares]
    mean = mean_of(each)
    expected = np.mean([average_precision_score(targets, one) for one in shares])
    assert mean.values["mean_average_precision"] == pytest.approx(expected)
    widths = [high - low for low, high in map(interval_of, [*each, mean])]
    assert 0.6 * np.mean(widths[:-1]) < widths[-1] <= max(widths[:-1])
    # Resampled naively: of the mean, not of one.
    rng = np.random.default_rng(1)
    drawn = rng.integers(len(targets), size=(60, len(targets)))
    naive = [np.mean([average_precision_score(targets[rows], one[rows]) for one in shares]) for rows in drawn]
    assert widths[-1] / 2 == pytest.approx(1.96 * np.std(naive), rel=0.35)


def test_interval_of__few_positives_or_groups_have_none():
    targets, (shares, _) = models()
    few = np.zeros_like(targets)
    few[:3] = 1
    assert interval_of(replicates(few, shares)) is None
    groups = Grouping.of([str(row % 5) for row in range(len(targets))])
    assert interval_of(replicates(targets, shares, groups)) is None
