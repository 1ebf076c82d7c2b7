import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from budwood.training import logistic
from budwood.training.label_logistic import LabelProblem
from budwood.training.logistic import Axes

STRENGTHS = np.array([0.1, 0.1, 10.0, 1e-3])


def data(n=240, features=12, unknown=0.3, seed=0):
    """Four labels: even, rare, frequent, and one that is unknown for many photos."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, features)) * np.geomspace(0.1, 10, features)
    scores = x / x.std(axis=0) @ rng.normal(size=(features, 4)) + rng.normal(size=(n, 4)) * 2
    targets = (scores > np.quantile(scores, [0.5, 0.95, 0.2, 0.5], axis=0).diagonal()).astype(np.float32)
    targets[rng.random(n) < unknown, 3] = np.nan
    return x.astype(np.float32), targets


def rotated(x):
    axes = Axes.of(x, x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64))
    return axes, axes.rotate(x, np.arange(len(x)))


@pytest.mark.parametrize("blocks", [1, 3])
def test_label_problem__each_label_equals_scikit_learn_from_any_start(blocks):
    x, targets = data()
    axes, z = rotated(x)
    weights = np.random.default_rng(2).uniform(0.2, 2, targets.shape)
    scaled = (x - axes.mean) / axes.scale
    expected = []
    for label, strength in enumerate(STRENGTHS):
        known = ~np.isnan(targets[:, label])
        exact = LogisticRegression(C=1 / (strength * known.sum()), tol=1e-10, max_iter=10_000)
        exact.fit(scaled[known], targets[known, label], sample_weight=weights[known, label])
        expected.append(exact.decision_function(scaled))
    problem = LabelProblem(z, targets, weights, axes.variances, blocks=blocks)
    far = np.random.default_rng(3).normal(size=(z.shape[1], 4)).astype(np.float32)
    for starts in ([], [far], [far, -far], [far, far]):
        found = problem.solve(STRENGTHS, 1e-10, starts, most_steps=1000)
        np.testing.assert_allclose(z @ found, np.transpose(expected), atol=2e-3)


def test_label_problem__a_label_does_not_depend_on_the_others():
    """Nor on when they come to their end."""
    x, targets = data()
    axes, z = rotated(x)
    together = LabelProblem(z, targets, np.ones_like(targets), axes.variances).solve(STRENGTHS, 1e-4)
    for label, strength in enumerate(STRENGTHS):
        column = targets[:, [label]]
        alone = LabelProblem(z, column, np.ones_like(column), axes.variances).solve(
            np.array([strength]), 1e-4
        )
        np.testing.assert_allclose(alone[:, 0], together[:, label], rtol=1e-3, atol=1e-4)


def test_label_problem__another_label_costs_no_further_product(monkeypatch):
    x, targets = data()
    axes, z = rotated(x)
    steps, gradient = [], logistic._Line.gradient
    monkeypatch.setattr(logistic._Line, "gradient", lambda self, at: steps.append(1) or gradient(self, at))

    def count(labels):
        steps.clear()
        chosen = targets[:, labels]
        problem = LabelProblem(z, chosen, np.ones_like(chosen), axes.variances)
        problem.solve(STRENGTHS[labels], 1e-4)
        return len(steps)

    each = [count([label]) for label in range(4)]
    assert count([0, 1, 2, 3]) <= max(each) + 1


def test_label_problem__a_start_from_the_solution_is_left_at_once(monkeypatch):
    x, targets = data()
    axes, z = rotated(x)
    problem = LabelProblem(z, targets, np.ones_like(targets), axes.variances)
    found = problem.solve(STRENGTHS, 1e-6)
    searched = []
    monkeypatch.setattr(logistic._Line, "search", lambda self, at, direction: searched.append(1) or at)
    np.testing.assert_allclose(problem.solve(STRENGTHS, 1e-4, [found]), found, rtol=1e-3, atol=1e-5)
    assert not searched
