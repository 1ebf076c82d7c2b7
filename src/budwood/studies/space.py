"""What a search chooses from: recipes, backbones, values of recipe keys, and ranges of them."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from budwood.config.recipe import Recipe
from budwood.core.errors import RecipeError
from budwood.studies.plan import (
    Configuration,
    combine,
    label,
    parse_grid,
    refuse_bad_keys,
    refuse_no_recipe,
)

RECIPE, BACKBONE = "recipe", "backbone"
DIGITS = 3
"""Significant ones of a number that is drawn: more tell nothing apart, and make names long."""
DECADE = 10
"""From this ratio of its ends on a range of positive numbers is searched on a log scale."""


@dataclass(frozen=True)
class Range:
    """Numbers between two ends, both included; whole numbers where both ends are."""

    low: int | float
    high: int | float

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int)

    @property
    def log(self) -> bool:
        return self.low > 0 and self.high / self.low >= DECADE

    def rounded(self, value: int | float) -> int | float:
        """A number that was drawn, as a recipe gets it."""
        if self.whole:
            return int(value)
        return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)


@dataclass(frozen=True)
class Space:
    """Every dimension by its name: "recipe", "backbone" or the recipe key; and how a point becomes a recipe."""

    recipes: Mapping[str, str | Recipe]
    backbones: Sequence[str]
    values: Mapping[str, Mapping[str, str]]
    """Of every key with a list of values: by short name, the setting."""
    ranges: Mapping[str, Range]
    settings: Sequence[str]
    weights: Sequence[str]

    @property
    def dimensions(self) -> dict[str, list[str] | Range]:
        """Of each what there is to choose."""
        choices: dict[str, list[str] | Range] = {RECIPE: list(self.recipes)}
        if self.backbones:
            choices[BACKBONE] = list(self.backbones)
        return choices | {key: list(values) for key, values in self.values.items()} | dict(self.ranges)

    @property
    def size(self) -> int | float:
        """How many configurations there are; infinite where a range is not of whole numbers."""
        sizes = [
            len(one) if isinstance(one, list) else one.high - one.low + 1 if one.whole else math.inf
            for one in self.dimensions.values()
        ]
        return math.prod(sizes)

    def points(self) -> Iterator[dict[str, Any]]:
        """All of them, where there are finitely many."""
        every = [
            one if isinstance(one, list) else range(int(one.low), int(one.high) + 1)
            for one in self.dimensions.values()
        ]
        return (dict(zip(self.dimensions, chosen, strict=True)) for chosen in product(*every))

    def configuration(self, point: Mapping[str, Any]) -> Configuration:
        """The configuration at a point. Raises RecipeError where its values do not go together."""
        chosen = [(f"{key}={point[key]}", values[point[key]]) for key, values in self.values.items()]
        chosen += [(f"{key}={point[key]}", f"{key}={point[key]}") for key in self.ranges]
        name, recipe = combine(
            self.recipes[point[RECIPE]],
            point.get(BACKBONE, ""),
            chosen,
            settings=self.settings,
            weights=self.weights,
            name_backbone=len(self.backbones) > 1,
        )
        return Configuration(name, recipe)

    def check(self) -> list[Configuration]:
        """Raises RecipeError where a value, or an end of a range, does not fit a recipe.

        Each is tried beside the first of everything else. What does not go together further inside is found when its
        turn comes, and fails alone.

        Returns:
            The configurations that were tried.
        """
        tried = {
            name: one if isinstance(one, list) else _inside(one) for name, one in self.dimensions.items()
        }
        first = {name: values[0] for name, values in tried.items()}
        # Every recipe on every backbone: whether a key is known may depend on both.
        bases = [
            first | {RECIPE: recipe} | ({BACKBONE: backbone} if backbone else {})
            for recipe, backbone in product(self.recipes, self.backbones or [""])
        ]
        points = [base | {name: value} for base in bases for name in tried for value in tried[name]]
        found = {}
        for point in points:
            configuration = self.configuration(point)
            for key in self.ranges:
                _refuse_unless_number(key, configuration.recipe)
            found[configuration.name] = configuration
        return list(found.values())

    def to_json(self) -> dict[str, Any]:
        """What tells this space from another one."""
        ranges = {key: f"{one.low}..{one.high}" for key, one in self.ranges.items()}
        values = {key: list(values.values()) for key, values in self.values.items()}
        recipes = {
            name: given if isinstance(given, str) else given.model_dump(mode="json", exclude_none=True)
            for name, given in self.recipes.items()
        }
        return {
            "recipes": recipes,
            "backbones": list(self.backbones),
            "grid": values | ranges,
            "settings": list(self.settings),
            "weights": list(self.weights),
        }


def read_space(
    recipes: Sequence[str | Recipe],
    *,
    backbones: Sequence[str] = (),
    grid: Iterable[str] = (),
    settings: Sequence[str] = (),
    weights: Sequence[str] = (),
) -> Space:
    """The space as a user writes it.

    Args:
        recipes, backbones, settings, weights: see `studies.plan.configurations`.
        grid: `section.key=[value, value]`, or a range `section.key=LOW..HIGH`: of whole numbers where both are written
            so, on a log scale where both are positive and HIGH is ten times LOW or more.

    Raises:
        RecipeError: a key, value or end of a range that does not fit, or nothing to choose between.

    >>> read_space(["quick"], grid=["finetune.learning_rate=1e-5..1e-2"]).ranges
    {'finetune.learning_rate': Range(low=1e-05, high=0.01)}
    """
    refuse_no_recipe(recipes)
    texts = [(text.partition("=")[0].strip(), text) for text in grid]
    refuse_bad_keys([key for key, _ in texts])
    ranges = {key: found for key, text in texts if (found := _parse_range(text)) is not None}
    lists = {
        key: [(short.removeprefix(f"{key}="), setting) for short, setting in parse_grid(text)]
        for key, text in texts
        if key not in ranges
    }
    given = [(label(one), one) for one in recipes]
    names = {RECIPE: [name for name, _ in given], BACKBONE: list(backbones)}
    names |= {key: [short for short, _ in found] for key, found in lists.items()}
    for name, values in names.items():
        for one in values:
            if values.count(one) > 1:
                raise RecipeError(f"the {name} `{one}` is in the search twice. Give each once")
    space = Space(
        recipes=dict(given),
        backbones=backbones,
        values={key: dict(found) for key, found in lists.items()},
        ranges=ranges,
        settings=settings,
        weights=weights,
    )
    if space.size == 1:
        raise RecipeError(
            "there is one configuration, so there is nothing to search. Give several --recipes or --backbones, or "
            "values or a range of a key, such as --grid finetune.learning_rate=1e-5..1e-2"
        )
    space.check()
    return space


def _parse_range(text: str) -> Range | None:
    """The range in `section.key=LOW..HIGH`; None where the text is a list, or nothing of the kind."""
    _, _, ends = text.partition("=")
    if ".." not in ends or "[" in ends:
        return None
    low, _, high = (part.strip() for part in ends.partition(".."))
    whole = all(re.fullmatch(r"[+-]?\d+", end) for end in (low, high))
    try:
        found = Range(int(low), int(high)) if whole else Range(float(low), float(high))
    except ValueError:
        found = None
    if found is None or not (math.isfinite(found.low) and math.isfinite(found.high)):
        raise RecipeError(
            f"--grid {text}: a range has a number at either end, such as finetune.learning_rate=1e-5..1e-2"
        )
    if found.low >= found.high:
        raise RecipeError(f"--grid {text}: a range goes from a smaller number to a larger one")
    return found


def _inside(one: Range) -> list[int | float]:
    """Its ends, and one number between them: a key of whole numbers takes 1.0 and 3.0, and not what lies between."""
    return [one.low, one.high, *([] if one.whole else [one.rounded(one.low + (one.high - one.low) / math.e)])]


def _refuse_unless_number(key: str, recipe: Recipe) -> None:
    value: Any = recipe.model_dump()
    for part in key.split("."):
        value = value[part]
    # A flag takes 0 and 1 too.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RecipeError(
            f"--grid {key}: its values are no numbers, so it has no range. Give a list: {key}=[V, W]"
        )
