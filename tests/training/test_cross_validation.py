import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.training.cross_validation import OutOfFold, assign_folds, moments, pareto_scale
from budwood.training.linear_probe import fit_linear


@settings(max_examples=50, deadline=None)
@given(
    counts=st.lists(st.integers(1, 12), min_size=2, max_size=6),
    folds=st.integers(2, 10),
    seed=st.integers(0, 99),
)
def test_assign_folds__every_fold_leaves_every_class(counts, folds, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    fold_of = assign_folds(labels, folds, seed)
    held_out = fold_of[fold_of >= 0]
    assert all((fold_of[labels == label] < 0).all() for label, count in enumerate(counts) if count == 1)
    for fold in np.unique(held_out):
        assert set(labels[fold_of != fold]) == set(labels)
    if len(held_out):
        sizes = np.bincount(held_out, minlength=folds)
        assert sizes.max() - sizes.min() <= 1


def test_assign_folds__groups_are_held_out_together_and_every_class_stays():
    rng = np.random.default_rng(0)
    groups = [f"g{rng.integers(0, 40)}" if rng.random() < 0.8 else None for _ in range(300)]
    labels = rng.integers(0, 4, 300)
    fold_of = assign_folds(labels, 5, 0, groups)
    for group in set(groups) - {None}:
        assert len({int(fold_of[i]) for i, one in enumerate(groups) if one == group}) == 1
    for fold in range(5):
        assert set(labels[fold_of != fold]) == {0, 1, 2, 3}
        assert 20 < (fold_of == fold).sum() < 100
        counts = np.bincount(labels[fold_of == fold], minlength=4)
        assert (counts > 5).all()
    assert (fold_of >= 0).all()


def test_assign_folds__a_class_of_one_group_is_never_held_out():
    labels = np.array([0, 0, 0, 1, 1, 1, 1])
    fold_of = assign_folds(labels, 3, 0, ["a", "a", "a", "b", "b", "c", None])
    assert (fold_of[:3] == -1).all() and (fold_of[3:] >= 0).all()


def test_assign_folds__no_group_is_as_before():
    labels = np.arange(50) % 3
    np.testing.assert_array_equal(assign_folds(labels, 5, 1, [None] * 50), assign_folds(labels, 5, 1))


def photos(n=200, features=30, num_classes=4, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % num_classes
    centres = rng.normal(size=(num_classes, features))
    return (centres[labels] + rng.normal(size=(n, features))).astype(np.float32), labels


def test_out_of_fold__is_what_heads_without_the_photo_say():
    x, y = photos()
    heads = OutOfFold(x, y, 4)
    logits, strength = heads.logits()
    own = fit_linear(x, y, 4)

    assert strength == own.strength
    for fold in range(2):
        held = heads.fold_of == fold
        without = fit_linear(x[~held], y[~held], 4, strengths=[strength])
        said = x[held] @ without.kernel + without.bias
        centred = [one - one.mean(axis=1, keepdims=True) for one in (logits[held], said)]
        # The axes are those of all photos, and so is the scale.
        assert np.corrcoef(centred[0].ravel(), centred[1].ravel())[0, 1] > 0.99


def test_out_of_fold__a_photo_has_no_say_about_itself():
    x, y = photos()
    heads = OutOfFold(x, y, 4)
    strength = heads.logits()[1]
    first, _ = heads.logits(strength)
    weights = np.ones(len(y))
    weights[7] = 0
    again, _ = heads.logits(strength, weights)

    np.testing.assert_array_equal(again[7], first[7])
    assert np.abs(again - first).max() > 0.01


def test_out_of_fold__only_photo_of_a_class_is_never_held_out():
    x, y = photos()
    y[y == 3] = 2
    y[0] = 3
    logits, _ = OutOfFold(x, y, 4).logits()

    assert np.isnan(logits[0]).all() and np.isfinite(logits[1:]).all()


def test_out_of_fold__nothing_can_be_held_out():
    logits, strength = OutOfFold(np.eye(3, dtype=np.float32), np.arange(3), 3).logits()

    assert np.isnan(logits).all() and strength == 0


def test_out_of_fold__near_the_last_strength_it_says_what_a_search_anywhere_says():
    x, y = photos()
    weights = np.where(np.arange(len(y)) % 10, 1.0, 0.0)
    first, again = OutOfFold(x, y, 4), OutOfFold(x, y, 4)
    strength = first.logits()[1]

    near = first.logits(weights=weights, near=strength)
    anywhere = again.logits(weights=weights)
    assert near[1] == anywhere[1]
    # Of a weak penalty hardly more than the scale is left to differ.
    assert np.corrcoef(near[0].ravel(), anywhere[0].ravel())[0, 1] > 0.99
    np.testing.assert_array_equal(near[0].argmax(axis=1), anywhere[0].argmax(axis=1))


def test_moments__leave_a_mean_variance_of_one_and_the_larger_features_larger():
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(5_000, 4)) * [1.0, 2.0, 4.0, 8.0] + 3).astype(np.float32)
    mean, scale = moments(features)
    scaled = (features - mean) / scale
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-4)
    assert scaled.var(axis=0).mean() == pytest.approx(1, rel=1e-4)
    # Four times the deviation is twice the scaled one.
    assert scaled[:, 2].std() / scaled[:, 0].std() == pytest.approx(2, rel=0.05)


def test_pareto_scale__constant_features_are_divided_by_something_and_change_nothing():
    deviations = np.array([1.0, 4.0])
    scale = pareto_scale(deviations, deviations**2)
    with_constant = pareto_scale(np.append(deviations, 0.0), np.append(deviations, 0.0) ** 2)
    np.testing.assert_array_equal(with_constant[:2], scale)
    assert 0 < with_constant[2] < scale.min()
    np.testing.assert_array_equal(pareto_scale(np.zeros(3), np.zeros(3)), 1.0)
