"""Where trials run: the contract of an executor, and the one of processes on this machine."""

import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import Any, Protocol, runtime_checkable

from budwood.config.recipe import Recipe
from budwood.core.processes import die_with_parent, interrupts_held_back
from budwood.core.threads import SETTING, num_cores, usable_cores
from budwood.studies.processes import environment, stay_on
from budwood.studies.spec import TrialResult, TrialSpec, read_result
from budwood.studies.trial import execute

POLL_SECONDS = 0.05
PRELOADED = ["budwood.studies.linear_trial", "sklearn.linear_model", "sklearn.metrics"]
"""Modules of the server of which every linear trial is a copy: Keras is none of them."""


@runtime_checkable
class Executor(Protocol):
    """Runs trials, several at a time, begun in the order in which they were submitted.

    A trial that fails, or whose process dies, is a `TrialResult` with an error, and never an exception: a future raises
    nothing but `CancelledError`. What came of a trial lies in its files before its future is done. At the end of the
    `with` block all trials are waited for; where an exception leaves it, they are cancelled.
    """

    def submit(self, spec: TrialSpec) -> "Future[TrialResult]":
        """Run a trial as soon as there is room. Raise RuntimeError once the executor is closed or cancelled."""

    def cancel(self) -> None:
        """Begin no other trial and stop those that run; returns when none runs. Their files say "planned" still."""

    def __enter__(self) -> "Executor": ...

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None: ...


@runtime_checkable
class Process(Protocol):
    """A trial that was begun, wherever it runs."""

    def poll(self) -> int | None:
        """Return its exit status, None while it runs."""

    def terminate(self) -> None:
        """Ask it to end."""

    def wait(self) -> int | None:
        """Wait until it has ended."""


@dataclass(frozen=True)
class _Job:
    spec: TrialSpec
    future: "Future[TrialResult]"
    group: str
    """Trials of one group share features; "" where nobody need wait for them."""


@dataclass(frozen=True)
class _Running:
    job: _Job
    process: Process
    slot: int


class ProcessExecutor:
    """Trials in processes of their own, as many as `jobs` at a time; what extends it says how one is begun.

    Of trainings that share features one goes ahead and computes them, the others wait for it, and find them. Linear
    trials, whose features are there, wait for nobody.
    """

    def __init__(self, jobs: int):
        self._jobs = jobs
        self._waiting: list[_Job] = []
        self._running: list[_Running] = []
        self._warm: set[str] = set()
        """Groups whose features have been computed once."""
        self._closed = self._cancelled = False
        self._changed = threading.Condition()
        # One thread for all, which outlives them: a process ends with the thread that started it.
        self._thread = threading.Thread(target=self._follow, name="trials", daemon=True)

    def start(self, spec: TrialSpec, slot: int) -> Process:
        """Begin a trial as number `slot` of those that run. Raise what stands against it."""
        raise NotImplementedError

    def words(self, process: Process) -> str:
        """Return how a process ended that wrote down nothing."""
        status = process.poll() or 0
        return f"its process ended with {'signal' if status < 0 else 'status'} {abs(status)}"

    def __enter__(self) -> "ProcessExecutor":
        self._thread.start()
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        if kind is not None:
            self.cancel()
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def submit(self, spec: TrialSpec) -> "Future[TrialResult]":
        job = _Job(spec, Future(), features_group(spec.recipe) if spec.kind == "training" else "")
        with self._changed:
            if self._closed or self._cancelled:
                raise RuntimeError("the executor is closed")
            self._waiting.append(job)
            self._changed.notify()
        return job.future

    def cancel(self) -> None:
        with self._changed:
            self._cancelled = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def _follow(self) -> None:
        """Start and end trials until the executor is closed and nothing is left, or it is cancelled."""
        try:
            while True:
                with self._changed:
                    if not (self._waiting or self._running or self._closed or self._cancelled):
                        self._changed.wait()
                    elif self._running:
                        self._changed.wait(POLL_SECONDS)
                    if self._cancelled or (self._closed and not (self._waiting or self._running)):
                        break
                    started = self._take_startable()
                for job, slot in started:
                    self._start(job, slot)
                for one in [one for one in self._running if one.process.poll() is not None]:
                    self._end(one)
        finally:
            self._stop()

    def _take_startable(self) -> list[tuple[_Job, int]]:
        found = []
        groups = {one.job.group for one in self._running}
        free = sorted(set(range(self._jobs)) - {one.slot for one in self._running})
        for slot in free:
            job = next(
                (one for one in self._waiting if one.group in self._warm or one.group not in groups - {""}),
                None,
            )
            if job is None:
                break
            self._waiting.remove(job)
            groups.add(job.group)
            found.append((job, slot))
        return found

    def _start(self, job: _Job, slot: int) -> None:
        if not job.future.set_running_or_notify_cancel():
            return
        try:
            process = self.start(job.spec, slot)
        except Exception as error:
            words = f"its process could not be started: {error}"
            job.spec.folder.update(state="failed", error=words)
            job.future.set_result(TrialResult(job.spec.name, error=words))
        else:
            self._running.append(_Running(job, process, slot))

    def _end(self, one: _Running) -> None:
        self._running.remove(one)
        self._warm.add(one.job.group)
        folder = one.job.spec.folder
        record = folder.read()
        if record is None or record.state == "planned":
            # It had no chance to say so itself.
            words = self.words(one.process)
            folder.update(state="failed", error=words)
            one.job.future.set_result(TrialResult(folder.name, error=words))
        else:
            one.job.future.set_result(read_result(folder))

    def _stop(self) -> None:
        """End what still runs and cancel what waits."""
        with self._changed:
            self._cancelled = True
            waiting, self._waiting = self._waiting, []
        for one in self._running:
            one.process.terminate()
        for one in self._running:
            one.process.wait()
            one.job.future.set_exception(CancelledError())
        for job in waiting:
            job.future.cancel()
        self._running = []


