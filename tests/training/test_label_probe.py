import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from budwood.config.recipe import Recipe
from budwood.core.errors import DataError
from budwood.training import cross_validation
from budwood.training.label_folds import assign_label_folds
from budwood.training.label_probe import fit_labels, fit_labels_as_asked
from budwood.training.linear_probe import UNTUNED_STRENGTH
from budwood.training.strength_path import best

LABELS = ["sea", "sunset", "trees"]


def photos(n=300, features=20, unknown=0.2, seed=0):
    """Labels of which the second is rare and the third unknown in some photos, on features of uneven scales."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, features))
    scores = x @ rng.normal(size=(features, 3)) + rng.normal(size=(n, 3)) * 3
    targets = (scores > np.quantile(scores, [0.5, 0.9, 0.7], axis=0).diagonal()).astype(np.float32)
    targets[rng.random(n) < unknown, 2] = np.nan
    return (x * np.geomspace(0.01, 100, features) + 3).astype(np.float32), targets


def scales(x):
    deviations = StandardScaler().fit(x.astype(np.float64)).scale_
    return np.sqrt(np.maximum(deviations, np.median(deviations) / 20) * deviations.mean())


def pareto_scaled(x):
    return (x - x.mean(axis=0, dtype=np.float64)) / scales(x)


@pytest.mark.parametrize("strength", [1.0, 0.01])
def test_fit_labels__each_label_is_scikit_learns_on_its_known_rows(strength):
    x, targets = photos()
    fit = fit_labels(x, targets, LABELS, strengths=[strength])
    scaled = pareto_scaled(x)
    for label in range(3):
        known = ~np.isnan(targets[:, label])
        exact = LogisticRegression(C=1 / (strength * known.sum()), tol=1e-9, max_iter=5000)
        exact.fit(scaled[known], targets[known, label])
        largest = np.abs(exact.coef_).max()
        found = fit.kernel[:, label] * scales(x)
        np.testing.assert_allclose(found, exact.coef_[0], atol=1e-3 * largest)
        np.testing.assert_allclose(
            expit(x @ fit.kernel[:, label] + fit.bias[label]), exact.predict_proba(scaled)[:, 1], atol=1e-4
        )
    assert fit.path == ((), (), ()) and fit.strengths.tolist() == [strength] * 3
    assert np.isnan(fit.held_out).all()


def test_fit_labels__path_equals_separate_cross_validation():
    x, targets = photos()
    weights = np.random.default_rng(1).uniform(0.5, 2, targets.shape)
    fit = fit_labels(x, targets, LABELS, strengths=[0.1, 0.01], folds=4, seed=5, weights=weights)
    fold_of, scaled = assign_label_folds(targets, 4, 5), pareto_scaled(x)
    for label, path in enumerate(fit.path):
        known = ~np.isnan(targets[:, label])
        w, y = weights[:, label] / weights[known, label].mean(), targets[:, label]
        for point in path:
            losses, right = np.zeros(len(x)), np.zeros(len(x))
            for fold in range(4):
                held_out, rest = known & (fold_of == fold), known & (fold_of != fold)
                model = LogisticRegression(C=1 / (point.strength * rest.sum()), tol=1e-7, max_iter=5000)
                shares = model.fit(scaled[rest], y[rest], w[rest]).predict_proba(scaled[held_out])[:, 1]
                losses[held_out] = -np.log(np.where(y[held_out] == 1, shares, 1 - shares)) * w[held_out]
                right[held_out] = (shares > 0.5) == y[held_out]
            assert point.loss == pytest.approx(losses[known].mean(), rel=0.01)
            assert point.loss_se == pytest.approx(losses[known].std() / np.sqrt(known.sum()), rel=0.05)
            assert point.accuracy == pytest.approx(right[known].mean(), abs=0.01)
        assert fit.strengths[label] == best(path).strength


def test_fit_labels__each_label_has_the_strength_that_it_alone_would_have():
    x, targets = photos()
    # One label says nothing, another nearly all.
    targets[:, 0] = np.random.default_rng(9).random(len(x)) < 0.5
    targets[:, 1] = x[:, 3] > np.median(x[:, 3])
    fit = fit_labels(x, targets, LABELS)
    assert fit.strengths[0] > 20 * fit.strengths[1]
    for label in (0, 1):
        strengths = [point.strength for point in fit.path[label]]
        assert strengths == sorted(strengths, reverse=True)
        assert fit.strengths[label] == best(fit.path[label]).strength
    assert len(fit.path[0]) != len(fit.path[1]), "they end apart"
    assert np.abs(fit.kernel[:, 0] * x.std(axis=0)).max() < np.abs(fit.kernel[:, 1] * x.std(axis=0)).max() / 5


def test_fit_labels__held_out_logits_are_of_heads_without_the_photo():
    x, targets = photos()
    fit = fit_labels(x, targets, LABELS, strengths=[0.1, 0.03], folds=3, seed=1)
    fold_of, scaled = assign_label_folds(targets, 3, 1), pareto_scaled(x)
    for label in range(3):
        known = ~np.isnan(targets[:, label]) & (fold_of != 0)
        model = LogisticRegression(C=1 / (fit.strengths[label] * known.sum()), tol=1e-7, max_iter=5000)
        said = model.fit(scaled[known], targets[known, label]).decision_function(scaled[fold_of == 0])
        np.testing.assert_allclose(fit.held_out[fold_of == 0, label], said, atol=0.05 * said.std())


def test_fit_labels__twice_is_identical_whatever_the_number_of_cores(monkeypatch):
    x, targets = photos()
    first = fit_labels(x, targets, LABELS)
    monkeypatch.setattr(cross_validation, "num_cores", lambda: 1)
    again = fit_labels(x, targets, LABELS)
    np.testing.assert_array_equal(first.kernel, again.kernel)
    np.testing.assert_array_equal(first.bias, again.bias)
    assert first.path == again.path


def test_fit_labels__groups_choose_a_stronger_penalty():
    rng = np.random.default_rng(0)
    scenes = rng.normal(size=(60, 40)).astype(np.float32)
    x = np.repeat(scenes, 5, axis=0) + rng.normal(scale=0.01, size=(300, 40)).astype(np.float32)
    targets = np.repeat(rng.integers(0, 2, (60, 2)), 5, axis=0).astype(np.float32)
    groups = [f"scene {place // 5}" for place in range(300)]
    apart, together = (fit_labels(x, targets, LABELS[:2], groups=some) for some in (None, groups))
    assert best(apart.path[0]).accuracy > 0.9 > 0.7 > best(together.path[0]).accuracy
    assert (together.strengths > apart.strengths).all()


def test_fit_labels__one_positive_is_learnt_without_a_path():
    x, targets = photos(features=400, n=80)
    targets[:, 1] = np.arange(80) == 3
    fit = fit_labels(x, targets, LABELS)
    assert fit.path[1] == () and fit.strengths[1] == UNTUNED_STRENGTH
    assert len(fit.path[0]) > 2
    assert (x @ fit.kernel + fit.bias)[:, 1].argmax() == 3


def test_fit_labels__two_photos():
    x, _ = photos(n=2)
    fit = fit_labels(x, np.array([[1, 0], [0, 1]], np.float32), LABELS[:2])
    assert fit.path == ((), ())
    assert ((x @ fit.kernel + fit.bias > 0) == np.array([[True, False], [False, True]])).all()


def test_fit_labels__a_label_alone_is_the_linear_probe_of_two_classes():
    """But for the penalty: that of two classes is on both their columns."""
    from budwood.training.linear_probe import fit_linear

    x, targets = photos()
    fit = fit_labels(x, targets[:, :1], LABELS[:1], strengths=[0.05])
    pair = fit_linear(x, targets[:, 0].astype(int), 2, strengths=[0.1])
    np.testing.assert_allclose(fit.kernel[:, 0], pair.kernel[:, 1] - pair.kernel[:, 0], atol=2e-4, rtol=1e-3)


def test_fit_labels__says_how_far_it_is(recorded_stages):
    x, targets = photos(n=60)
    fit_labels(x, targets, LABELS, strengths=[1.0, 0.1], folds=3, progress=recorded_stages)
    assert recorded_stages.stages == {"head": 2 * 3 + 1}


@pytest.mark.parametrize("side", [0, 1, np.nan])
def test_fit_labels__a_label_of_one_side_is_refused(side):
    x, targets = photos()
    targets[:, 1] = side
    with pytest.raises(DataError, match="sunset"):
        fit_labels(x, targets, LABELS)


def test_fit_labels__feature_that_is_not_finite_is_refused():
    x, targets = photos()
    x[3, 3] = np.nan
    with pytest.raises(DataError, match="not finite"):
        fit_labels(x, targets, LABELS)


def test_fit_labels_as_asked__photos_and_positives_count_by_their_weights():
    x, targets = photos(unknown=0)
    own = np.linspace(0.5, 2, len(x))
    recipe = Recipe.from_dict(
        {"frozen": {"l2_strengths": [0.05]}, "loss": {"class_weights": {"sunset": 4.0}}}
    )
    fit = fit_labels_as_asked(recipe, x, targets, LABELS, weights=own)
    scaled = pareto_scaled(x)
    for label, factor in enumerate([1, 4, 1]):
        w = own * np.where(targets[:, label] == 1, factor, 1)
        exact = LogisticRegression(C=1 / (0.05 * len(x)), tol=1e-9, max_iter=5000)
        exact.fit(scaled, targets[:, label], w / w.mean())
        np.testing.assert_allclose(
            x @ fit.kernel[:, label] + fit.bias[label], exact.decision_function(scaled), atol=2e-3
        )
    plain = fit_labels_as_asked(recipe, x, targets, LABELS)
    assert np.abs(plain.kernel - fit.kernel).max() > 1e-4
