"""Settings that mean something for one task alone: with one label a photo, or with several."""

from budwood.config.recipe import Recipe
from budwood.core.errors import RecipeError


def refuse_for_multi_label(recipe: Recipe) -> None:
    """Raise RecipeError where a setting is for one label a photo, and photos may have several.

    >>> refuse_for_multi_label(Recipe.from_dict({"head": {"logits": "single"}}))
    Traceback (most recent call last):
    budwood.core.errors.RecipeError: head.logits = "single" makes one output of two classes of which a photo has one, \
but photos here may have several labels, each with an output of its own. Set head.logits = "per-class"
    """
    if recipe.head.logits == "single":
        raise RecipeError(
            'head.logits = "single" makes one output of two classes of which a photo has one, but photos here may have '
            'several labels, each with an output of its own. Set head.logits = "per-class"'
        )
    for key in ("taxonomy", "tree"):
        if getattr(recipe.data, key):
            raise RecipeError(
                f"data.{key} asks for a tree of labels, which is for photos with one label each so far, but photos "
                "here may have several. Leave it out"
            )


def refuse_for_single_label(recipe: Recipe) -> None:
    """Raise RecipeError where a setting is for several labels a photo, and photos have one.

    >>> refuse_for_single_label(Recipe.from_dict({"loss": {"asymmetric": 4.0}}))
    Traceback (most recent call last):
    budwood.core.errors.RecipeError: loss.asymmetric weighs labels that a photo does not have, but photos here have \
one label each. Leave it out, or set loss.focal
    """
    for key in ("asymmetric", "clip"):
        if getattr(recipe.loss, key):
            raise RecipeError(
                f"loss.{key} weighs labels that a photo does not have, but photos here have one label each. Leave it "
                "out, or set loss.focal"
            )
    if recipe.evaluate.thresholds != "f1":
        raise RecipeError(
            "evaluate.thresholds chooses a threshold for each of several labels, but photos here have one label each. "
            "Leave it out, and ask for a precision when you predict: budwood predict --precision"
        )
