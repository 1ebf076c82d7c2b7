"""Does one trial in this process.

python -m budwood.studies.trial     for a pickled `TrialSpec` and the cores to keep to, on standard input
"""

import pickle
import shutil
import sys
import time
import traceback

from budwood.core.errors import BudwoodError
from budwood.core.garbage import freeze_imports
from budwood.core.processes import die_with_parent
from budwood.core.progress.base import SILENT
from budwood.runs.info import read_info
from budwood.runs.writing import mark_unsaved
from budwood.studies.linear_trial import fit_and_evaluate
from budwood.studies.processes import stay_on
from budwood.studies.spec import TrialResult, TrialSpec, read_result

MODELS = ("model", "checkpoints", "logs")
"""What of a run directory a study keeps only where it is asked to."""


def execute(spec: TrialSpec) -> TrialResult:
    """Do a trial in this process, and write down what came of it: an error is a result, not an exception."""
    started = time.perf_counter()
    try:
        if spec.kind == "linear":
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
    # Here, for linear trials know this module too and need nothing of it.
    from budwood.pipeline.entry import train as train_on

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
        if read_info(run).saved:
            mark_unsaved(run)


def main() -> None:
    """Do one trial in this process."""
    spec, cores = pickle.load(sys.stdin.buffer)
    die_with_parent()
    freeze_imports()
    stay_on(cores)
    execute(spec)


if __name__ == "__main__":
    main()
