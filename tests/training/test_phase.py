import numpy as np
import pytest

from budwood.features.store import FeatureStore
from budwood.recipe import Recipe
from budwood.training.heads import head_model
from budwood.training.phase import resolve_fit, train_frozen_phase


@pytest.fixture
def rows(tmp_path):
    """Features of three classes around three centres: 60 to train on, 15 to validate with."""
    rng = np.random.default_rng(0)
    labels = np.arange(75) % 3
    features = rng.normal(np.eye(8)[labels] * 2, 1).astype(np.float32)
    with FeatureStore(tmp_path).open("f", (8,)) as shelf:
        for number, row in enumerate(features):
            shelf.add(str(number), row)
        names = [str(number) for number in range(75)]
        yield shelf.reader(names[:60]), labels[:60], shelf.reader(names[60:]), labels[60:]


@pytest.mark.parametrize(
    ("values", "sizes", "fit"),
    [
        ({}, (2936, 1280, 5), "linear"),
        ({"head": {"dropout": 0.2}}, (2936, 1280, 5), "gradient"),
        ({"head": {"hidden": [8]}}, (2936, 1280, 5), "gradient"),
        ({"frozen": {"fit": "gradient"}}, (2936, 1280, 5), "gradient"),
        ({"frozen": {"fit": "linear"}}, (58_000, 1280, 400), "gradient"),
        ({}, (58_000, 1280, 400), "gradient"),
    ],
)
def test_resolve_fit(values, sizes, fit):
    recipe, reason = resolve_fit(Recipe.from_dict(values), *sizes)
    assert recipe.frozen.fit == fit
    assert (reason is not None) == (sizes[0] == 58_000)


@pytest.mark.parametrize("fit", ["linear", "gradient"])
def test_train_frozen_phase__learns_and_says_how_well(rows, fit):
    settings = {"fit": fit, "epochs": 20, "learning_rate": 0.05}
    recipe = Recipe.from_dict({"frozen": settings})
    result = train_frozen_phase(recipe, *rows, num_classes=3)
    best = result.history[result.best_epoch - 1]
    shares = np.asarray(head_model(result.layers, 8)(rows[2][:], training=False))
    assert best["val_accuracy"] == pytest.approx((shares.argmax(axis=1) == rows[3]).mean())
    expected = -np.log(shares[np.arange(15), rows[3]]).mean()
    assert best["val_loss"] == pytest.approx(expected, rel=1e-4)
    assert best["val_accuracy"] > 0.6
    assert result.trainable_parameters == 8 * 3 + 3
    assert (result.linear_path is not None) == (fit == "linear")


def test_train_frozen_phase__says_that_the_linear_fit_gave_way(rows, monkeypatch):
    monkeypatch.setattr("budwood.training.phase.linear_fits", lambda *sizes: False)
    notes = []
    recipe = Recipe.from_dict({"frozen": {"fit": "linear", "epochs": 1}})
    result = train_frozen_phase(recipe, *rows, num_classes=3, note=notes.append)
    assert result.recipe.frozen.fit == "gradient"
    assert len(notes) == 1 and "gradient steps instead" in notes[0]
