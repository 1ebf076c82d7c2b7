import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from budwood.training.logistic import Axes
from budwood.training.row_shards import in_shards, loss_sums, moments_of
from budwood.training.sharded_logistic import ShardedProblem


def photos(n=1500, features=12, num_classes=4, seed=0):
    """Features of uneven scales and means far from 0, that float16 holds exactly."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % num_classes
    x = rng.normal(size=(num_classes, features))[labels] * 0.5 + rng.normal(size=(n, features))
    x = x @ rng.normal(size=(features, features)) * np.geomspace(0.1, 10, features) + 5
    return x.astype(np.float16), labels


def problem_of(x, labels, weights=None, number=5, map=map):
    shards = in_shards(x, labels, np.ones(len(x)) if weights is None else weights, number)
    found = moments_of(in_shards(x, labels, np.ones(len(x)), 1)[0])
    axes = Axes.of(x.astype(np.float32), found.means, found.scale)
    return ShardedProblem(shards, axes, int(labels.max()) + 1, map=map)


def probabilities(problem, weights, x):
    head = problem.head(weights)
    return softmax((x.astype(np.float64) - head.centre) @ head.kernel + head.bias, axis=1)


@pytest.mark.parametrize("strength", [0.3, 0.003])
@pytest.mark.parametrize("weighted", [False, True])
def test_solve__probabilities_are_those_of_scikit_learn(strength, weighted):
    """Both at a gradient of norm 1e-8."""
    x, y = photos()
    weights = np.random.default_rng(1).random(len(y)) * 2 if weighted else np.ones(len(y))
    problem = problem_of(x, y, weights)
    solved = problem.solve(strength, 1e-8)
    assert solved.norm <= 1e-8
    scaled = (x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)) / x.std(axis=0, dtype=np.float64)
    exact = LogisticRegression(C=1 / (strength * len(y)), tol=1e-10, max_iter=10_000)
    expected = exact.fit(scaled, y, sample_weight=weights).predict_proba(scaled)
    assert np.abs(probabilities(problem, solved.weights, x) - expected).max() < 1e-6


def test_solve__norm_is_that_of_the_gradient():
    x, y = photos()
    problem = problem_of(x, y)
    solved = problem.solve(0.01, 1e-3)
    scaled = (x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)) / x.std(axis=0, dtype=np.float64)
    head = problem.head(solved.weights)
    errors = probabilities(problem, solved.weights, x) - np.eye(4)[y]
    kernel = head.kernel * problem._axes.scale[:, None]
    gradient = np.vstack([scaled.T @ errors / len(y) + 0.01 * kernel, errors.mean(axis=0)])
    assert solved.norm == pytest.approx(np.linalg.norm(gradient), rel=1e-3)


def test_solve__shards_may_be_worked_on_in_any_order():
    x, y = photos()

    def backwards(function, shards):
        return [function(shard) for shard in reversed(shards)][::-1]

    one, other = (problem_of(x, y, map=over).solve(0.01, 1e-8) for over in (map, backwards))
    np.testing.assert_array_equal(one.weights, other.weights)
    assert one.passes == other.passes


def test_solve__cuts_and_axes_change_nothing_but_the_way():
    x, y = photos()
    one = problem_of(x, y, number=1)
    whole = one.solve(0.01, 1e-8)
    found = moments_of(in_shards(x, y, np.ones(len(x)), 1)[0])
    plain = Axes(found.means, found.scale, np.eye(12, dtype=np.float32), np.ones(12))
    other = ShardedProblem(in_shards(x, y, np.ones(len(x)), 7), plain, 4)
    solved = other.solve(0.01, 1e-8)
    expected = probabilities(one, whole.weights, x)
    assert np.abs(expected - probabilities(other, solved.weights, x)).max() < 1e-6
    assert solved.passes > whole.passes


def test_solve__from_its_solution_takes_one_pass():
    x, y = photos()
    problem = problem_of(x, y)
    solved = problem.solve(0.01, 1e-5)
    head = problem.head(solved.weights)
    again = problem_of(x, y)
    start = again.weights_of(head.kernel, head.bias - head.centre @ head.kernel)
    np.testing.assert_allclose(start, solved.weights, atol=1e-5)
    assert again.solve(0.01, 2e-5, start).passes == 1


def test_solve__ends_where_rounding_errors_are_all_that_is_left():
    x, y = photos()
    found = problem_of(x, y).solve(0.01, 0.0, most_steps=500)
    assert found.norm < 1e-12 and found.passes < 300


def test_solve__asks_the_shards_for_sums_alone():
    x, y = photos()
    asked = []

    def over(function, shards):
        asked.append(function)
        return map(function, shards)

    solved = problem_of(x, y, map=over).solve(0.01, 1e-4)
    assert len(asked) == solved.passes
    assert all(one.func is loss_sums for one in asked)
