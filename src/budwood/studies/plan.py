"""Which trials a study consists of: every combination of recipe, backbone, grid value, number of photos and seed."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

from budwood.config.recipe import Recipe
from budwood.core.errors import RecipeError
from budwood.data.manifest import Photo
from budwood.data.split import SPLITS

DIVIDES = {"split_seed", "data.split", "data.folds", "data.fold", "data.max_unreadable", "evaluate.test"}
"""Recipe keys that decide on which photos a trial is measured."""

ReplicateKind = Literal["split", "fold", "seed"]
"""What is different between the trials of one configuration: who is in which split, which fold is held out, or, where
the data bring all three splits, the seed of the training."""


@dataclass(frozen=True)
class Configuration:
    """One of the things that a study compares."""

    name: str
    recipe: Recipe
    photos: int | None = None
    """Training photos that it learns from, where the study asks for several numbers of them."""


@dataclass(frozen=True)
class Trial:
    """One training of a study."""

    name: str
    """Of its folder; of the same configuration and replicate it is the same in every study."""
    configuration: str
    replicate: str
    """"split 3", "fold 2 of 5" or "seed 0": trials of one replicate learn from and are measured on the same photos."""
    recipe: Recipe
    """Complete: `budwood train` with it does what the trial does."""


def configurations(
    recipes: Sequence[str | Recipe],
    *,
    backbones: Sequence[str] = (),
    grid: Iterable[str] = (),
    sizes: Sequence[int | Literal["all"]] = (),
    settings: Sequence[str] = (),
    weights: Sequence[str] = (),
) -> list[Configuration]:
    """Every combination, named by what differs.

    Args:
        recipes: names of shipped recipes, TOML files, or recipes.
        backbones: each recipe runs on each; `+` joins several that stand side by side. By default the recipe's own.
            A single one is in no name, for it tells nothing apart.
        grid: `section.key=[value, value]`, values in TOML; of several, every combination.
        sizes: numbers of training photos, "all" for as many as there are.
        settings: `section.key=value`, laid over all of them.
        weights: a file, or `backbone=file` for each.

    Raises:
        RecipeError: an unknown recipe or key, an empty grid, a value that does not fit, or two alike.

    >>> [one.name for one in configurations(["quick"], grid=["finetune.epochs=[2, 4]"])]
    ['quick, finetune.epochs=2', 'quick, finetune.epochs=4']
    """
    refuse_no_recipe(recipes)
    grid = list(grid)
    refuse_bad_keys([text.partition("=")[0].strip() for text in grid])
    values = [parse_grid(text) for text in grid]
    found: list[Configuration] = []
    for given in recipes:
        for backbone in [*backbones] or [""]:
            for chosen in product(*values):
                name, recipe = combine(
                    given,
                    backbone,
                    chosen,
                    settings=settings,
                    weights=weights,
                    name_backbone=len(backbones) > 1,
                )
                for size in sizes or ["all"]:
                    found.append(_of_size(name, recipe, size))
    names = [(one.name, one.photos) for one in found]
    for one in found:
        if names.count((one.name, one.photos)) > 1:
            raise RecipeError(
                f"`{one.name}` is in the study twice. Give each recipe, backbone and value once"
            )
    return found


def combine(
    given: str | Recipe,
    backbone: str,
    chosen: Iterable[tuple[str, str]],
    *,
    settings: Sequence[str],
    weights: Sequence[str],
    name_backbone: bool,
) -> tuple[str, Recipe]:
    """One combination: its name, and its recipe.

    Args:
        given: the recipe; settings, weights, name_backbone: what is laid over it, and whether the backbone is named.
        backbone: "" for the recipe's own.
        chosen: of every value of the grid a short name and the setting.
    """
    recipe = given if isinstance(given, Recipe) else Recipe.load(given)
    if backbone:
        recipe = recipe.with_settings([f"backbone.name={_toml(backbone.split('+'))}"])
    chosen = list(chosen)
    recipe = recipe.with_settings(
        [*_weights(recipe, weights), *settings, *(setting for _, setting in chosen)]
    )
    words = [label(given), *([backbone] if backbone and name_backbone else [])]
    return ", ".join([*words, *(short for short, _ in chosen)]), recipe


def label(given: str | Recipe) -> str:
    """How a study names a recipe."""
    return given if isinstance(given, str) else "recipe"


def _of_size(name: str, recipe: Recipe, size: int | Literal["all"]) -> Configuration:
    if size == "all":
        return Configuration(name, recipe)
    return Configuration(name, recipe.with_settings([f"data.train_photos={size}"]), size)


def plan(
    given: Sequence[Configuration],
    photos: Sequence[Photo],
    *,
    seeds: Sequence[int] = range(5),
    folds: int = 0,
) -> tuple[list[Trial], ReplicateKind]:
    """The trials, all configurations of one replicate before the next replicate, and what varies between replicates.

    Args:
        given: what is compared.
        photos: of the source, with the splits that it brings.
        seeds: of the splits, or of the training where all splits are given.
        folds: each photo is held out once, in one of so many trials, for each seed; 0 for repeated random splits.

    Raises:
        RecipeError: folds where the data bring all splits.
    """
    brought = {photo.split for photo in photos}
    replicate_kind: ReplicateKind = "fold" if folds else "seed" if brought >= set(SPLITS) else "split"
    if folds and brought >= set(SPLITS):
        raise RecipeError(
            "the data bring train, validation and test, so there is nothing to divide into folds. Leave out --folds"
        )
    trials = []
    held_out: list[int | None] = [*range(folds)] if folds else [None]
    for seed, fold in product(seeds, held_out):
        for one in given:
            settings = [f"{'seed' if replicate_kind == 'seed' else 'split_seed'}={seed}"]
            replicate = f"{replicate_kind} {seed}"
            if fold is not None:
                settings += [f"data.folds={folds}", f"data.fold={fold}"]
                replicate = f"fold {fold + 1} of {folds}" + (f", split {seed}" if len(seeds) > 1 else "")
            amount = f", {one.photos} photos" if one.photos else ""
            name = f"{one.name}{amount}"
            trials.append(
                Trial(folder_name(f"{name} {replicate}"), name, replicate, one.recipe.with_settings(settings))
            )
    return _distinct(trials), replicate_kind


def parse_seeds(text: str) -> list[int]:
    """Seeds as a user writes them: how many, or which.

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
    """Numbers of training photos as a user writes them.

    >>> parse_sizes("50,100,all")
    [50, 100, 'all']
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or any(part != "all" and not re.fullmatch(r"[1-9]\d*", part) for part in parts):
        raise RecipeError(
            f'--sizes {text}: give numbers of training photos, and "all", such as 50,100,200,all'
        )
    return ["all" if part == "all" else int(part) for part in parts]


def refuse_no_recipe(recipes: Sequence[str | Recipe]) -> None:
    if not recipes:
        raise RecipeError("a study needs a recipe. Give --recipes NAME, or several with commas between them")


def refuse_bad_keys(keys: Sequence[str]) -> None:
    for key in keys:
        if keys.count(key) > 1:
            raise RecipeError(f"--grid {key} is there twice. Give all its values in one list")
        if key in DIVIDES:
            raise RecipeError(
                f"--grid {key}: its values would be measured on different photos, which cannot say which is better. "
                f"Give --set {key}=VALUE for all, or a study for each"
            )


def parse_grid(text: str) -> list[tuple[str, str]]:
    """For every value a short name and the setting. Raises RecipeError where the text is no list of values."""
    key, equals, values = text.partition("=")
    try:
        parsed = tomllib.loads(f"values = {values}")["values"]
    except tomllib.TOMLDecodeError:
        parsed = None
    if equals and parsed is None and ".." in values and "[" not in values:
        raise RecipeError(
            f"--grid {text}: a range is for a search. Give --search N with it, or a list of values: {key}=[V, W]"
        )
    if not equals or not isinstance(parsed, list):
        raise RecipeError(
            f"--grid {text}: expected section.key=[value, value] with values in TOML, "
            "such as finetune.learning_rate=[1e-4, 3e-4]"
        )
    if not parsed:
        raise RecipeError(f"--grid {text}: the list is empty. Give a value or more, or leave out the grid")
    return [(f"{key.strip()}={_short(value)}", f"{key.strip()}={_toml(value)}") for value in parsed]


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
    return [f"backbone.weights={_toml(given)}"] if given else []


def _short(value: Any) -> str:
    return value if isinstance(value, str) else _toml(value).replace('"', "")


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return str(value)


def folder_name(name: str) -> str:
    """A name that every file system takes."""
    return re.sub(r"[^A-Za-z0-9_.@+=-]+", "-", name).strip("-.")[:120]


def _distinct(trials: list[Trial]) -> list[Trial]:
    seen: dict[str, int] = {}
    distinct = []
    for trial in trials:
        number = seen[trial.name] = seen.get(trial.name, 0) + 1
        distinct.append(trial if number == 1 else replace(trial, name=f"{trial.name}-{number}"))
    return distinct
