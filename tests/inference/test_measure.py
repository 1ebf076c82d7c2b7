import numpy as np
import pytest

from budwood.core.errors import RunError
from budwood.inference.measure import confidence_threshold, refuse_bad_acceptance

RIGHT = np.array([False, True, False, True, True, True])
SURE = np.array([0.4, 0.5, 0.6, 0.7, 0.8, 0.9])


def test_confidence_threshold__is_chosen_on_validation_and_tells_what_it_does_to_each_split():
    test = np.array([0.55, 0.75]), np.array([True, False])
    threshold, found = confidence_threshold({"validation": (SURE, RIGHT), "test": test}, 1.0)
    assert 0.6 < threshold <= 0.7
    assert found["validation"].coverage == pytest.approx(3 / 6)
    assert found["test"].coverage == 0.5 and found["test"].precision == 0


def test_confidence_threshold__what_no_probability_does():
    with pytest.raises(RunError, match="6 validation photos are right less often than 90.0%"):
        confidence_threshold({"validation": (SURE, ~RIGHT & (SURE < 0.9))}, 0.9)


@pytest.mark.parametrize("share", [0.0, 1.0, 2.0])
def test_refuse_bad_acceptance(share):
    with pytest.raises(RunError, match="acceptance"):
        refuse_bad_acceptance(share)
    refuse_bad_acceptance(0.95)
