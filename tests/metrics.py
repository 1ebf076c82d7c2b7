"""Figures of one model, computed through Keras when it was trained and through the saved graph since."""

import pytest


def assert_same_metrics(found, expected):
    """Counts are the same; what is made of probabilities is so up to another order of summing."""
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_same_metrics(found[key], expected[key])
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same_metrics(one, other)
    else:
        assert found == (pytest.approx(expected, abs=1e-5) if isinstance(expected, float) else expected)
