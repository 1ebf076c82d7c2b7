import numpy as np
import pytest
from scipy.special import softmax

from budwood.config.recipe import Recipe
from budwood.core.errors import DataError
from budwood.training import probe_size, sharded_probe
from budwood.training.linear_probe import fit_as_asked, fit_linear
from budwood.training.row_shards import in_shards
from budwood.training.sharded_probe import draw, fit_rows_as_asked, fit_shards


def photos(n=600, features=10, num_classes=4, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.sort(np.arange(n) % num_classes)
    centres = rng.normal(size=(num_classes, features)) * 0.5
    x = (centres[labels] + rng.normal(size=(n, features))) * np.geomspace(0.1, 10, features) + 3
    return x.astype(np.float32), labels


def probabilities(fit, x):
    return softmax(x @ fit.kernel + fit.bias, axis=1)


def shards_of(x, y, number=5):
    return in_shards(x, y, np.ones(len(y)), number)


def test_fit_shards__is_fit_linear_where_the_sample_is_all():
    x, y = photos()
    found, expected = fit_shards(shards_of(x, y), 4, seed=2), fit_linear(x, y, 4, seed=2)
    assert found.strength == expected.strength and found.path == expected.path
    assert np.abs(probabilities(found, x) - probabilities(expected, x)).max() < 1e-4
    assert abs(found.bias.mean()) < 1e-6


def test_fit_shards__all_rows_count_where_the_sample_is_a_part(monkeypatch):
    monkeypatch.setattr(probe_size, "SAMPLE_PHOTOS", 120)
    x, y = photos()
    found = fit_shards(shards_of(x, y), 4)
    expected = fit_linear(x, y, 4, strengths=[found.strength])
    part = fit_linear(x[::5], y[::5], 4, strengths=[found.strength])
    exact = probabilities(expected, x)
    assert np.abs(probabilities(found, x) - exact).max() < 1e-4
    assert np.abs(probabilities(part, x) - exact).max() > 1e-2
    assert len(found.path) > 1


def test_fit_shards__fewer_rows_in_the_sample_than_features(monkeypatch):
    monkeypatch.setattr(probe_size, "SAMPLE_PHOTOS", 20)
    x, y = photos(features=40)
    found = fit_shards(shards_of(x, y), 4, strengths=[0.03])
    expected = fit_linear(x, y, 4, strengths=[0.03])
    assert np.abs(probabilities(found, x) - probabilities(expected, x)).max() < 1e-4


def test_fit_shards__class_without_a_photo_is_refused():
    x, y = photos()
    with pytest.raises(DataError, match="no photo of class number 4"):
        fit_shards(shards_of(x, y), 5)


def test_fit_shards__feature_that_is_not_finite_is_refused():
    x, y = photos()
    x[599, 3] = np.nan
    with pytest.raises(DataError, match="not finite"):
        fit_shards(shards_of(x, y), 4)


def test_fit_shards__says_how_far_it_is(recorded_stages, monkeypatch):
    monkeypatch.setattr(probe_size, "SAMPLE_PHOTOS", 120)
    x, y = photos()
    fit_shards(shards_of(x, y), 4, strengths=[0.1], progress=recorded_stages)
    assert recorded_stages.stages["head"] > 2 and recorded_stages.totals == {"head": None}


def test_draw__each_class_has_its_share_and_two_at_least():
    labels = np.repeat([0, 1, 2, 3], [900, 95, 4, 1])
    sample = draw(labels, np.ones(1000), 100, 4, 0)
    assert np.bincount(labels[sample.rows]).tolist() == [90, 10, 2, 1]
    assert (np.diff(sample.rows) > 0).all()
    of_class = np.bincount(labels[sample.rows], sample.weights)
    np.testing.assert_allclose(of_class / of_class.sum(), [0.9, 0.095, 0.004, 0.001])
    assert sample.weights.mean() == pytest.approx(1)


def test_draw__another_seed_draws_others():
    labels = np.zeros(100, int)
    one, same, other = (draw(labels, np.ones(100), 10, 1, seed).rows.tolist() for seed in (1, 1, 2))
    assert one == same != other


def test_fit_rows_as_asked__takes_shards_where_memory_is_too_small(monkeypatch):
    x, y = photos()
    recipe = Recipe.from_dict(
        {"frozen": {"l2_strengths": [0.1, 0.01]}, "loss": {"class_weights": "balanced"}}
    )
    weights = np.linspace(0, 2, len(y))
    given = (recipe, x, y, ["a", "b", "c", "d"])
    expected = fit_as_asked(*given, weights=weights)
    monkeypatch.setattr(sharded_probe, "fit_shards", lambda *_, **__: pytest.fail("there is room"))
    np.testing.assert_array_equal(fit_rows_as_asked(*given, weights=weights).kernel, expected.kernel)
    monkeypatch.undo()
    monkeypatch.setattr(sharded_probe, "probe_place", lambda *_: "shards")
    monkeypatch.setattr(sharded_probe, "fit_as_asked", lambda *_, **__: pytest.fail("there is no room"))
    found = fit_rows_as_asked(*given, weights=weights)
    assert found.strength == expected.strength
    assert np.abs(probabilities(found, x) - probabilities(expected, x)).max() < 1e-4


def test_fit_rows_as_asked__bits_do_not_depend_on_the_cores(monkeypatch):
    x, y = photos()
    monkeypatch.setattr(sharded_probe, "probe_place", lambda *_: "shards")
    kernels = []
    for cores in (1, 3):
        monkeypatch.setattr(sharded_probe, "num_cores", lambda cores=cores: cores)
        kernels.append(fit_rows_as_asked(Recipe(), x, y, ["a", "b", "c", "d"]).kernel)
    np.testing.assert_array_equal(*kernels)
