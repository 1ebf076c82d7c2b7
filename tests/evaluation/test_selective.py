import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.evaluation.selective import answer, choose_threshold
from budwood.evaluation.statistics import wilson_interval


def test_choose_threshold__coverage_is_as_large_as_can_be():
    confidence, correct = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, True])
    # The surest photo alone would do for 1.0; all of them for 0.75.
    assert choose_threshold(confidence, correct, 1.0) == 0.9
    assert choose_threshold(confidence, correct, 0.7) == 0.6


def test_choose_threshold__none_where_the_surest_are_wrong():
    assert choose_threshold(np.array([0.9, 0.8]), np.array([False, True]), 0.9) is None
    assert choose_threshold(np.array([]), np.array([], bool), 0.9) is None


@given(
    rows=st.lists(st.tuples(st.sampled_from([0.3, 0.5, 0.7, 0.9]), st.booleans()), min_size=1, max_size=40),
    wanted=st.floats(0.05, 1.0),
)
def test_choose_threshold__gives_what_it_promises_on_its_own_photos(rows, wanted):
    confidence = np.array([share for share, _ in rows])
    correct = np.array([right for _, right in rows])
    threshold = choose_threshold(confidence, correct, wanted)
    possible = [
        level
        for level in sorted(set(confidence))
        if answer(confidence, correct, level).precision >= wanted - 1e-9
    ]
    assert threshold == (possible[0] if possible else None)


def test_choose_threshold__holds_on_new_photos_of_a_calibrated_model():
    rng = np.random.default_rng(0)

    def draw(n):
        confidence = rng.beta(5, 1, n)
        return confidence, rng.random(n) < confidence

    threshold = choose_threshold(*draw(5000), 0.95)
    found = answer(*draw(50_000), threshold)
    assert found.precision == pytest.approx(0.95, abs=0.015)
    assert 0.2 < found.coverage < 0.9


def test_answer__counts():
    found = answer(np.array([0.9, 0.5, 0.7]), np.array([True, True, False]), 0.7)
    assert (found.photos, found.answered, found.correct) == (3, 2, 1)
    assert (found.coverage, found.precision) == (2 / 3, 0.5)
    assert found.precision_interval == wilson_interval(1, 2)
    assert answer(np.array([0.1]), np.array([True]), 0.7).precision == 1.0
