"""What every executor must do, of processes or not."""

import os
import pickle
import subprocess
import sys
import time
from concurrent.futures import CancelledError

import pytest

from budwood.cluster.connect import connect
from budwood.cluster.trials import RayExecutor
from budwood.config.recipe import Recipe
from budwood.studies import executor as module
from budwood.studies.executor import Executor, LocalExecutor
from budwood.studies.records import TrialRecord
from budwood.studies.spec import Figures, TrialResult, TrialSpec
from tests.studies.executors import InMemoryExecutor, act, say_whether_deaf


@pytest.fixture(scope="module")
def warm_workers(ray_nodes, tmp_path_factory):
    """A worker of Ray on each node that has begun a trial before: the first takes seconds."""
    folder = tmp_path_factory.mktemp("warm")
    (folder / "trials").mkdir()
    with connect("auto") as found, RayExecutor(found, 2, linear=act) as executor:
        for number in range(2):
            spec = TrialSpec(folder, str(folder / "notes"), f"slow-{number}", "linear", Recipe())
            executor.submit(spec)


@pytest.fixture(
    params=[LocalExecutor, InMemoryExecutor, pytest.param(RayExecutor, marks=pytest.mark.slow)],
    ids=["local", "in memory", "ray"],
)
def make(request):
    if request.param is RayExecutor:
        request.getfixturevalue("warm_workers")
        found = request.getfixturevalue("cluster")
        return lambda jobs=1: RayExecutor(found, jobs, linear=act)
    return lambda jobs=1: request.param(jobs, linear=act)


@pytest.fixture
def spec_of(tmp_path):
    (tmp_path / "study" / "trials").mkdir(parents=True)

    def spec(name, kind="linear", **recipe):
        found = TrialSpec(tmp_path / "study", str(tmp_path / "notes"), name, kind, Recipe.from_dict(recipe))
        found.folder.write(TrialRecord(configuration="a", replicate=name, kind=kind, recipe=found.recipe))
        return found

    return spec


def notes(spec):
    with open(spec.data) as file:
        return file.read().splitlines()


def wait_for(spec, line):
    until = time.monotonic() + 30
    while not (os.path.exists(spec.data) and line in notes(spec)):
        assert time.monotonic() < until, "it never began"
        time.sleep(0.02)


def test_executor__a_result_and_its_files(make, spec_of):
    spec = spec_of("works-1")
    with make() as executor:
        assert isinstance(executor, Executor)
        found = executor.submit(spec).result(30)
    assert found == TrialResult("works-1", 0.1, validation=Figures(8, 0.75, 0.5))
    assert spec.folder.read().state == "complete"
    assert pickle.loads(pickle.dumps((spec, found))) == (spec, found)


def test_executor__a_failure_and_a_death_are_results_and_the_others_go_on(make, spec_of):
    names = ["fails-1", "dies-1", "works-1"]
    with make() as executor:
        futures = [executor.submit(spec_of(name)) for name in names]
        failed, died, worked = [future.result(30) for future in futures]
    assert (failed.error, failed.validation) == ("there is nothing to learn", None)
    assert "ended with" in died.error and died.validation is None
    assert worked.error is None
    record = spec_of("works-2").folder.study / "trials" / "dies-1.json"
    assert '"failed"' in record.read_text() and "ended with" in record.read_text()


def test_executor__begins_in_order_one_after_another(make, spec_of):
    specs = [spec_of(f"{kind}-{number}") for number, kind in enumerate(["slow", "works", "fails", "works"])]
    with make(jobs=1) as executor:
        for spec in specs:
            executor.submit(spec)
    # At the end of the block all have been waited for.
    assert notes(specs[0]) == [f"{spec.name} {what}" for spec in specs for what in ("begins", "ends")]


def test_executor__two_at_a_time(make, spec_of):
    specs = [spec_of(f"slow-{number}") for number in range(3)]
    with make(jobs=2) as executor:
        futures = [executor.submit(spec) for spec in specs]
        assert all(future.result(30).error is None for future in futures)
    lines = notes(specs[0])
    assert lines.index("slow-1 begins") < lines.index("slow-0 ends")
    assert lines.index("slow-2 begins") > min(lines.index("slow-0 ends"), lines.index("slow-1 ends"))


