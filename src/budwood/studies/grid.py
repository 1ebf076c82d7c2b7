"""Which trials a study consists of: recipes, backbones, values and ranges of recipe keys, numbers of photos, seeds."""

import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from budwood.config.loading import value_text
from budwood.config.recipe import Recipe
from budwood.core.errors import RecipeError
from budwood.core.files import JsonObject
from budwood.studies.records import Configuration

DIVIDES = {"split_seed", "data.split", "data.folds", "data.fold", "data.max_unreadable", "evaluate.test"}
"""Recipe keys that decide on which photos a trial is measured."""
RECIPE, BACKBONE = "recipe", "backbone"
DIGITS = 3
"""Significant ones of a number that is drawn: more tell nothing apart, and make names long."""
DECADE = 10
"""From this ratio of its ends on a range of positive numbers is searched on a log scale."""
Sizes = Sequence[int | Literal["all"]]


@dataclass(frozen=True)
class Combination:
    """A configuration with its recipe, as far as its trials share it."""

    configuration: Configuration
    recipe: Recipe


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
        """Return a number that was drawn as a recipe gets it."""
        if self.whole:
            return int(value)
        return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)

    def samples(self) -> list[int | float]:
        """Return its ends and a number between them: a key of whole numbers takes 1.0 and 3.0, and not 1.74."""
        between = [] if self.whole else [self.rounded(self.low + (self.high - self.low) / math.e)]
        return [self.low, self.high, *between]


Value = str | int | float
Point = dict[str, Value]
"""Of each dimension the value."""


