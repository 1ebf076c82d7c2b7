import pickle

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from budwood.training.row_shards import (
    ROWS_AT_A_TIME,
    Head,
    chosen_rows,
    in_shards,
    loss_sums,
    moments_of,
    widened,
)


def some_rows(n=2500, features=6, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, features)) * 3 + 7).astype(np.float16), rng.integers(0, 3, n), rng.random(n)


def test_widened__every_half_is_itself():
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)][:, None]
    np.testing.assert_array_equal(
        widened(halves, np.dtype("float32")).view(np.uint32), halves.astype(np.float32).view(np.uint32)
    )


@pytest.mark.parametrize("given", ["float16", "float32", "float64"])
@pytest.mark.parametrize("asked", ["float32", "float64"])
def test_widened__is_a_copy_that_may_be_written(given, asked):
    rows = np.array([[1.5, -2.0]], given)
    rows.flags.writeable = False
    found = widened(rows, np.dtype(asked))
    found += 1
    assert found.dtype == asked and rows.tolist() == [[1.5, -2.0]]


def test_moments_of__are_those_of_all_rows_together():
    x, y, w = some_rows()
    shards = in_shards(x, y, w, 3)
    found = moments_of(shards[0]) + moments_of(shards[1]) + moments_of(shards[2])
    exact = x.astype(np.float64)
    assert found.number == len(x)
    np.testing.assert_allclose(found.means, exact.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.scale, exact.std(axis=0), rtol=1e-13)


def test_moments_of__a_constant_far_from_zero_does_not_move():
    found = moments_of(
        in_shards(np.full((3000, 1), 0.1, np.float32), np.zeros(3000, int), np.ones(3000), 1)[0]
    )
    assert found.scale.tolist() == [1.0]


def test_moments_of__says_what_is_not_finite():
    x, y, w = some_rows()
    x[2000, 4] = np.inf
    assert not np.isfinite(moments_of(in_shards(x, y, w, 1)[0]).squares).all()


@pytest.mark.parametrize(("products", "most"), [("float32", 1e-5), ("float64", 1e-12)])
def test_loss_sums__are_loss_and_gradient(products, most):
    x, y, w = some_rows(n=ROWS_AT_A_TIME + 500)
    rng = np.random.default_rng(1)
    head = Head(rng.normal(size=6), rng.normal(size=(6, 3)), rng.normal(size=3))
    parts = [loss_sums(shard, head, products) for shard in in_shards(x, y, w, 2)]
    found = parts[0] + parts[1]
    rows = x.astype(np.float64) - head.centre
    logits = rows @ head.kernel + head.bias
    errors = (softmax(logits, axis=1) - np.eye(3)[y]) * w[:, None]
    assert found.loss == pytest.approx(-w @ log_softmax(logits, axis=1)[np.arange(len(y)), y], rel=most)
    np.testing.assert_allclose(found.kernel, rows.T @ errors, atol=most * len(y))
    np.testing.assert_allclose(found.bias, errors.sum(axis=0), atol=most * len(y))


def test_chosen_rows__are_counted_through_all_shards():
    x, y, w = some_rows(n=20)
    chosen = np.array([0, 3, 12, 13, 19])
    np.testing.assert_array_equal(chosen_rows(in_shards(x, y, w, 4), chosen, map), x[chosen])


def test_in_shards__more_than_rows():
    x, y, w = some_rows(n=3)
    assert [len(shard.labels) for shard in in_shards(x, y, w, 8)] == [1, 1, 1]


def test_in_shards__can_be_sent():
    x, y, w = some_rows(n=9)
    sent = pickle.loads(pickle.dumps(in_shards(x, y, w, 2)[1]))
    np.testing.assert_array_equal(sent.read(slice(1, 3)), x[5:7])
