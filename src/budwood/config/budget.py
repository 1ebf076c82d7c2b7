"""Section [budget] of a recipe: the time that a training may take."""

from typing import Annotated, Any

from pydantic import Field, field_validator

from budwood.config.section import Section

PLANNED = ("frozen.epochs", "finetune.epochs")
"""Keys that may not be given beside minutes: the time decides how many epochs are done, at most those of the recipe."""
MOST_MINUTES = 100_000
"""The longest limit, some ten weeks."""


class Budget(Section):
    """The time that a training may take."""

    minutes: Annotated[float, Field(gt=0.0, le=MOST_MINUTES)] | None = None
    """Minutes from the command to the report. What fits is planned from what this machine does in the first seconds:
    how many views and epochs, at most those of the recipe, and whether there is a phase 2; where backbone, sizes and
    settings are those of `auto`, also the backbones and their sizes. The recipe that the run keeps is the plan. Left
    out: as long as the recipe takes."""

    @field_validator("minutes", mode="before")
    @classmethod
    def _says_what_is_possible(cls, minutes: Any) -> Any:
        """Refuse numbers out of range in words that name the option. Other values are refused by their type."""
        if isinstance(minutes, bool):
            raise ValueError(f"minutes (--minutes) have to be a number, and got {str(minutes).lower()}")
        if isinstance(minutes, int | float) and not 0 < minutes <= MOST_MINUTES:
            raise ValueError(
                f"minutes (--minutes) have to be more than 0 and at most {MOST_MINUTES:,}; a training of a few "
                "photos takes ten seconds to a minute"
            )
        return minutes
