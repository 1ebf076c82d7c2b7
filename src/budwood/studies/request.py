"""A study that is asked for."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from budwood.config.recipe import Recipe
from budwood.studies.grid import Grid, Sizes, read_grid


@dataclass(frozen=True, kw_only=True)
class StudyRequest:
    """What a study is of, and where it is to be written; `studies.study.study` says what each is."""

    data: str | os.PathLike
    output: str | os.PathLike
    recipes: Sequence[str | Recipe]
    backbones: Sequence[str] = ()
    grid: Sequence[str] = ()
    sizes: Sizes = ()
    seeds: Sequence[int] = field(default_factory=lambda: range(5))
    folds: int = 0
    search: int | None = None
    settings: Sequence[str] = ()
    weights: Sequence[str] = ()
    test: bool = True
    keep_models: bool = False
    overwrite: bool = False
    resume: bool = False

    @property
    def folder(self) -> Path:
        """Return the directory of the study."""
        return Path(self.output)

    @property
    def goes_on(self) -> bool:
        """Return whether an earlier study is gone on with."""
        return self.resume and not self.overwrite

    def read_grid(self) -> Grid:
        """Return what is compared. Raise RecipeError."""
        # A search opens no test split, whatever the recipe says.
        no_test = [] if self.test and self.search is None else ["evaluate.test=false"]
        return read_grid(
            self.recipes,
            backbones=self.backbones,
            grid=self.grid,
            settings=[*self.settings, *no_test],
            weights=self.weights,
        )
