import numpy as np
import pytest
from scipy.spatial import cKDTree

from budwood.data.near_points import near_by_cells

RADIUS, MOST = 0.14, 8


def on_a_sphere(n, dimensions=20, seed=0):
    points = np.random.default_rng(seed).normal(size=(n, dimensions)) * np.geomspace(1, 0.1, dimensions)
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def moved(points, by, seed=1):
    """The points, each moved by so much."""
    steps = np.random.default_rng(seed).normal(size=points.shape)
    return (points + by * steps / np.linalg.norm(steps, axis=1, keepdims=True)).astype(np.float32)


def as_set(pairs):
    return set(zip(*(column.tolist() for column in pairs), strict=True))


@pytest.mark.parametrize(("by", "share"), [(0.05, 1.0), (0.1, 0.999), (0.139, 0.99)])
def test_near_by_cells__finds_what_was_moved_a_little(by, share):
    points = on_a_sphere(3000)
    found = as_set(near_by_cells(np.concatenate([points, moved(points[:1000], by)]), RADIUS, MOST))
    there = sum((place, 3000 + place) in found for place in range(1000))
    assert there >= share * 1000


def test_near_by_cells__finds_nothing_else():
    points = np.concatenate([on_a_sphere(1500), moved(on_a_sphere(1500), 0.2)])
    exact = cKDTree(points).query_pairs(RADIUS)
    found = as_set(near_by_cells(points, RADIUS, MOST))
    assert found <= exact
    assert len(exact) - len(found) <= 0.01 * len(exact)
    assert all(one < other for one, other in found)


def test_near_by_cells__many_of_one_kind_are_joined_by_few_pairs():
    one = np.repeat(on_a_sphere(1), 1000, axis=0)
    first, second = near_by_cells(np.concatenate([moved(one, 0.01), on_a_sphere(1000, seed=3)]), RADIUS, MOST)
    linked = {0}
    by_point = {}
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        by_point.setdefault(a, []).append(b)
        by_point.setdefault(b, []).append(a)
    waiting = [0]
    while waiting:
        for other in by_point.get(waiting.pop(), []):
            if other not in linked:
                linked.add(other)
                waiting.append(other)
    assert linked >= set(range(1000))
    assert len(first) < 4 * MOST * 1000


def test_near_by_cells__the_same_each_time():
    points = np.concatenate([on_a_sphere(500), moved(on_a_sphere(500), 0.1)])
    assert as_set(near_by_cells(points, RADIUS, MOST)) == as_set(near_by_cells(points, RADIUS, MOST))
