import inspect
import math
from types import SimpleNamespace

import keras
import pytest

from budwood.config.recipe import Recipe
from budwood.evaluation.task import SINGLE_LABEL
from budwood.pipeline import head

# The check of types at run time asks for a whole session.
start_heads, train_head = inspect.unwrap(head.start_heads), inspect.unwrap(head.train_head)
LAYERS = [keras.layers.Dense(3), keras.layers.Dense(3)]
NETWORKS = [SimpleNamespace(name="one"), SimpleNamespace(name="other")]
FEATURES = SimpleNamespace(
    training=SimpleNamespace(parts=["a", "b"], shape=(7,)), exact=SimpleNamespace(parts=["a", "b"])
)


def before(**frozen):
    recipe = Recipe.from_dict(
        {"head": {"hidden": [8], "dropout": 0.5, "l2": 0.01}, "frozen": {"fit": "gradient", **frozen}}
    )
    return SimpleNamespace(recipe=recipe, head=LAYERS[:1], val_loss=0.25)


@pytest.fixture
def session():
    return SimpleNamespace(classes=("a", "b", "c"), task=SINGLE_LABEL, recipe=before().recipe)


def test_start_heads__of_one_backbone_the_head_that_there_is(session):
    (start,) = start_heads(session, NETWORKS[:1], before(), FEATURES)
    assert (start.layers, start.val_loss, start.scaling) == (LAYERS[:1], 0.25, 1.0)


def test_start_heads__of_several_one_each_that_nobody_trained(session):
    starts = start_heads(session, NETWORKS, before(epochs=0), FEATURES)
    assert len(starts) == 2
    assert starts[0].layers[0] is not starts[1].layers[0]
    assert all(one.val_loss == math.inf and one.scaling == 1.0 for one in starts)


def test_start_heads__of_several_a_linear_fit_of_its_own_each(session, monkeypatch):
    asked = []

    def fit(session, recipe, asked_recipe, features, phase, backbone):
        asked.append((recipe, asked_recipe, phase, backbone))
        layer = LAYERS[[one.name for one in NETWORKS].index(backbone)]
        return SimpleNamespace(layers=[layer], best_val_loss=0.5, scaling=2.0)

    monkeypatch.setattr(head, "_fit_head", fit)
    monkeypatch.setattr(head, "ExtractorEnsemble", list)
    monkeypatch.setattr(head, "OpenFeatures", lambda training, exact: (training, exact))
    first = before()
    starts = start_heads(session, NETWORKS, first, FEATURES)
    assert [(one.layers, one.val_loss, one.scaling) for one in starts] == [
        (LAYERS[:1], 0.5, 2.0),
        (LAYERS[1:], 0.5, 2.0),
    ]
    for recipe, asked_recipe, phase, _ in asked:
        assert (recipe.frozen.fit, recipe.head.hidden, recipe.head.dropout, recipe.head.l2) == (
            "linear",
            [],
            0.5,
            0.01,
        )
        assert asked_recipe is first.recipe and phase == head.START


def test_train_head__without_epochs_is_one_that_nobody_trained(session, monkeypatch):
    monkeypatch.setattr(head, "untrained", lambda session, width: ("untrained", width))
    session.recipe = before(epochs=0).recipe
    assert train_head(session, FEATURES) == ("untrained", 7)
