"""One trial: what is asked for, what came of it, and the doing of it in this process.

python -m budwood.studies.trial     for a pickled `TrialSpec` and the cores to keep to, on standard input
"""

import pickle
import shutil
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from budwood.config.recipe import Recipe
from budwood.core.errors import BudwoodError
from budwood.core.progress.base import SILENT
from budwood.core.tensorflow import load_keras
from budwood.runs.files import mark_unsaved, read_info, read_run
from budwood.studies.processes import die_with_parent, stay_on
from budwood.studies.records import TrialFolder, TrialKind

MODELS = ("model", "checkpoints", "logs")
"""What of a run directory a study keeps only where it is asked to."""


@dataclass(frozen=True)
class TrialSpec:
    """What a trial needs to know, wherever it runs: plain values that can be pickled."""

    study: Path
    """The study's directory, with photos.json, features.json and, for what is planned, trials/NAME.json."""
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
    accuracy: float
    loss: float


@dataclass(frozen=True)
class TrialResult:
    """What came of a trial."""

    name: str
    seconds: float | None = None
    error: str | None = None
    """None of one that is complete."""
    validation: Figures | None = None
    """None of one that failed."""


def execute(spec: TrialSpec) -> TrialResult:
    """Do a trial in this process, and write down what came of it: an error is a result, not an exception."""
    started = time.perf_counter()
    try:
        if spec.kind == "linear":
            # Here, for a training has no use for it, nor this one for Keras.
            from budwood.studies.linear_trial import fit_and_evaluate

            fit_and_evaluate(spec)
        else:
            train(spec)
    except Exception as error:
        words = str(error)
        if not isinstance(error, BudwoodError):
            words = f"unexpected {type(error).__name__}: {error}"
            traceback.print_exc()
        spec.folder.update(state="failed", error=words, seconds=round(time.perf_counter() - started, 3))
    else:
        spec.folder.update(state="complete", error=None, seconds=round(time.perf_counter() - started, 3))
    return read_result(spec.folder)


def train(spec: TrialSpec) -> None:
    """Do the trial as `budwood train` does it."""
    load_keras()
    # Here, for linear trials know this module too and load no Keras.
    from budwood.pipeline.train import train as train_on

    run = spec.folder.run
    state = read_info(run).state if (run / "run.json").is_file() else None
    # A study may have been killed after the training and before its outcome was written down.
    if state != "complete":
        command = f"budwood train DATA --recipe {run / 'recipe.toml'}"
        train_on(
            spec.data, run, recipe=spec.recipe, resume=state is not None, progress=SILENT, command=command
        )
    if not spec.keep_model:
        for name in MODELS:
            shutil.rmtree(run / name, ignore_errors=True)
        mark_unsaved(run)


def read_result(folder: TrialFolder) -> TrialResult:
    """Return what the files of a trial say of it; an error where they say nothing."""
    record = folder.read()
    if record is None or record.state == "planned":
        return TrialResult(folder.name, error="it has not come to its end")
    if record.state == "failed":
        return TrialResult(folder.name, record.seconds, error=record.error or "it failed")
    try:
        found = read_run(folder.run).metrics.validation
    except BudwoodError as error:
        return TrialResult(folder.name, record.seconds, error=str(error))
    if found is None:
        return TrialResult(folder.name, record.seconds, error="it has no validation photos to choose by")
    return TrialResult(folder.name, record.seconds, validation=Figures(found.n, found.accuracy, found.loss))


def main() -> None:
    """Do one trial in this process."""
    spec, cores = pickle.load(sys.stdin.buffer)
    die_with_parent()
    stay_on(cores)
    execute(spec)


if __name__ == "__main__":
    main()
