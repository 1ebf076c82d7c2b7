import warnings

import numpy as np
import pytest
from sklearn import metrics

from budwood.core.errors import DataError
from budwood.evaluation.multi_label_metrics import compute_multi_label_metrics

EPSILON = np.finfo(float).eps
HALF = np.full(4, 0.5)


def simulate(n: int, seed: int = 0, levels: int = 10_000, num: int = 4):
    """Targets and probabilities; few levels make ties."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((n, num)) < np.linspace(0.5, 0.1, num)).astype(np.float32)
    chance = 1 / (1 + np.exp(-rng.normal(2 * targets - 1, 1.2)))
    return targets, np.round(chance * levels) / levels, [f"l{number}" for number in range(num)]


@pytest.mark.parametrize("levels", [10_000, 7])
def test_compute_multi_label_metrics__equal_scikit_learn(levels):
    targets, chance, names = simulate(300, levels=levels)
    found = compute_multi_label_metrics(targets, chance, names, HALF, resamples=50)
    said = (chance >= 0.5) * 1
    assert found.mean_average_precision == pytest.approx(metrics.average_precision_score(targets, chance))
    assert found.macro_f1 == pytest.approx(metrics.f1_score(targets, said, average="macro"))
    assert found.micro_f1 == pytest.approx(metrics.f1_score(targets, said, average="micro"))
    assert found.exact_match == metrics.accuracy_score(targets, said)
    assert found.hamming_loss == pytest.approx(metrics.hamming_loss(targets, said))
    clipped = np.clip(chance, EPSILON, 1 - EPSILON)
    assert found.loss == pytest.approx(
        np.mean([metrics.log_loss(targets[:, k], clipped[:, k]) for k in range(4)])
    )
    expected = metrics.precision_recall_fscore_support(targets, said)
    for name, values in zip(("precision", "recall", "f1", "positives"), expected, strict=True):
        assert [getattr(one, name) for one in found.per_label] == pytest.approx(values)
    for k, one in enumerate(found.per_label):
        assert one.roc_auc == pytest.approx(metrics.roc_auc_score(targets[:, k], chance[:, k]))
        assert one.average_precision == pytest.approx(
            metrics.average_precision_score(targets[:, k], chance[:, k])
        )


def test_compute_multi_label_metrics__what_is_unknown_counts_in_nothing():
    targets, chance, names = simulate(200, seed=2)
    targets[np.random.default_rng(0).random(targets.shape) < 0.3] = np.nan
    targets[:3] = np.nan
    found = compute_multi_label_metrics(targets, chance, names, HALF, resamples=50)
    changed = np.where(np.isnan(targets), 1 - chance, chance)
    assert compute_multi_label_metrics(targets, changed, names, HALF, resamples=50) == found
    for k, one in enumerate(found.per_label):
        known = ~np.isnan(targets[:, k])
        assert one.unknown == (~known).sum()
        assert one.positives + one.negatives == known.sum()
        assert one.f1 == pytest.approx(metrics.f1_score(targets[known, k], chance[known, k] >= 0.5))


def test_compute_multi_label_metrics__names_labels_that_are_in_no_mean():
    targets, chance, names = simulate(100, seed=3)
    targets[:, 1], targets[:, 2] = 0, 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compute_multi_label_metrics(targets, chance, names, HALF, resamples=50)
    assert found.without_mean == ("l1", "l2")
    assert found.to_json()["left_out"] == ["l1", "l2"]
    rest = compute_multi_label_metrics(
        targets[:, [0, 3]], chance[:, [0, 3]], ["l0", "l3"], HALF[:2], resamples=50
    )
    assert found.mean_average_precision == pytest.approx(rest.mean_average_precision)
    assert found.macro_f1 == pytest.approx(rest.macro_f1)
    assert rest.without_mean == () and "left_out" not in rest.to_json()
    assert found.per_label[1].average_precision is None and found.per_label[1].f1 is None
    assert found.per_label[1].predicted == (chance[:, 1] >= 0.5).sum()
    nothing = compute_multi_label_metrics(targets[:, [1]], chance[:, [1]], ["l1"], HALF[:1], resamples=50)
    assert nothing.mean_average_precision is None and nothing.mean_average_precision_ci95 is None


def test_compute_multi_label_metrics__refuses_photos_of_which_nothing_is_known():
    with pytest.raises(DataError, match="no label of any photo is known"):
        compute_multi_label_metrics(
            np.full((2, 1), np.nan), np.full((2, 1), 0.5), ["a"], np.array([0.5]), resamples=50
        )


def test_count_together__counts_pairs_and_what_is_said_instead():
    targets = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 0], [1, np.nan, 0]], np.float32)
    chance = np.array([[0.9, 0.1, 0.9], [0.1, 0.9, 0.1], [0.1, 0.9, 0.1], [0.1, 0.9, 0.9]])
    found = compute_multi_label_metrics(targets, chance, list("abc"), HALF[:3], resamples=50).taken_together
    assert found.true == ((3, 1, 0), (1, 2, 0), (0, 0, 0))
    assert found.predicted == ((1, 0, 1), (0, 2, 0), (1, 0, 2))
    # In photo 1 b is missed and c said; in photo 2 a is missed and b said; in photo 4 a is missed and c said.
    assert found.instead == ((0, 1, 1), (0, 0, 1), (0, 0, 0))
