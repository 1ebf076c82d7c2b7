"""The trials of a study: every configuration on every split, fold or seed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from budwood.config.recipe import Recipe
from budwood.core.errors import RecipeError
from budwood.data.manifest import SPLITS, Photo
from budwood.studies.grid import Combination
from budwood.studies.records import Configuration, ReplicateKind


@dataclass(frozen=True)
class Trial:
    """One training of a study."""

    name: str
    """Of its folder; of the same configuration and replicate it is the same in every study."""
    configuration: Configuration
    replicate: str
    """"split 3", "fold 2 of 5" or "seed 0": trials of one replicate learn from and are measured on the same photos."""
    recipe: Recipe
    """Complete: `budwood train` with it does what the trial does."""


def plan_trials(
    given: Sequence[Combination],
    photos: Sequence[Photo],
    *,
    seeds: Sequence[int] = range(5),
    folds: int = 0,
) -> tuple[list[Trial], ReplicateKind]:
    """Return the trials, all configurations of one replicate before the next, and what differs between replicates.

    Args:
        given: what is compared.
        photos: of the source, with the splits that it brings.
        seeds: of the splits, or of the training where all splits are given.
        folds: each photo is held out once, in one of so many trials, for each seed; 0 for repeated random splits.

    Raises:
        RecipeError: folds where the data bring all splits.
    """
    brought = {photo.split for photo in photos}
    kind: ReplicateKind = "fold" if folds else "seed" if brought >= set(SPLITS) else "split"
    if folds and brought >= set(SPLITS):
        raise RecipeError(
            "the data bring train, validation and test, so there is nothing to divide into folds. Leave out --folds"
        )
    trials = []
    held_out: list[int | None] = [*range(folds)] if folds else [None]
    for seed, fold in product(seeds, held_out):
        settings = [f"{'seed' if kind == 'seed' else 'split_seed'}={seed}"]
        replicate = f"{kind} {seed}"
        if fold is not None:
            settings += [f"data.folds={folds}", f"data.fold={fold}"]
            replicate = f"fold {fold + 1} of {folds}" + (f", split {seed}" if len(seeds) > 1 else "")
        for one in given:
            name = folder_name(f"{one.configuration.name} {replicate}")
            trials.append(Trial(name, one.configuration, replicate, one.recipe.with_settings(settings)))
    return _distinct(trials), kind


def folder_name(name: str) -> str:
    """Return a name that every file system takes."""
    return re.sub(r"[^A-Za-z0-9_.@+=-]+", "-", name).strip("-.")[:120]


def _distinct(trials: list[Trial]) -> list[Trial]:
    seen: dict[str, int] = {}
    distinct = []
    for trial in trials:
        number = seen[trial.name] = seen.get(trial.name, 0) + 1
        distinct.append(trial if number == 1 else replace(trial, name=f"{trial.name}-{number}"))
    return distinct
