import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.training.strength_path import (
    STRONGEST,
    WEAKEST,
    Known,
    PathPoint,
    best,
    search,
    search_together,
    searching,
    trying,
)


def valley(lowest):
    """A score whose loss is least at a strength, and rises less steeply towards the stronger ones."""
    tried = []

    def score(strength):
        tried.append(strength)
        off = math.log10(strength / lowest)
        return PathPoint(strength, math.log1p(off**2 * (3 if off < 0 else 1)), 0.5, 0.1)

    return score, tried


def test_best__of_equal_losses_the_strongest():
    path = [PathPoint(1.0, 0.3, 0.9, 0.01), PathPoint(0.1, 0.2, 0.9, 0.01), PathPoint(0.01, 0.2, 0.9, 0.01)]
    assert best(path).strength == 0.1


@given(place=st.floats(-6, 3))
def test_search__finds_what_trying_all_finds(place):
    score, tried = valley(10**place)
    path = search(score)
    every = [score(10 ** (third / 3)) for third in range(round(3 * math.log10(WEAKEST)), 7)]
    assert best(path).strength == pytest.approx(best(every).strength)
    assert [point.strength for point in path] == sorted((p.strength for p in path), reverse=True)
    assert len(set(tried)) == len(every) and len(path) <= 9


@pytest.mark.parametrize(("lowest", "most"), [(0.03, 6), (0.1, 5), (0.3, 6), (1e-3, 6), (1e-9, 6)])
def test_search__tries_few(lowest, most):
    score, tried = valley(lowest)
    search(score)
    assert len(tried) == len(set(tried)) <= most


@pytest.mark.parametrize(
    ("lowest", "near", "most"), [(0.01, 0.1, 5), (0.1, 0.1, 3), (0.2, 0.1, 4), (1e-9, 1e-5, 2)]
)
def test_search__beside_a_strength_that_is_near(lowest, near, most):
    score, tried = valley(lowest)
    found = best(search(score, near)).strength
    assert found == pytest.approx(best(search(valley(lowest)[0])).strength)
    assert len(tried) == len(set(tried)) <= most


@pytest.mark.parametrize(("lowest", "end"), [(1e-9, WEAKEST), (1e9, STRONGEST)])
def test_search__ends_at_the_ends(lowest, end):
    assert best(search(valley(lowest)[0])).strength == pytest.approx(end)


def test_known__keeps_the_best_and_the_last():
    known = Known()
    for strength, loss in [(1.0, 0.1), (0.1, 0.2), (0.01, 0.3), (0.001, 0.4), (0.0001, 0.5), (0.00001, 0.6)]:
        known.add(PathPoint(strength, loss, 0.5, 0.1), [np.full((2, 2), strength)] * 3)
    assert list(known.solutions) == [1.0, 0.001, 0.0001, 0.00001]
    starts = known.nearest(0.005, folds=3)
    assert [[start[0, 0] for start in one] for one in starts] == [[0.001, 0.0001]] * 3


def test_known__nothing_yet():
    assert Known().nearest(0.1, folds=2) == [[], []]


def test_search_together__each_search_is_what_it_is_alone():
    def valley(middle):
        return lambda strength: PathPoint(strength, (np.log10(strength) - middle) ** 2, 0.9, 0.01)

    valleys = [valley(middle) for middle in (-1.1, 0.9, -4.2, -9.0)]
    asked = []

    def score(strengths):
        asked.append(strengths)
        return [one(strength) for one, strength in zip(valleys, strengths, strict=True)]

    paths = search_together([searching() for _ in valleys], score)
    assert paths == [search(one) for one in valleys]
    assert len(asked) == max(len(path) for path in paths)


def test_trying__tries_each_once_in_falling_order():
    (path,) = search_together(
        [trying([0.1, 10.0, 0.1])], lambda strengths: [PathPoint(strengths[0], 0.5, 0.9, 0.01)]
    )
    assert [point.strength for point in path] == [10, 0.1]
