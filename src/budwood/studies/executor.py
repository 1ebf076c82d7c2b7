"""Runs trials side by side, each in a process of its own on cores of its own."""

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from budwood.core.progress.base import Progress
from budwood.core.system import num_cores, usable_cores
from budwood.runs.files import read_run
from budwood.studies import linear_trial as light
from budwood.studies.plan import Trial
from budwood.studies.progress_table import Board
from budwood.studies.trial import Place, environment

POLL_SECONDS = 0.05


@runtime_checkable
class _Process(Protocol):
    def poll(self) -> int | None: ...

    def terminate(self) -> None: ...

    def wait(self) -> int | None: ...


Todo = tuple[Trial, str]
"""A trial, and whether it is "light" or "full"."""
After = Callable[[Trial], Sequence[Todo]]


@dataclass(frozen=True)
class _Running:
    trial: Trial
    process: _Process
    slot: int
    group: str


class Pool:
    """Trials at a time, as many as `jobs`, the cores shared out between them.

    Trials that share a frozen part: one goes ahead and computes its features, the others wait for it, and find them.
    Linear trials, whose features are there, use one core each and wait for nobody.
    """

    def __init__(self, data: str, study: Path, jobs: int | None, keep_models: bool, progress: Progress):
        self.data, self.study, self.keep_models, self.progress = data, study, keep_models, progress
        self.cores = usable_cores()
        self.jobs = jobs
        self.warm: set[str] = set()
        """Groups whose features have been computed once."""

    def run(self, todo: Sequence[Todo]) -> None:
        """All of them; what came of each lies in its file."""
        light_ones = [one for one in todo if one[1] == "light"]
        full_ones = [one for one in todo if one[1] == "full"]
        with Board([trial for trial, _ in todo], self.progress) as board:
            self.follow(light_ones, board, self.jobs or num_cores())
            self.follow(full_ones, board, self.jobs or max(1, num_cores() // 2))

    def follow(self, todo: Sequence[Todo], board: Board, jobs: int, after: After = lambda trial: []) -> None:
        """So many at a time, and what `after` says is to be done once a trial has ended."""
        waiting = list(todo)
        running: list[_Running] = []
        slots = [self.cores[number::jobs] for number in range(jobs)]
        try:
            while waiting or running:
                for slot in sorted(set(range(jobs)) - {one.slot for one in running}):
                    found = next((one for one in waiting if self._may_start(one[0], running)), None)
                    if found is None:
                        break
                    waiting.remove(found)
                    trial, kind = found
                    start = self._start_light if kind == "light" else self._start_full
                    group = "" if kind == "light" else _group(trial)
                    running.append(_Running(trial, start(trial, slots[slot]), slot, group))
                    board.start(trial)
                done = [one for one in running if one.process.poll() is not None]
                for one in done:
                    running.remove(one)
                    self.warm.add(one.group)
                    self._tell(one, board)
                    waiting += after(one.trial)
                if not done:
                    time.sleep(POLL_SECONDS)
        except BaseException:
            for one in running:
                one.process.terminate()
            for one in running:
                one.process.wait()
            raise

    def _may_start(self, trial: Trial, running: list[_Running]) -> bool:
        group = _group(trial)
        return group in self.warm or all(one.group != group for one in running)

    def _start_full(self, trial: Trial, cores: list[int]) -> _Process:
        place = Place(self.study, trial.name)
        log = place.spec.with_suffix(".log").open("wb")
        arguments = [self.data, os.fspath(self.study), trial.name, ",".join(map(str, cores))]
        arguments.append("keep" if self.keep_models else "tidy")
        with log:
            return subprocess.Popen(
                [sys.executable, "-m", "budwood.studies.trial", *arguments],
                env=environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _start_light(self, trial: Trial, cores: list[int]) -> _Process:
        # A server without Keras, of which every trial is a copy: it has NumPy and scikit-learn loaded.
        context: Any = multiprocessing.get_context("forkserver" if sys.platform != "win32" else "spawn")
        if sys.platform != "win32":
            context.set_forkserver_preload(
                ["budwood.studies.linear_trial", "sklearn.linear_model", "sklearn.metrics"]
            )
        settings = {key: value for key, value in os.environ.items() if key.startswith("BUDWOOD_")}
        process = context.Process(target=light.run, args=(os.fspath(self.study), trial.name, cores, settings))
        process.start()
        return _Child(process)

    def _tell(self, one: _Running, board: Board) -> None:
        place = Place(self.study, one.trial.name)
        if place.read().get("state") == "planned":
            # It had no chance to say so itself.
            status = one.process.poll() or 0
            place.update(
                state="failed",
                error=f"its process ended with {'signal' if status < 0 else 'status'} {abs(status)}",
            )
        found = place.read()
        if found.get("state") == "complete":
            measured = read_run(place.run).metrics.validation
            assert measured is not None, "every trial is chosen by its validation photos"
            board.complete(one.trial, measured.n, measured.accuracy, found["seconds"])
        else:
            board.fail(one.trial, str(found.get("error")))


class _Child:
    """A process of `multiprocessing` with the face of `subprocess.Popen`."""

    def __init__(self, process):
        self.process = process

    def poll(self) -> int | None:
        return None if self.process.is_alive() else self.process.exitcode

    def terminate(self) -> None:
        self.process.terminate()

    def wait(self) -> int | None:
        self.process.join()
        return self.process.exitcode


def _group(trial: Trial) -> str:
    """Equal for trials that share features."""
    recipe = trial.recipe
    finetune = (recipe.finetune.unfreeze, recipe.augment, recipe.seed) if recipe.finetune.epochs else None
    return repr((recipe.backbone, recipe.data.size, recipe.data.resize, recipe.head.pooling, finetune))
