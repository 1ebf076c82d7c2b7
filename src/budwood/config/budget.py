"""Section [budget] of a recipe: the time that a training may take."""

from typing import Annotated

from pydantic import Field

from budwood.config.section import Section

PLANNED = ("frozen.epochs", "finetune.epochs")
"""Keys that a plan decides."""


class Budget(Section):
    """The time that a training may take."""

    minutes: Annotated[float, Field(gt=0.0, le=100_000.0)] | None = None
    """Minutes from the command to the report. What fits is planned from what this machine does in the first seconds:
    how many views and epochs, at most those of the recipe, and whether there is a phase 2; where backbone, sizes and
    settings are those of `auto`, also the backbones and their sizes. The recipe that the run keeps is the plan. Left
    out: as long as the recipe takes."""
