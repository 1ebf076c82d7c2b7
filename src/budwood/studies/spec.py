"""A trial as plain values: what is asked for, and what came of it, wherever it runs."""

from dataclasses import dataclass
from pathlib import Path

from budwood.config.recipe import Recipe
from budwood.core.errors import BudwoodError
from budwood.runs.files import read_run
from budwood.studies.figure import ACCURACY, FIGURES, Figure
from budwood.studies.records import TrialFolder, TrialKind


@dataclass(frozen=True)
class TrialSpec:
    """What a trial needs to know, wherever it runs: plain values that can be pickled."""

    study: Path
    """The study's directory, with photos.jsonl, features.json and, for what is planned, trials/NAME.json."""
    data: str
    """The source of the photos."""
    name: str
    kind: TrialKind
    recipe: Recipe
    keep_model: bool = False

    @property
    def folder(self) -> TrialFolder:
        return TrialFolder(self.study, self.name)


@dataclass(frozen=True)
class Figures:
    """What was measured on validation photos."""

    photos: int
    value: float | None
    """Accuracy, or of several labels mean average precision; None where no label can be measured."""
    loss: float
    figure: Figure = ACCURACY


@dataclass(frozen=True)
class TrialResult:
    """What came of a trial."""

    name: str
    seconds: float | None = None
    error: str | None = None
    """None of one that is complete."""
    validation: Figures | None = None
    """None of one that failed."""


def read_result(folder: TrialFolder) -> TrialResult:
    """Return what the files of a trial say of it; an error where they say nothing."""
    record = folder.read()
    if record is None or record.state == "planned":
        return TrialResult(folder.name, error="it has not come to its end")
    if record.state == "failed":
        return TrialResult(folder.name, record.seconds, error=record.error or "it failed")
    try:
        run = read_run(folder.run)
        found = run.metrics.figures_of("validation")
    except BudwoodError as error:
        return TrialResult(folder.name, record.seconds, error=str(error))
    if found is None:
        return TrialResult(folder.name, record.seconds, error="it has no validation photos to choose by")
    figure = FIGURES[run.info.task]
    measured = Figures(found.n, found.figure(figure.key)[0], found.loss, figure)
    return TrialResult(folder.name, record.seconds, validation=measured)