def test_executor__more_while_it_runs_and_none_once_it_is_closed(make, spec_of):
    with make() as executor:
        assert executor.submit(spec_of("works-1")).result(30).error is None
        assert executor.submit(spec_of("works-2")).result(30).error is None
    with pytest.raises(RuntimeError, match="closed"):
        executor.submit(spec_of("works-3"))


def test_executor__a_waiting_trial_can_be_taken_back(make, spec_of):
    slow, taken, last = spec_of("slow-1"), spec_of("works-1"), spec_of("works-2")
    with make() as executor:
        executor.submit(slow)
        future = executor.submit(taken)
        executor.submit(last)
        assert future.cancel()
    assert not any(line.startswith("works-1") for line in notes(slow))
    assert "works-2 ends" in notes(slow)
    assert taken.folder.read().state == "planned"


@pytest.mark.parametrize("how", ["cancel", "exception"])
def test_executor__cancelled_ends_what_runs_and_begins_nothing(make, spec_of, how):
    done, endless, waiting = spec_of("works-1"), spec_of("endless-1"), spec_of("works-2")
    futures = []
    try:
        with make() as executor:
            futures += [executor.submit(spec) for spec in (done, endless, waiting)]
            wait_for(endless, "endless-1 begins")
            if how == "exception":
                raise KeyboardInterrupt
            executor.cancel()
            with pytest.raises(RuntimeError):
                executor.submit(spec_of("works-3"))
    except KeyboardInterrupt:
        assert how == "exception"
    assert futures[0].result(0).error is None
    for future in futures[1:]:
        with pytest.raises(CancelledError):
            future.result(0)
    assert [spec.folder.read().state for spec in (endless, waiting)] == ["planned", "planned"]
    assert not any(line.startswith("works-2") for line in notes(done))


started = []


class Sleeper:
    """A training that ends when it is told to."""

    def __init__(self, spec, cores, threads):
        self.spec, self.cores, self.over = spec, cores, False
        started.append(self)

    def poll(self):
        return 0 if self.over else None

    def terminate(self):
        self.over = True

    wait = poll


def test_local__of_trainings_that_share_features_one_goes_ahead(spec_of, monkeypatch):
    started.clear()
    monkeypatch.setattr(module, "_start_training", Sleeper)
    monkeypatch.setattr(module, "usable_cores", lambda: [0, 1, 2, 3])
    same = [spec_of(f"a-{seed}", "training", split_seed=seed) for seed in range(3)]
    other = spec_of("b-0", "training", data={"size": 96})

    def names(number):
        until = time.monotonic() + 10
        while len(started) < number and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.2)
        return [one.spec.name for one in started]

    with LocalExecutor(2) as executor:
        for spec in [*same, other]:
            executor.submit(spec)
        # The others of its kind wait for the first, and the one of another kind does not wait for them.
        assert names(2) == ["a-0", "b-0"]
        assert [one.cores for one in started] == [[0, 2], [1, 3]]
        started[0].over = started[1].over = True
        assert names(4) == ["a-0", "b-0", "a-1", "a-2"]
        for one in started:
            one.over = True


def test_local__its_processes_do_not_hear_of_interrupts(spec_of):
    with LocalExecutor(1, linear=say_whether_deaf) as executor:
        assert executor.submit(spec_of("a-0")).result(60).error == "deaf"


def test_local__a_process_that_cannot_be_started_is_a_failure(spec_of, monkeypatch):
    def refuse(spec, cores, threads):
        raise OSError("no room for another process")

    monkeypatch.setattr(module, "_start_training", refuse)
    with LocalExecutor(1) as executor:
        found = executor.submit(spec_of("a-0", "training")).result(10)
    assert "no room for another process" in found.error


def test_executor__needs_no_keras():
    code = "import sys, budwood.studies.executor, budwood.studies.linear_trial, budwood.studies.study\n"
    code += "assert not {'keras', 'tensorflow'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
