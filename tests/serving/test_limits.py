"""Bounds that follow from others."""

from budwood.core.system import num_cores
from budwood.serving.limits import Limits


def test_limits__follow_the_machine_and_what_is_allowed():
    assert Limits().waiting == 32 * num_cores()
    assert Limits(upload=7).dropped == 70
    # One body that is allowed can be held.
    assert Limits().upload <= Limits().memory
