import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.inference.occlusion import importance, label_log_odds, log_odds, occlude, windows


@given(size=st.integers(12, 300), grid=st.integers(1, 7))
def test_windows__cover_the_picture(size, grid):
    covered = np.zeros((size, size), int)
    for top, bottom, left, right in windows(size, grid):
        covered[top:bottom, left:right] += 1
    assert covered.min() >= 1 and covered.max() <= 4
    assert len(windows(size, grid)) == grid**2


def test_occlude__hides_a_window_and_nothing_else():
    picture = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    whole, *hidden = occlude(picture)
    np.testing.assert_array_equal(whole, picture)
    for (top, bottom, left, right), one in zip(windows(60), hidden, strict=True):
        changed = (one != picture).any(axis=-1)
        assert changed[top:bottom, left:right].mean() > 0.9
        assert changed.sum() == changed[top:bottom, left:right].sum()
        np.testing.assert_allclose(one[top, left], picture.mean(axis=(0, 1)), atol=0.5)


def test_importance__lies_where_the_answer_hangs():
    """A model that looks at one corner alone, and is surer of class 0 the more of it is bright."""
    picture = np.zeros((60, 60, 3), np.uint8)
    picture[40:, :20] = 255
    seen = np.array([one[40:, :20].mean() / 255 for one in occlude(picture)])
    shares = np.stack([0.1 + 0.8 * seen, 0.6 - 0.5 * seen, 0.3 - 0.3 * seen], axis=1)
    found = importance(shares, 0, 60)
    inside = np.zeros((60, 60), bool)
    inside[40:, :20] = True
    assert found[inside].mean() > 5 * np.abs(found[~inside]).mean()
    # What speaks for one of two speaks against the other.
    against = importance(np.stack([1 - seen * 0.9, seen * 0.9], axis=1), 0, 60)
    assert against[inside].mean() < 0 and against.min() == pytest.approx(against[inside].min())


def test_log_odds__of_what_float32_cannot_tell_from_1():
    shares = np.array([[1.0, 1e-20, 1e-20]], np.float32).astype(np.float64)
    assert log_odds(shares, 0)[0] == pytest.approx(-np.log(2e-20), rel=1e-6)
    assert np.isfinite(log_odds(np.array([[1.0, 0.0]]), 0)).all()
    assert np.isfinite(log_odds(np.array([[0.0, 1.0]]), 0)).all()


def test_label_log_odds__of_a_sure_label_are_as_large_as_float32_tells():
    shares = np.array([[1.0, 0.2], [0.0, 0.2], [0.25, 0.9]])
    odds = label_log_odds(shares, 0)
    assert np.isfinite(odds).all() and 15 < odds[0] < 18 and odds[1] < -80
    assert odds[2] == pytest.approx(np.log(1 / 3))
    sure = np.array([[1.0, 0.0]] + [[1.0, 0.0]] * 9)
    assert not importance(sure, 0, 60, multi_label=True).any()
