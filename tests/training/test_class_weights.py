import numpy as np
import pytest

from budwood.config.learning import Loss
from budwood.core.errors import RecipeError
from budwood.training.class_weights import class_weights, refuse_unknown_classes

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
