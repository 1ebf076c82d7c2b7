import numpy as np
import pytest

from budwood.core.scaling import LabelScaling, folded, inverse, scaled


@pytest.mark.parametrize("scaling", [2.5, LabelScaling((0.5, 3.0), (1.0, -2.0))])
def test_scaling__acts_on_logits_as_in_the_weights_and_is_undone(scaling):
    rng = np.random.default_rng(0)
    features, kernel, bias = rng.normal(size=(5, 4)), rng.normal(size=(4, 2)), rng.normal(size=2)
    logits = features @ kernel + bias
    moved = scaled(logits, scaling)
    new_kernel, new_bias = folded(kernel, bias, scaling)
    np.testing.assert_allclose(features @ new_kernel + new_bias, moved)
    np.testing.assert_allclose(scaled(moved, inverse(scaling)), logits)
    assert not np.allclose(moved, logits)


def test_folded__divides_weights_of_float32_to_the_last_bit():
    kernel, bias = np.float32([[1.1, 0.3]]), np.float32([0.7, -0.2])
    found = folded(kernel, bias, 1.3)
    assert (found[0] == kernel / np.float32(1.3)).all() and (found[1] == bias / np.float32(1.3)).all()
    scaling = LabelScaling((2.0, 1.0), (0.0, 1.0))
    assert [part.dtype for part in folded(kernel, bias, scaling)] == [np.float32, np.float32]


def test_label_scaling__refuses_what_turns_the_order_round():
    with pytest.raises(ValueError, match="a scale above 0"):
        LabelScaling((1.0, -1.0), (0.0, 0.0))
    with pytest.raises(ValueError, match="a shift for each label"):
        LabelScaling((1.0, 1.0), (0.0,))
