import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from budwood.config.learning import Loss
from budwood.core.errors import DataError, RecipeError
from budwood.training.label_weights import cell_weights, label_weights, refuse_unlearnable

LABELS = ["sea", "sunset"]
TARGETS = np.array([[1, 0], [0, 0], [0, 1], [0, 0], [np.nan, 0]], np.float32)


def test_label_weights__balanced_is_that_of_scikit_learn_a_label():
    found = label_weights(Loss(class_weights="balanced"), TARGETS, LABELS)
    for label in range(2):
        known = TARGETS[~np.isnan(TARGETS[:, label]), label]
        expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=known)
        np.testing.assert_allclose(found[:, label], expected)


@pytest.mark.parametrize("weights", ["none", "balanced", {"sunset": 5.0}])
@pytest.mark.parametrize("own", [None, np.array([1.0, 2, 3, 4, 5])])
def test_label_weights__are_1_on_average_over_known_photos(weights, own):
    cells = cell_weights(label_weights(Loss(class_weights=weights), TARGETS, LABELS, own), TARGETS, own)
    counted = np.where(np.isnan(TARGETS), 0, 1) * (1 if own is None else own[:, None])
    np.testing.assert_allclose(cells.sum(axis=0), counted.sum(axis=0))
    assert cells[4, 0] == 0


def test_label_weights__a_table_weighs_positives_against_negatives():
    found = label_weights(Loss(class_weights={"sunset": 5.0}), TARGETS, LABELS)
    np.testing.assert_allclose(found[1] / found[0], [1, 5])


def test_label_weights__own_weights_count_in_what_is_balanced():
    own = np.array([3.0, 1, 1, 1, 1])
    found = label_weights(Loss(class_weights="balanced"), TARGETS, LABELS, own)
    np.testing.assert_allclose(found[1] / found[0], [3 / 3, 6 / 1])


def test_label_weights__names_that_are_none():
    with pytest.raises(RecipeError, match="Did you mean sunset"):
        label_weights(Loss(class_weights={"sunsets": 5.0}), TARGETS, LABELS)
    with pytest.raises(RecipeError, match="label sunset the weight 0"):
        label_weights(Loss(class_weights={"sunset": 0.0}), TARGETS, LABELS)


@pytest.mark.parametrize(
    ("column", "fault"),
    [
        ([0, 0, 0], "label 'sunset' is on none of the training photos in which it is known"),
        ([1, np.nan, 1], "label 'sunset' is on all of the training photos in which it is known"),
        ([np.nan] * 3, "label 'sunset' is unknown in all training photos,"),
    ],
)
def test_refuse_unlearnable__names_the_label(column, fault):
    targets = np.array([[1, 0, 1], column], np.float32).T
    with pytest.raises(DataError, match=fault):
        refuse_unlearnable(targets, LABELS)


def test_refuse_unlearnable__a_positive_without_weight_is_none():
    refuse_unlearnable(TARGETS, LABELS, np.ones(5))
    with pytest.raises(DataError, match="'sea' is on none of the training photos that count"):
        refuse_unlearnable(TARGETS, LABELS, np.array([0.0, 1, 1, 1, 1]))
