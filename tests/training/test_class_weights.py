import numpy as np
import pytest

from budwood.config.learning import Loss
from budwood.core.errors import DataError, RecipeError
from budwood.training.class_weights import class_weights, photo_weights, refuse_unknown_classes, relative

LABELS = np.array([0, 0, 0, 1, 2, 2])


def test_class_weights__balanced_is_that_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    found = class_weights(Loss(class_weights="balanced"), LABELS, ["a", "b", "c"])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("weights", ["none", "balanced", {"a": 5.0}, {"b": 0.0, "c": 0.1}])
def test_class_weights__are_1_on_average(weights):
    found = class_weights(Loss(class_weights=weights), LABELS, ["a", "b", "c"])
    assert found[LABELS].mean() == pytest.approx(1)


def test_class_weights__given_ones_keep_their_proportion():
    found = class_weights(Loss(class_weights={"a": 3.0}), LABELS, ["a", "b", "c"])
    assert found[0] / found[1] == pytest.approx(3)
    assert found[1] == found[2]


def test_class_weights__a_class_without_a_photo():
    found = class_weights(Loss(class_weights="balanced"), np.array([0, 2, 2]), ["a", "b", "c"])
    assert np.isfinite(found).all()
    assert found[0] / found[2] == pytest.approx(2)


def test_class_weights__nothing_but_zeros():
    loss = Loss(class_weights={"a": 0.0, "b": 0.0})
    with pytest.raises(RecipeError, match="nothing to learn"):
        class_weights(loss, np.array([0, 1]), ["a", "b"])


def test_refuse_unknown_classes__names_the_nearest():
    with pytest.raises(RecipeError, match="a class `tulip` that .* Did you mean tulips"):
        refuse_unknown_classes(Loss(class_weights={"tulip": 2.0}), ["daisy", "tulips"])
    refuse_unknown_classes(Loss(class_weights={"tulips": 2.0}), ["daisy", "tulips"])
    refuse_unknown_classes(Loss(class_weights="balanced"), ["daisy", "tulips"])
    refuse_unknown_classes(Loss(class_weights={"tulips": 0.0}), ["daisy", "tulips"])
    with pytest.raises(RecipeError, match="there is nothing to learn"):
        refuse_unknown_classes(Loss(class_weights={"daisy": 0.0, "tulips": 0.0}), ["daisy", "tulips"])


@pytest.mark.parametrize("weights", ["none", "balanced", {"a": 3.0, "c": 0.5}])
def test_photo_weights__are_1_on_average_and_in_the_ratio_of_both(weights):
    own = np.linspace(0, 4, len(LABELS))
    loss, classes = Loss(class_weights=weights), ["a", "b", "c"]
    found = photo_weights(loss, LABELS, classes, own)
    assert found.mean() == pytest.approx(1)
    of_class = class_weights(loss, LABELS, classes, own)
    np.testing.assert_allclose(found * own[-1] * of_class[LABELS[-1]], found[-1] * own * of_class[LABELS])


def test_photo_weights__balanced_lets_each_class_count_alike():
    found = photo_weights(
        Loss(class_weights="balanced"), LABELS, ["a", "b", "c"], np.linspace(0.1, 4, len(LABELS))
    )
    np.testing.assert_allclose(np.bincount(LABELS, found), len(LABELS) / 3)


def test_photo_weights__alike_are_none_at_all():
    classes = ["a", "b", "c"]
    assert photo_weights(Loss(), LABELS, classes, np.full(len(LABELS), 0.3)) is None
    balanced = Loss(class_weights="balanced")
    np.testing.assert_array_equal(
        photo_weights(balanced, LABELS, classes, np.full(len(LABELS), 7.0)),
        class_weights(balanced, LABELS, classes)[LABELS],
    )


def test_relative__all_zero():
    with pytest.raises(DataError, match="weight 0"):
        relative(np.zeros(3))
