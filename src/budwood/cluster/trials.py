"""Trials on a Ray cluster: each a task of Ray, in a process of its own as on one machine."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from budwood.cluster.connect import connect
from budwood.cluster.nodes import Cluster, in_words, nearest
from budwood.cluster.ray_library import need_ray
from budwood.cluster.settings import enter
from budwood.core.progress.base import SILENT, Progress
from budwood.studies.executor import POLL_SECONDS, Process, ProcessExecutor, start_trial
from budwood.studies.processes import SECONDS_TO_END
from budwood.studies.records import TrialKind
from budwood.studies.request import StudyRequest
from budwood.studies.results import Results
from budwood.studies.runner import CORES
from budwood.studies.spec import TrialSpec
from budwood.studies.study import run_study
from budwood.studies.trial import execute

MOST_LOST = 3
"""Workers that may be lost under one trial before it counts as failed: it may be what kills them."""


class RayExecutor(ProcessExecutor):
    """Tasks of Ray, each with its cores. A trial whose worker or node is lost begins anew elsewhere.

    Args:
        cluster: that this process has joined.
        jobs: trials at a time.
        linear: does a linear trial in its process; a function of a module, for it is found there by its name.
        progress: told of lost workers.
    """

    def __init__(
        self,
        cluster: Cluster,
        jobs: int,
        linear: Callable[[TrialSpec], object] = execute,
        progress: Progress = SILENT,
    ):
        super().__init__(jobs)
        self._linear, self._progress = linear, progress
        self._settings = cluster.settings
        self._threads = cluster.threads(max(1, cluster.cores // jobs))
        self._task = need_ray().remote(_do)

    def start(self, spec: TrialSpec, slot: int) -> Process:
        data = os.path.abspath(spec.data) if os.path.exists(spec.data) else spec.data
        spec = replace(spec, study=Path(os.path.abspath(spec.study)), data=data)

        def submit() -> Any:
            # Ray itself would try again without a word.
            return self._task.options(num_cpus=self._threads, max_retries=0, name=spec.name).remote(
                spec, self._linear, self._settings, self._threads
            )

        return _Task(spec, submit, self._progress)

    def words(self, process: Process) -> str:
        if isinstance(process, _Task) and process.fault:
            return process.fault
        return super().words(process)


class _Task:
    """A trial that Ray runs, with the face of a process."""

    def __init__(self, spec: TrialSpec, submit: Callable[[], Any], progress: Progress):
        self.fault = ""
        """Why there is no exit status of its process."""
        self._spec, self._submit, self._progress = spec, submit, progress
        self._lost: list[str] = []
        self._status: int | None = None
        self._ref = submit()

    def poll(self) -> int | None:
        if self._status is None:
            ray = need_ray()
            done, _ = ray.wait([self._ref], timeout=0)
            if done:
                self._end(ray)
        return self._status

    def terminate(self) -> None:
        need_ray().cancel(self._ref)

    def wait(self) -> int | None:
        ray = need_ray()
        done, _ = ray.wait([self._ref], timeout=SECONDS_TO_END)
        if not done:
            # The worker does not hear: with it ends the process of the trial.
            ray.cancel(self._ref, force=True)
            ray.wait([self._ref], timeout=SECONDS_TO_END)
        return self._status

    def _end(self, ray: Any) -> None:
        try:
            self._status = ray.get(self._ref)
        except (ray.exceptions.RayTaskError, ray.exceptions.TaskCancelledError) as error:
            self._fail(f"its task failed: {error}")
        except ray.exceptions.RayError as error:
            self._again(type(error).__name__)

    def _again(self, why: str) -> None:
        """Begin anew where a worker or a node was lost, so often and no more."""
        self._lost.append(why)
        self._spec.folder.update(lost=len(self._lost))
        if len(self._lost) > MOST_LOST:
            self._fail(f"the workers that ran it were lost {len(self._lost)} times ({why})")
            return
        self._progress.say(
            f"{self._spec.name}: its worker was lost ({why}); it begins anew, {len(self._lost)} of {MOST_LOST}"
        )
        self._ref = self._submit()

    def _fail(self, words: str) -> None:
        self.fault, self._status = words, 1


def run_study_on(
    address: str,
    request: StudyRequest,
    *,
    jobs: int | None = None,
    progress: Progress,
    command: str | None = None,
) -> Results:
    """Do a study on a cluster, see `studies.study.run_study`. Features of linear trials are computed here before.

    Raises:
        ClusterError: the cluster cannot be joined, or a node does not reach the folders of the study and the photos.
    """
    with connect(address) as cluster:
        progress.say(in_words(cluster))
        cluster.refuse_unshared(nearest(request.folder), "the place of the study")
        cluster.refuse_unseen(request.data)
        return run_study(
            request,
            jobs=jobs,
            progress=progress,
            command=command,
            executor=lambda jobs: RayExecutor(cluster, jobs, progress=progress),
            room=partial(jobs_on, cluster),
        )


def jobs_on(cluster: Cluster, kind: TrialKind, jobs: int | None) -> int:
    """Return how many trials run at a time: where nobody says, as many as the nodes have room for."""
    return jobs or cluster.room(cluster.threads(CORES[kind]))


def _do(
    spec: TrialSpec, linear: Callable[[TrialSpec], object], settings: Mapping[str, str], threads: int
) -> int | None:
    """Do a trial in a process of its own, and return its exit status: in a worker of Ray."""
    enter(settings, threads)
    process = start_trial(spec, [], threads, linear)
    try:
        while (status := process.poll()) is None:
            # Ray interrupts between two steps of Python, not within a call of the system.
            time.sleep(POLL_SECONDS)
        return status
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