@dataclass(frozen=True)
class Grid:
    """Every dimension by its name, "recipe", "backbone" or the recipe key, and how a point becomes a recipe."""

    recipes: Mapping[str, str | Recipe]
    backbones: Sequence[str]
    values: Mapping[str, Mapping[str, str]]
    """Of every key with a list of values: by short text, the setting."""
    ranges: Mapping[str, Range]
    settings: Sequence[str]
    weights: Sequence[str]

    @property
    def dimensions(self) -> dict[str, list[str] | Range]:
        """Return for each what there is to choose."""
        choices: dict[str, list[str] | Range] = {RECIPE: list(self.recipes)}
        if self.backbones:
            choices[BACKBONE] = list(self.backbones)
        return choices | {key: list(values) for key, values in self.values.items()} | dict(self.ranges)

    @property
    def size(self) -> int | float:
        """Return how many configurations there are; infinite where a range is not of whole numbers."""
        return math.prod(
            len(one) if isinstance(one, list) else one.high - one.low + 1 if one.whole else math.inf
            for one in self.dimensions.values()
        )

    def points(self) -> Iterator[Point]:
        """Yield all of them, where there are finitely many."""
        every: list[Sequence[Value]] = [
            one if isinstance(one, list) else range(int(one.low), int(one.high) + 1)
            for one in self.dimensions.values()
        ]
        return (dict(zip(self.dimensions, chosen, strict=True)) for chosen in product(*every))

    def at(self, point: Mapping[str, Value]) -> Combination:
        """Return the configuration at a point. Raise RecipeError where its values do not go together."""
        name, backbone = str(point[RECIPE]), str(point[BACKBONE]) if point.get(BACKBONE) else None
        given = self.recipes[name]
        recipe = given if isinstance(given, Recipe) else Recipe.load(given)
        if backbone:
            recipe = recipe.with_settings([f"backbone.name={value_text(backbone.split('+'))}"])
        settings = [values[str(point[key])] for key, values in self.values.items()]
        settings += [f"{key}={point[key]}" for key in self.ranges]
        recipe = recipe.with_settings([*_weights(recipe, self.weights), *self.settings, *settings])
        if recipe.budget.minutes:
            raise RecipeError(
                "budget.minutes plans a training by how fast the machine is, so that two trials would not be of one "
                "recipe. Leave it out of a study; the recipe.toml of a run that was planned can be compared"
            )
        if recipe.backbone.precision == "int8":
            raise RecipeError(
                "backbone.precision = int8 is tried on the photos of each trial anew, so that two trials would not be "
                "of one recipe. Leave it out of a study"
            )
        configuration = Configuration(
            recipe=name,
            backbone=backbone if len(self.backbones) > 1 else None,
            settings={key: str(point[key]) for key in [*self.values, *self.ranges]},
        )
        return Combination(configuration, recipe)

    def combinations(self, sizes: Sizes = ()) -> list[Combination]:
        """Return every configuration, each with every number of training photos; "all" for as many as there are.

        Raise RecipeError where values do not fit or do not go together, or for a range, of which a search alone knows
        what to do.
        """
        for key, one in self.ranges.items():
            raise RecipeError(
                f"--grid {key}={one.low}..{one.high}: a range is for a search. Give --search N with it, or a list of "
                f"values: {key}=[V, W]"
            )
        _refuse_twice("number of photos", sizes)
        found = [self.at(point) for point in self.points()]
        return [_of_size(one, size) for one in found for size in sizes or ["all"]]

    def check(self) -> list[Combination]:
        """Raise RecipeError where there is nothing to search, or a value, or an end of a range, does not fit
        a recipe.

        Each is tried beside the first of everything else. What does not go together further inside is found when its
        turn comes, and fails alone.

        Returns:
            The configurations that were tried.
        """
        if self.size == 1:
            raise RecipeError(
                "there is one configuration, so there is nothing to search. Give several --recipes or --backbones, or "
                "values or a range of a key, such as --grid finetune.learning_rate=1e-5..1e-2"
            )
        tried = {
            name: one if isinstance(one, list) else one.samples() for name, one in self.dimensions.items()
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
            one = self.at(point)
            for key in self.ranges:
                _refuse_unless_number(key, one.recipe)
            found[one.configuration.name] = one
        return list(found.values())

    def to_json(self) -> JsonObject:
        """Return what tells this grid from another one."""
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


def read_grid(
    recipes: Sequence[str | Recipe],
    *,
    backbones: Sequence[str] = (),
    grid: Iterable[str] = (),
    settings: Sequence[str] = (),
    weights: Sequence[str] = (),
) -> Grid:
    """Return the grid that a user asks for.

    Args:
        recipes: names of shipped recipes, TOML files, or recipes.
        backbones: each recipe runs on each; `+` joins several into one network. By default the recipe's own.
            A single one is in no name, for it tells nothing apart.
        grid: `section.key=[value, value]`, values in TOML; or, for a search, a range `section.key=LOW..HIGH`: of whole
            numbers where both are written so, on a log scale where both are positive and HIGH is ten times LOW or more.
        settings: `section.key=value`, laid over all of them.
        weights: a file, or `backbone=file` for each.

    Raises:
        RecipeError: no recipe, a text that is neither a list nor a range, or something that is there twice.

    >>> read_grid(["quick"], grid=["finetune.learning_rate=1e-5..1e-2"]).ranges
    {'finetune.learning_rate': Range(low=1e-05, high=0.01)}
    >>> [one.configuration.name for one in read_grid(["quick"], grid=["finetune.epochs=[2, 4]"]).combinations()]
    ['quick, finetune.epochs=2', 'quick, finetune.epochs=4']
    """
    if not recipes:
        raise RecipeError("a study needs a recipe. Give --recipes NAME, or several with commas between them")
    named = [(given if isinstance(given, str) else "recipe", given) for given in recipes]
    _refuse_twice("recipe", [name for name, _ in named])
    _refuse_twice("backbone", backbones)
    values: dict[str, dict[str, str]] = {}
    ranges: dict[str, Range] = {}
    for text in grid:
        key = text.partition("=")[0].strip()
        _refuse_bad_key(key, [*values, *ranges])
        if (found := _parse_range(text)) is not None:
            ranges[key] = found
        else:
            pairs = _parse_list(text)
            _refuse_twice(key, [short for short, _ in pairs])
            values[key] = dict(pairs)
    return Grid(dict(named), list(backbones), values, ranges, list(settings), list(weights))


def parse_seeds(text: str) -> list[int]:
    """Return seeds from what a user writes: how many, or which.

    >>> parse_seeds("3"), parse_seeds("100-102"), parse_seeds("4,7")
    ([0, 1, 2], [100, 101, 102], [4, 7])
    """
    if re.fullmatch(r"\d+", text):
        seeds = list(range(int(text)))
    elif found := re.fullmatch(r"(\d+)-(\d+)", text):
        seeds = list(range(int(found[1]), int(found[2]) + 1))
    elif re.fullmatch(r"\d+(,\d+)+,?|\d+,", text):
        seeds = [int(one) for one in text.split(",") if one]
    else:
        seeds = []
    if not seeds or len(set(seeds)) < len(seeds):
        raise RecipeError(
            f"--seeds {text}: give how many (5), or which (100-104, or 3,7,9), each once and one at least"
        )
    return seeds


def parse_sizes(text: str) -> list[int | Literal["all"]]:
    """Return numbers of training photos from what a user writes.

    >>> parse_sizes("50,100,all")
    [50, 100, 'all']
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or any(part != "all" and not re.fullmatch(r"[1-9]\d*", part) for part in parts):
        raise RecipeError(
            f'--sizes {text}: give numbers of training photos, and "all", such as 50,100,200,all'
        )
    return ["all" if part == "all" else int(part) for part in parts]


def _of_size(one: Combination, size: int | Literal["all"]) -> Combination:
    if size == "all":
        return one
    return Combination(
        one.configuration.model_copy(update={"photos": size}),
        one.recipe.with_settings([f"data.train_photos={size}"]),
    )


def _refuse_twice(what: str, values: Sequence[Any]) -> None:
    for one in values:
        if values.count(one) > 1:
            raise RecipeError(f"the {what} `{one}` is in the study twice. Give each once")


def _refuse_bad_key(key: str, before: Sequence[str]) -> None:
    if key in before:
        raise RecipeError(f"--grid {key} is there twice. Give all its values in one list")
    if key in DIVIDES:
        raise RecipeError(
            f"--grid {key}: its values would be measured on different photos, which cannot say which is better. "
            f"Give --set {key}=VALUE for all, or a study for each"
        )


def _refuse_unless_number(key: str, recipe: Recipe) -> None:
    value: Any = recipe.model_dump()
    for part in key.split("."):
        value = value[part]
    # A flag takes 0 and 1 too.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RecipeError(
            f"--grid {key}: its values are no numbers, so it has no range. Give a list: {key}=[V, W]"
        )


def _parse_range(text: str) -> Range | None:
    """Return the range in `section.key=LOW..HIGH`; None where the text is a list, or nothing of the kind."""
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


def _parse_list(text: str) -> list[tuple[str, str]]:
    """Return for every value a short text and the setting. Raise RecipeError where the text is no list of values."""
    key, equals, values = text.partition("=")
    try:
        parsed = tomllib.loads(f"values = {values}")["values"]
    except tomllib.TOMLDecodeError:
        parsed = None
    if not equals or not isinstance(parsed, list):
        raise RecipeError(
            f"--grid {text}: expected section.key=[value, value] with values in TOML, "
            "such as finetune.learning_rate=[1e-4, 3e-4]"
        )
    if not parsed:
        raise RecipeError(f"--grid {text}: the list is empty. Give a value or more, or leave out the grid")
    return [
        (
            value if isinstance(value, str) else value_text(value).replace('"', ""),
            f"{key.strip()}={value_text(value)}",
        )
        for value in parsed
    ]


def _weights(recipe: Recipe, weights: Sequence[str]) -> list[str]:
    if not weights:
        return []
    own = recipe.backbone.names
    by_name: dict[str, str] = {}
    for text in weights:
        name, equals, file = text.partition("=")
        if equals and "/" not in name:
            by_name[name] = file
        elif len(own) == 1:
            by_name.setdefault(own[0], text)
        else:
            raise RecipeError(f"--weights {text}: say whose file it is: --weights {own[0]}={text}")
    given = {name: file for name, file in by_name.items() if name in own}
    return [f"backbone.weights={value_text(given)}"] if given else []