class LocalExecutor(ProcessExecutor):
    """Processes on this machine, the cores shared out between them.

    A linear trial is a copy of a process that has its modules loaded.

    Args:
        jobs: trials at a time.
        linear: does a linear trial in its process; a function of a module, for it is found there by its name.
    """

    def __init__(self, jobs: int, linear: Callable[[TrialSpec], object] = execute):
        super().__init__(jobs)
        cores = usable_cores()
        self._linear = linear
        self._slots = [cores[number::jobs] for number in range(jobs)]
        self._threads = -(-num_cores() // jobs)

    def start(self, spec: TrialSpec, slot: int) -> Process:
        cores = self._slots[slot]
        return start_trial(spec, cores, min(self._threads, len(cores) or 1), self._linear)


def start_trial(
    spec: TrialSpec, cores: list[int], threads: int, linear: Callable[[TrialSpec], object] = execute
) -> Process:
    """Begin a trial in a process of its own, which ends with this one.

    Args:
        spec: what is to be done.
        cores: those that it keeps to; of none it keeps to no core.
        threads: that it starts at most.
        linear: does a linear trial.
    """
    if spec.kind == "training":
        return _start_training(spec, cores, threads)
    context: Any = multiprocessing.get_context("forkserver" if sys.platform != "win32" else "spawn")
    if sys.platform != "win32":
        context.set_forkserver_preload(PRELOADED)
        # Here, for to start it ends the holding back of interrupts.
        resource_tracker.ensure_running()
    settings = {key: value for key, value in os.environ.items() if key.startswith("BUDWOOD_")}
    settings[SETTING] = str(threads)
    process = context.Process(target=_in_child, args=(linear, spec, cores, settings))
    with interrupts_held_back():
        process.start()
    return _Child(process)


def _start_training(spec: TrialSpec, cores: list[int], threads: int) -> Process:
    with spec.folder.log.open("wb") as log, interrupts_held_back():
        process = subprocess.Popen(
            [sys.executable, "-m", "budwood.studies.trial"],
            env=environment(os.environ, threads),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )
    assert process.stdin is not None
    with process.stdin as pipe:
        pipe.write(pickle.dumps((spec, cores)))
    return process


def _in_child(
    work: Callable[[TrialSpec], object], spec: TrialSpec, cores: list[int], settings: dict[str, str]
) -> None:
    """Do a linear trial in this process, a copy of one that knew other environment variables."""
    die_with_parent()
    stay_on(cores)
    os.environ.update(settings)
    work(spec)


class _Child:
    """A process of `multiprocessing` with the face of `subprocess.Popen`."""

    def __init__(self, process: Any):
        self.process = process

    def poll(self) -> int | None:
        return None if self.process.is_alive() else self.process.exitcode

    def terminate(self) -> None:
        self.process.terminate()

    def wait(self) -> int | None:
        self.process.join()
        return self.process.exitcode


def features_group(recipe: Recipe) -> str:
    """Return a key that is equal for trainings that share features."""
    finetune = (recipe.finetune.unfreeze, recipe.augment, recipe.seed) if recipe.finetune.epochs else None
    return repr(
        (
            recipe.backbone,
            recipe.data.size,
            recipe.data.resize,
            recipe.data.levels,
            recipe.head.pooling,
            finetune,
        )
    )
