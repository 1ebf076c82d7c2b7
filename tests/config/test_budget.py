"""The section [budget]."""

import pytest

from budwood.config.budget import PLANNED
from budwood.config.recipe import Recipe
from budwood.core.errors import RecipeError


def test_budget__is_no_part_of_a_recipe_without_a_limit():
    recipe = Recipe.load("auto")
    assert recipe.budget.minutes is None and "[budget]" not in recipe.to_toml()
    limited = recipe.with_settings(["budget.minutes=2.5"])
    assert limited.budget.minutes == 2.5 and "minutes = 2.5" in limited.to_toml()


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "a few", "1e9", "true"])
def test_budget__minutes_that_are_none(minutes):
    with pytest.raises(RecipeError, match=r"budget\.minutes"):
        Recipe().with_settings([f"budget.minutes={minutes}"])


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf", "1e9"])
def test_budget__says_what_is_possible(minutes):
    with pytest.raises(RecipeError, match=r"\(--minutes\) have to be more than 0 .* ten seconds to a minute"):
        Recipe().with_settings([f"budget.minutes={minutes}"])


@pytest.mark.parametrize("key", PLANNED)
@pytest.mark.parametrize("order", [1, -1])
def test_budget__not_with_what_is_planned(key, order):
    with pytest.raises(RecipeError, match=f"plans how many epochs fit, and {key} is given too"):
        Recipe().with_settings(["budget.minutes=2", f"{key}=3"][::order])
