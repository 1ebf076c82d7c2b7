"""Runs trials side by side, each in a process of its own on cores of its own."""

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from budwood.progress import Progress
from budwood.report.words import duration, percent
from budwood.studies import light
from budwood.studies.plan import Trial
from budwood.studies.trial import Place, environment

POLL_SECONDS = 0.05


@runtime_checkable
class _Process(Protocol):
    def poll(self) -> int | None: ...

    def terminate(self) -> None: ...

    def wait(self) -> int | None: ...


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
        self.cores = cores_here()
        self.jobs = jobs
        self.warm: set[str] = set()
        """Groups whose features have been computed once."""

    def run(self, todo: Sequence[tuple[Trial, str]]) -> None:
        """All of them; what came of each lies in its file."""
        light_ones = [trial for trial, kind in todo if kind == "light"]
        full_ones = [trial for trial, kind in todo if kind == "full"]
        with self.progress.stage("trials", total=len(todo), unit="trials") as stage:
            self._run(light_ones, self.jobs or len(self.cores), self._start_light, stage)
            self._run(full_ones, self.jobs or max(1, len(self.cores) // 2), self._start_full, stage)

    def _run(self, trials: list[Trial], jobs: int, start, stage) -> None:
        waiting: list[Trial] = list(trials)
        running: list[_Running] = []
        slots = [self.cores[number::jobs] for number in range(jobs)]
        try:
            while waiting or running:
                free = [slot for slot in range(jobs) if slot not in {one.slot for one in running}]
                for slot in free:
                    trial = next((one for one in waiting if self._may_start(one, running)), None)
                    if trial is None:
                        break
                    waiting.remove(trial)
                    group = "" if start == self._start_light else _group(trial)
                    running.append(_Running(trial, start(trial, slots[slot]), slot, group))
                done = [one for one in running if one.process.poll() is not None]
                for one in done:
                    running.remove(one)
                    self.warm.add(one.group)
                    self._tell(one)
                    stage.advance()
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
                ["budwood.studies.light", "sklearn.linear_model", "sklearn.metrics"]
            )
        settings = {key: value for key, value in os.environ.items() if key.startswith("BUDWOOD_")}
        process = context.Process(target=light.run, args=(os.fspath(self.study), trial.name, cores, settings))
        process.start()
        return _Child(process)

    def _tell(self, one: _Running) -> None:
        place = Place(self.study, one.trial.name)
        found = place.read()
        if found.get("state") == "planned":
            status = one.process.poll()
            why = f"its process ended with {'signal' if (status or 0) < 0 else 'status'} {abs(status or 0)}"
            place.update(state="failed", error=why)
            found = place.read()
        name = f"{one.trial.configuration}, {one.trial.unit}"
        if found.get("state") == "complete":
            from budwood.studies.results import validation_of

            n, accuracy = validation_of(place.run)
            self.progress.say(
                f"{name}: {percent(accuracy)} of {n:,} validation photos, {duration(found['seconds'])}".replace(
                    "\u00a0", " "
                )
            )
        else:
            self.progress.say(f"{name}: failed: {found.get('error')}")


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


def cores_here() -> list[int]:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _group(trial: Trial) -> str:
    """Equal for trials that share features."""
    recipe = trial.recipe
    finetune = (recipe.finetune.unfreeze, recipe.augment, recipe.seed) if recipe.finetune.epochs else None
    return repr((recipe.backbone, recipe.data.size, recipe.data.resize, recipe.head.pooling, finetune))
