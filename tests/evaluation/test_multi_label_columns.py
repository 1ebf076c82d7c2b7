import numpy as np
import pytest
from sklearn import metrics

from budwood.core.errors import DataError
from budwood.evaluation.calibration import ece
from budwood.evaluation.groups import Grouping
from budwood.evaluation.multi_label_columns import Columns, Decisions
from tests.evaluation.test_multi_label_metrics import HALF, simulate


def naive(targets, chance):
    """The figures of some photos, one by one, by scikit-learn."""
    known = ~np.isnan(targets)
    found = {"f1": [], "average_precision": [], "roc_auc": []}
    for truth, share, here in zip(targets.T, chance.T, known.T, strict=True):
        found["f1"].append(metrics.f1_score(truth[here], share[here] >= 0.5))
        found["average_precision"].append(metrics.average_precision_score(truth[here], share[here]))
        found["roc_auc"].append(metrics.roc_auc_score(truth[here], share[here]))
    truth, said = targets[known], chance[known] >= 0.5
    return {
        **found,
        "mean_average_precision": np.mean(found["average_precision"]),
        "macro_f1": np.mean(found["f1"]),
        "micro_f1": metrics.f1_score(truth, said),
        "hamming_loss": np.mean(said != truth),
        "ece": ece(chance[known], truth == 1),
    }


def holds(found, place, expected):
    for name, value in expected.items():
        assert found[name][..., place] == pytest.approx(value, rel=1e-5), name


def test_columns__resamples_are_the_figures_of_the_photos_that_were_drawn(monkeypatch):
    targets, chance, _ = simulate(60, seed=5, levels=20)
    targets[np.random.default_rng(1).random(targets.shape) < 0.1] = np.nan
    columns = Columns.of(Decisions.of(targets, chance, HALF))
    drawn = np.random.default_rng(2).integers(60, size=(3, 60))
    counts = [np.bincount(one, minlength=60) for one in drawn]
    monkeypatch.setattr(
        "budwood.evaluation.multi_label_columns.resampled_sums",
        lambda matrix, resamples, seed: iter([np.stack([matrix.T @ count for count in counts])]),
    )
    without, resampled = columns.resampled(columns.matrix, 3, 0)
    for place in range(3):
        holds(resampled, place, naive(targets[drawn[place]], chance[drawn[place]]))
        rest = np.delete(np.arange(60), place)
        holds(without, place, naive(targets[rest], chance[rest]))


def test_columns__of_groups_leave_out_whole_groups():
    targets, chance, _ = simulate(80, seed=6)
    groups = Grouping(np.arange(80) // 4)
    columns = Columns.of(Decisions.of(targets, chance, HALF))
    without, resampled = columns.resampled(groups.sums(columns.matrix), 7, 0)
    holds(without, 2, naive(*(np.delete(part, range(8, 12), axis=0) for part in (targets, chance))))
    assert resampled["f1"].shape == (4, 7) and without["loss"].shape == (20,)


def test_columns__a_resample_without_a_label_has_no_figure_of_it():
    targets, chance, _ = simulate(50, seed=7)
    targets[:, 1], targets[3, 1] = 0, 1
    columns = Columns.of(Decisions.of(targets, chance, HALF))
    without, _ = columns.resampled(columns.matrix, 5, 0)
    assert np.isnan(without["average_precision"][1, 3]) and np.isnan(without["f1"][1, 3])
    assert not np.isnan(without["mean_average_precision"]).any()


def test_decisions__say_nothing_of_what_is_unknown():
    found = Decisions.of(np.array([[np.nan, 1.0]]), np.array([[0.9, 0.2]]), np.array([0.5, 0.5]))
    assert found.said.tolist() == [[False, False]] and found.wrong.tolist() == [[False, True]]
    with pytest.raises(DataError, match="no label of any photo is known"):
        Decisions.of(np.full((1, 1), np.nan), np.ones((1, 1)), np.ones(1))
