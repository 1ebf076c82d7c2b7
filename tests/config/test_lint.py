"""Settings without effect are told, and only those."""

import pytest

from budwood.config.lint import TRANSFORMATIONS, find_warnings
from budwood.config.loading import shipped_recipes
from budwood.config.recipe import Recipe

LINEAR = {"fit": "linear"}
GRADIENT = {"fit": "gradient"}
TUNED = {"epochs": 3}


@pytest.mark.parametrize("name", shipped_recipes())
def test_find_warnings__shipped_recipes_have_none(name):
    assert find_warnings(Recipe.load(name)) == []


@pytest.mark.parametrize(
    ("values", "key", "reason"),
    [
        ({"augment": {"horizontal_flip": True}}, "augment.horizontal_flip", "draws no views"),
        ({"augment": {"views": 1, "zoom": 0.1}}, "augment.zoom", "augment.views = 1 draws no views"),
        ({"augment": {"views": 5}, "frozen": GRADIENT}, "augment.views", "no change of the photos"),
        ({"augment": {"rand_magnitude": 3.0}}, "augment.rand_magnitude", "augment.rand_augment = 0"),
        ({"augment": {"mixup": 0.2}, "frozen": LINEAR}, "augment.mixup", "linear probe"),
        ({"augment": {"cutmix": 0.2}, "frozen": LINEAR}, "augment.cutmix", "linear probe"),
        ({"head": {"dropout": 0.2}, "frozen": LINEAR}, "head.dropout", "linear probe"),
        ({"loss": {"label_smoothing": 0.1}, "frozen": LINEAR}, "loss.label_smoothing", "linear probe"),
        ({"frozen": LINEAR | {"batch_size": 8}}, "frozen.batch_size", "linear probe"),
        ({"frozen": GRADIENT | {"folds": 3}}, "frozen.folds", "linear probe"),
        ({"frozen": GRADIENT | {"plateau_patience": 9}}, "frozen.plateau_patience", "frozen.schedule"),
        ({"frozen": {"epochs": 0, "momentum": 0.5}, "finetune": TUNED}, "frozen.momentum", "no phase 1"),
        ({"finetune": {"unfreeze": {"blocks": 2}}}, "finetune.unfreeze", "no phase 2"),
        ({"backbone": {"drop_connect_rate": 0.4}}, "backbone.drop_connect_rate", "no phase 2"),
        ({"distill": {"temperature": 3.0}}, "distill.temperature", "distill.run names no teacher"),
        ({"frozen": LINEAR | {"folds": 3, "l2_strengths": [1.0]}}, "frozen.folds", "none is chosen"),
    ],
)
def test_find_warnings__tells_what_has_no_effect(values, key, reason):
    (line,) = find_warnings(Recipe.from_dict(values))
    assert line.startswith(f"{key} has no effect: ")
    assert reason in line


@pytest.mark.parametrize("key", sorted(TRANSFORMATIONS))
def test_find_warnings__every_transformation_needs_views(key):
    value = True if "flip" in key else 1 if key == "rand_augment" else 0.5
    alone = Recipe.from_dict({"augment": {key: value}})
    drawn = Recipe.from_dict({"augment": {key: value, "views": 3}, "frozen": GRADIENT})
    assert f"augment.{key}" in find_warnings(alone)[0]
    assert find_warnings(drawn) == []


def test_find_warnings__phase_2_has_a_use_for_what_a_linear_probe_has_not():
    values = {
        "augment": {"views": 5, "horizontal_flip": True, "mixup": 0.2},
        "head": {"dropout": 0.3},
        "loss": {"label_smoothing": 0.1},
        "frozen": LINEAR,
    }
    assert len(find_warnings(Recipe.from_dict(values))) == 1
    assert find_warnings(Recipe.from_dict(values | {"finetune": TUNED})) == []


def test_find_warnings__one_line_for_each_reason():
    (line,) = find_warnings(Recipe.from_dict({"augment": {"rotation": 0.1, "zoom": 0.1}}))
    assert line.startswith("augment.rotation, augment.zoom have no effect: ")


def test_find_warnings__a_head_that_several_networks_have_in_phase_1_alone():
    networks = {
        "backbone": {"name": ["mobilenet", "mobilenet_v2"]},
        "frozen": GRADIENT,
        "head": {"hidden": [8]},
    }
    assert find_warnings(Recipe.from_dict(networks)) == []
    (line,) = find_warnings(Recipe.from_dict(networks | {"finetune": TUNED}))
    assert line.startswith("head.hidden has an effect in phase 1 alone")
    without = networks | {"finetune": TUNED, "frozen": {"epochs": 0}}
    assert any(
        one.startswith("head.hidden has no effect: ") for one in find_warnings(Recipe.from_dict(without))
    )


def test_find_warnings__originals_beside_views_that_nothing_learns_from():
    augment = {"views": 5, "horizontal_flip": True, "originals": True}
    (line,) = find_warnings(Recipe.from_dict({"augment": augment, "frozen": LINEAR}))
    assert line.startswith("augment.views, augment.originals have no effect: a linear probe")


def test_find_warnings__random_weights_that_would_stay():
    random = {"backbone": {"weights": "random"}}
    (line,) = find_warnings(Recipe.from_dict(random | {"finetune": TUNED}))
    assert "keeps random weights for good" in line
    every = TUNED | {"unfreeze": "all"}
    assert find_warnings(Recipe.from_dict(random | {"finetune": every})) == []
    (line,) = find_warnings(Recipe.from_dict(random | {"finetune": every | {"parameters": "scale-and-bias"}}))
    assert "keeps random weights for good" in line
