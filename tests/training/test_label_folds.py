import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.training.label_folds import assign_label_folds


def targets_of(n=400, shares=(0.5, 0.1, 0.02), unknown=0.1, seed=0):
    rng = np.random.default_rng(seed)
    targets = (rng.random((n, len(shares))) < np.array(shares)).astype(np.float32)
    targets[rng.random(targets.shape) < unknown] = np.nan
    return targets


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(2, 60),
    labels=st.integers(1, 5),
    folds=st.integers(2, 6),
    seed=st.integers(0, 99),
    grouped=st.booleans(),
)
def test_assign_label_folds__the_rest_has_both_sides_of_every_label(n, labels, folds, seed, grouped):
    targets = targets_of(n, np.linspace(0.05, 0.6, labels), 0.2, seed)
    groups = [f"g{place // 3}" for place in range(n)] if grouped else None
    fold_of = assign_label_folds(targets, folds, seed, groups)
    assert fold_of.min() >= -1 and fold_of.max() < folds
    for fold in np.unique(fold_of[fold_of >= 0]):
        rest = targets[fold_of != fold]
        for side in (0, 1):
            there = (targets == side).any(axis=0)
            assert (rest == side).any(axis=0)[there].all()
    if grouped:
        assert all(len(set(fold_of[start : start + 3])) == 1 for start in range(0, n, 3))


def test_assign_label_folds__every_label_is_spread_evenly():
    targets = targets_of()
    fold_of = assign_label_folds(targets, 5, 0)
    assert (fold_of >= 0).all()
    sizes = np.bincount(fold_of)
    assert sizes.max() - sizes.min() <= 12
    for label in range(3):
        counts = np.bincount(fold_of[targets[:, label] == 1], minlength=5)
        assert counts.max() - counts.min() <= 2
        assert counts.min() >= 1


def test_assign_label_folds__chance_alone_would_leave_a_rare_label_out():
    """What the test before this one is worth."""
    targets = targets_of()
    drawn = np.random.default_rng(0).integers(0, 5, (50, len(targets)))
    missing = [min(np.bincount(row[targets[:, 2] == 1], minlength=5)) == 0 for row in drawn]
    assert np.mean(missing) > 0.3


def test_assign_label_folds__large_groups_are_spread_too():
    targets = targets_of()
    groups = [f"g{place // 8}" if place < 240 else None for place in range(400)]
    fold_of = assign_label_folds(targets, 5, 1, groups)
    for label in range(3):
        counts = np.bincount(fold_of[targets[:, label] == 1], minlength=5)
        assert counts.min() >= 1


def test_assign_label_folds__only_positive_of_a_label_is_never_held_out():
    targets = np.zeros((30, 2), np.float32)
    targets[::2, 0] = 1
    targets[7, 1] = 1
    fold_of = assign_label_folds(targets, 5, 0)
    assert fold_of[7] == -1 and (np.delete(fold_of, 7) >= 0).all()


def test_assign_label_folds__seed_decides():
    targets = targets_of()
    first, again, other = (assign_label_folds(targets, 5, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
