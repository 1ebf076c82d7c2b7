"""A study that has been thought through."""

from dataclasses import dataclass

from budwood.data.check import Check
from budwood.studies.grid import Grid
from budwood.studies.records import SINGLE_LABEL, ReplicateKind
from budwood.studies.request import StudyRequest
from budwood.studies.trials import Trial


@dataclass(frozen=True)
class StudyPlan:
    """A study of which nothing has been computed."""

    request: StudyRequest
    grid: Grid
    checked: Check
    trials: list[Trial]
    """Of a search those of what was tried of the grid, for nobody knows yet what it will ask for."""
    replicate_kind: ReplicateKind
    task: str = SINGLE_LABEL
    """What an answer is, as the photos say it."""

    @property
    def search(self) -> int | None:
        """Return the configurations of a search at most; None for every combination."""
        return self.request.search
