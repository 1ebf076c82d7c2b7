import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.studies.learning_curve import fit_curve


@given(exponent=st.floats(0.1, 0.9), height=st.floats(0.5, 3.0))
def test_fit_curve__finds_a_power_law(exponent, height):
    def accuracy(n):
        return 1 - height * n**-exponent / 10

    found = fit_curve("x", {n: [accuracy(n)] * 3 for n in (50, 100, 400)})
    assert found.next_photos == 800
    assert found.expected == pytest.approx(accuracy(800), abs=1e-3)


def test_fit_curve__interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)

    def accuracy(n):
        return 1 - 1.2 * n**-0.4

    held = 0
    for trial in range(100):
        noisy = {n: list(accuracy(n) + rng.normal(0, 0.01, 10)) for n in (50, 100, 200, 400)}
        found = fit_curve("x", noisy, seed=trial)
        held += found.low <= accuracy(800) <= found.high
    # Percentiles of so few trials are a little narrow.
    assert 82 <= held <= 99


def test_fit_curve__too_little_to_say_more():
    two = fit_curve("x", {50: [0.8], 100: [0.9]})
    assert two.expected is None
    assert "3 numbers of photos and some errors are needed" in two.words
    assert fit_curve("x", {50: [0.8], 100: [0.9], 200: [1.0]}).expected is None


def test_fit_curve__more_photos_do_no_harm():
    falling = fit_curve("x", {50: [0.9, 0.91], 100: [0.89, 0.9], 200: [0.88, 0.89]})
    assert falling.expected == pytest.approx(0.885)
