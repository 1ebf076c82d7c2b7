import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from budwood.training import logistic
from budwood.training.logistic import Axes, Problem


def data(n=200, features=12, classes=5, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    x = rng.normal(size=(classes, features))[labels] + rng.normal(size=(n, features))
    return (x * np.geomspace(0.1, 10, features)).astype(np.float32), labels


def axes_of(x):
    return Axes.of(x, x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64))


@pytest.mark.parametrize("n", [200, 8])
def test_axes__keep_what_lies_between_photos(n):
    """Lengths and angles, of more photos than features and of fewer."""
    x, _ = data(n)
    axes = axes_of(x)
    rotated = axes.rotate(x, np.arange(n))
    scaled = (x - axes.mean) / axes.scale
    np.testing.assert_allclose(rotated[:, :-1] @ rotated[:, :-1].T, scaled @ scaled.T, atol=1e-4)
    np.testing.assert_array_equal(rotated[:, -1], 1)
    assert len(axes.variances) == (12 if n == 200 else 7)
    np.testing.assert_allclose((rotated[:, :-1] ** 2).mean(axis=0), axes.variances, rtol=1e-3)


@pytest.mark.parametrize("n", [200, 8])
def test_axes__unfold_gives_the_same_probabilities(n):
    x, _ = data(n)
    axes = axes_of(x)
    rotated = axes.rotate(x, np.arange(n))
    weights = np.random.default_rng(1).normal(size=(rotated.shape[1], 3)).astype(np.float32)
    kernel, bias = axes.unfold(weights)
    np.testing.assert_allclose(softmax(x @ kernel + bias, 1), softmax(rotated @ weights, 1), atol=1e-5)
    assert abs(bias.sum()) < 1e-5


@pytest.mark.parametrize("strength", [10.0, 0.1, 1e-4])
@pytest.mark.parametrize("blocks", [1, 3])
def test_problem__equals_scikit_learn_from_any_start(strength, blocks):
    x, y = data()
    axes = axes_of(x)
    rotated = axes.rotate(x, np.arange(len(y)))
    weights = np.random.default_rng(2).uniform(0.2, 2, len(y))
    exact = LogisticRegression(C=1 / (strength * len(y)), tol=1e-10, max_iter=10_000)
    expected = exact.fit((x - axes.mean) / axes.scale, y, sample_weight=weights).predict_proba(
        (x - axes.mean) / axes.scale
    )
    problem = Problem(rotated, y, weights, axes.variances, 5, blocks=blocks)
    far = np.random.default_rng(3).normal(size=(rotated.shape[1], 5)).astype(np.float32)
    # A bias without a penalty keeps the sum it starts with, which changes no probability.
    for starts in ([], [far], [far, -far], [far, far]):
        found = problem.solve(strength, 1e-10, starts, most_steps=1000)
        np.testing.assert_allclose(softmax(rotated @ found, 1), expected, atol=2e-4)


def test_problem__a_start_from_a_neighbour_takes_fewer_steps(monkeypatch):
    x, y = data(n=300, features=60, classes=30)
    axes = axes_of(x)
    rotated = axes.rotate(x, np.arange(len(y)))
    problem = Problem(rotated, y, np.ones(len(y)), axes.variances, 30)
    steps, gradient = [], logistic._Line.gradient
    monkeypatch.setattr(logistic._Line, "gradient", lambda self, at: steps.append(1) or gradient(self, at))

    def count(strength, starts):
        steps.clear()
        return problem.solve(strength, 1e-4, starts), len(steps)

    strong, _ = count(0.1, [])
    middle, _ = count(0.01, [strong])
    _, alone = count(0.001, [])
    _, started = count(0.001, [middle, strong])
    assert started <= alone / 2


def test_newton__a_step_that_leads_too_far_is_taken_back():
    """Of a function that is nearly straight far from its minimum."""

    def derivatives(step):
        return float(np.tanh(step - 3)), float(1 / np.cosh(step - 3) ** 2)

    step = logistic._newton(derivatives)
    assert abs(np.tanh(step - 3)) <= 0.2 * np.tanh(3)
    assert logistic._newton(lambda step: (0.0, 1.0)) == 0.0
