"""Which features are nearest."""

import numpy as np
import pytest

import budwood.features.neighbours as module
from budwood.features.neighbours import nearest


@pytest.mark.parametrize("number", [1, 3, 60])
def test_nearest__is_that_of_all_pairs(monkeypatch, number):
    monkeypatch.setattr(module, "_ROWS", 3)
    monkeypatch.setattr(module, "_CHUNK", 4)
    chance = np.random.default_rng(1)
    vectors, known = chance.normal(size=(10, 5)), chance.normal(size=(50, 5))
    cosines = vectors @ known.T
    cosines /= np.linalg.norm(vectors, axis=1)[:, None] * np.linalg.norm(known, axis=1)
    places, values = nearest(vectors, known, number)
    expected = np.argsort(-cosines, axis=1)[:, :number]
    assert places.tolist() == expected.tolist()
    assert np.allclose(values, np.take_along_axis(cosines, expected, axis=1), atol=1e-6)


def test_nearest__of_many_by_a_projection_finds_planted_neighbours(monkeypatch):
    chance = np.random.default_rng(2)
    # As features are: a few directions hold most of them.
    known = (chance.normal(size=(2_000, 20)) @ chance.normal(size=(20, 600))).astype(np.float32)
    vectors = known[:500] + 2 * chance.normal(size=(500, 600)).astype(np.float32)
    exact, cosines = nearest(vectors, known, 2)
    monkeypatch.setattr(module, "_PAIRS_COMPARED", 0)
    monkeypatch.setattr(module, "_DIRECTIONS", 32)
    found, similar = nearest(vectors, known, 2)
    assert (found[:, 0] == np.arange(500)).all()
    assert (found == exact).mean() > 0.995
    assert np.allclose(similar[:, 0], cosines[:, 0], atol=1e-5)


def test_nearest__equal_ones_in_their_order():
    assert nearest(np.ones((1, 2)), np.ones((5, 2)), 3)[0].tolist() == [[0, 1, 2]]
