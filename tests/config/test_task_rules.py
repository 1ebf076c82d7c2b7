import pytest

from budwood.config.recipe import Recipe
from budwood.config.task_rules import refuse_for_multi_label, refuse_for_single_label
from budwood.core.errors import RecipeError

SHARED = {
    "loss": {"label_smoothing": 0.1, "class_weights": "balanced", "focal": 2.0},
    "head": {"hidden": [8], "dropout": 0.1},
    "augment": {"mixup": 0.2, "cutmix": 1.0},
    "distill": {"run": "teacher"},
}


@pytest.mark.parametrize("values", [{}, SHARED])
def test_refuse__settings_of_both_tasks_pass(values):
    refuse_for_multi_label(Recipe.from_dict(values))
    refuse_for_single_label(Recipe.from_dict(values))


def test_refuse_for_multi_label__one_logit():
    with pytest.raises(RecipeError, match=r"^head\.logits"):
        refuse_for_multi_label(Recipe.from_dict({"head": {"logits": "single"}}))
    refuse_for_single_label(Recipe.from_dict({"head": {"logits": "single"}}))


@pytest.mark.parametrize("key", ["asymmetric", "clip"])
def test_refuse_for_single_label__names_the_key(key):
    recipe = Recipe.from_dict({"loss": {key: 0.05}})
    with pytest.raises(RecipeError, match=rf"^loss\.{key} "):
        refuse_for_single_label(recipe)
    refuse_for_multi_label(recipe)


def test_refuse_for_single_label__thresholds():
    recipe = Recipe.from_dict({"evaluate": {"thresholds": 0.9}})
    with pytest.raises(RecipeError, match=r"^evaluate\.thresholds"):
        refuse_for_single_label(recipe)
    refuse_for_multi_label(recipe)


@pytest.mark.parametrize("data", [{"taxonomy": "t.csv"}, {"tree": True}])
def test_refuse_for_multi_label__a_tree_of_labels(data):
    recipe = Recipe.from_dict({"data": data})
    refuse_for_single_label(recipe)
    with pytest.raises(RecipeError, match=f"data.{next(iter(data))} asks for a tree of labels"):
        refuse_for_multi_label(recipe)
