"""One trial on disk: what is to be done, what came of it, and the process that does it.

trials/NAME.json   configuration, replicate, recipe, state ("planned", "complete", "failed"), seconds, error
trials/NAME/       the run directory
"""

import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from budwood.config.recipe import Recipe
from budwood.core.errors import BudwoodError
from budwood.core.files import read_json, write_json
from budwood.core.progress.base import SILENT
from budwood.core.tensorflow import load_keras
from budwood.studies.plan import Trial

MODELS = ("model", "checkpoints", "logs")
"""What of a run directory a study keeps only where it is asked to."""


@dataclass(frozen=True)
class Place:
    """Where a trial lies."""

    study: Path
    name: str

    @property
    def spec(self) -> Path:
        return self.study / "trials" / f"{self.name}.json"

    @property
    def run(self) -> Path:
        return self.study / "trials" / self.name

    def write(self, trial: Trial, kind: str) -> None:
        """What is to be done."""
        write_json(
            self.spec,
            {
                "configuration": trial.configuration,
                "replicate": trial.replicate,
                "kind": kind,
                "recipe": trial.recipe.model_dump(mode="json", exclude_none=True),
                "state": "planned",
                "seconds": None,
                "error": None,
            },
        )

    def read(self) -> dict[str, Any]:
        """What was to be done, and what came of it; empty where nothing can be read."""
        try:
            found = read_json(self.spec)
            return found if isinstance(found, dict) else {}
        except (OSError, ValueError):
            return {}

    def update(self, **changes: Any) -> None:
        write_json(self.spec, {**self.read(), **changes})


@contextmanager
def outcome(place: Place) -> Iterator[None]:
    """Writes down whether what is done in the block came to an end, and in how many seconds."""
    started = time.perf_counter()
    try:
        yield
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        known = isinstance(error, BudwoodError)
        words = str(error) if known else f"unexpected {type(error).__name__}: {error}"
        if not known:
            traceback.print_exc()
        place.update(state="failed", error=words, seconds=round(time.perf_counter() - started, 3))
    else:
        place.update(state="complete", error=None, seconds=round(time.perf_counter() - started, 3))


def die_with_parent() -> None:
    """A study that is killed must not leave trainings behind: they would still hold their directories."""
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def stay_on(cores: list[int]) -> None:
    """Keeps this process, and every thread that it will start, on some of the cores, where the system can."""
    if cores and hasattr(os, "sched_setaffinity"):
        with suppress(OSError):
            os.sched_setaffinity(0, cores)


def train_fully(data: str, place: Place, *, keep_models: bool) -> None:
    """The trial as `budwood train` does it."""
    load_keras()
    # Here, for linear trials know this module too and load no Keras.
    from budwood.pipeline.train import train
    from budwood.runs.files import mark_unsaved, read_info

    recipe = Recipe.from_dict(place.read()["recipe"])
    state = read_info(place.run).state if (place.run / "run.json").is_file() else None
    # A study may have been killed after the training and before its outcome was written down.
    if state != "complete":
        command = f"budwood train DATA --recipe {place.run / 'recipe.toml'}"
        train(data, place.run, recipe=recipe, resume=state is not None, progress=SILENT, command=command)
    if not keep_models:
        for name in MODELS:
            shutil.rmtree(place.run / name, ignore_errors=True)
        mark_unsaved(place.run)


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """For a process of a trial: none of TensorFlow's chatter."""
    return {**base, "TF_CPP_MIN_LOG_LEVEL": base.get("TF_CPP_MIN_LOG_LEVEL", "3")}


def main() -> None:
    """`python -m budwood.studies.trial DATA STUDY NAME CORES KEEP`: one trial, in this process."""
    data, study, name, cores, keep = sys.argv[1:]
    die_with_parent()
    stay_on([int(core) for core in cores.split(",") if core])
    place = Place(Path(study), name)
    with outcome(place):
        train_fully(data, place, keep_models=keep == "keep")


if __name__ == "__main__":
    main()
