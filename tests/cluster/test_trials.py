"""Trials on a Ray cluster; tests/studies/test_executor.py asks of them what every executor must do."""

import os
import signal
import time

import pytest

from budwood.cluster import trials as module
from budwood.cluster.nodes import Cluster, Node
from budwood.cluster.trials import RayExecutor, jobs_on, run_study_on
from budwood.config.recipe import Recipe
from budwood.core.files import read_json
from budwood.core.progress.base import SILENT
from budwood.studies.records import TrialRecord
from budwood.studies.request import StudyRequest
from budwood.studies.spec import TrialSpec
from budwood.studies.study import run_study
from tests.nodes import Killer, killing, node_to_lose
from tests.progress import KeptLines


def kill_worker_at_first(spec):
    """A trial under which the worker of Ray dies as often as its name says, and that then is done."""
    kills, begun = int(spec.name.partition("-")[0]), spec.folder.study / f"{spec.name} begun"
    with begun.open("a") as file:
        file.write("x")
    if begun.stat().st_size <= kills:
        os.kill(worker_above(os.getppid()), signal.SIGKILL)
        time.sleep(30)
    spec.folder.update(state="failed", error="it came to its end")


def worker_above(pid):
    """The nearest process of Ray above one."""
    while True:
        with open(f"/proc/{pid}/cmdline") as file:
            if file.read().startswith("ray::"):
                return pid
        with open(f"/proc/{pid}/stat") as file:
            pid = int(file.read().rpartition(")")[2].split()[1])


def spec_of(folder, name):
    (folder / "trials").mkdir(exist_ok=True)
    spec = TrialSpec(folder, "photos", name, "linear", Recipe())
    spec.folder.write(TrialRecord(configuration="a", replicate=name, kind="linear", recipe=spec.recipe))
    return spec


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kills", "lost", "words"),
    [(1, 1, "its end"), (9, 2, "lost 2 times")],
)
def test_executor__a_trial_whose_worker_is_lost_begins_anew(
    cluster, tmp_path, monkeypatch, kills, lost, words
):
    monkeypatch.setattr(module, "MOST_LOST", 1)
    spec, progress = spec_of(tmp_path, f"{kills}-kills"), KeptLines()
    with RayExecutor(cluster, 1, linear=kill_worker_at_first, progress=progress) as executor:
        found = executor.submit(spec).result(60)
    assert words in found.error
    assert spec.folder.read().lost == lost
    assert [line for line in progress.lines if "begins anew, 1 of 1" in line]


@pytest.mark.parametrize(
    ("kind", "asked", "jobs"), [("linear", None, 6), ("training", None, 3), ("training", 5, 5)]
)
def test_jobs_on__as_many_as_there_is_room_for(kind, asked, jobs):
    found = Cluster("auto", (Node("a", "10.0.0.1", 4), Node("b", "10.0.0.2", 2)), {})
    assert jobs_on(found, kind, asked) == jobs


def study_of(photos, output, seeds):
    settings = ["data.size=64", "evaluate.resamples=200"]
    return StudyRequest(
        data=photos, output=output, recipes=["frozen-linear"], seeds=list(range(seeds)), settings=settings
    )


def refuse_other_bits(here, there):
    """The trials of two studies have the same predictions, splits and figures."""
    for name in read_json(here / "study.json")["trials"]:
        ours, theirs = (study / "trials" / name for study in (here, there))
        for file in ("predictions.csv", "split.csv"):
            assert (ours / file).read_bytes() == (theirs / file).read_bytes()
        assert read_json(ours / "metrics.json")["test"] == read_json(theirs / "metrics.json")["test"]


@pytest.mark.slow
@pytest.mark.usefixtures("shared_cache", "known_features")
def test_run_study_on__the_same_bits_as_on_one_machine(ray_nodes, session_colours, tmp_path):
    here = run_study(study_of(session_colours, tmp_path / "here", 2), progress=SILENT)
    progress = KeptLines()
    there = run_study_on("auto", study_of(session_colours, tmp_path / "there", 2), progress=progress)
    assert any("2 nodes, 2 cores" in line for line in progress.lines)
    assert [one.complete for one in there.summaries] == [one.complete for one in here.summaries] == [2]
    refuse_other_bits(tmp_path / "here", tmp_path / "there")


@pytest.mark.slow
@pytest.mark.usefixtures("shared_cache", "known_features")
def test_run_study_on__twenty_workers_killed__the_same_bits(
    ray_nodes, session_colours, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "MOST_LOST", 20)
    run_study(study_of(session_colours, tmp_path / "here", 12), progress=SILENT)
    begun = time.monotonic()
    # One every four seconds: a trial takes about as long with the start of its process.
    with Killer(killing("ray::frozen-linear"), 20, lambda: int((time.monotonic() - begun) / 4)) as killer:
        there = run_study_on("auto", study_of(session_colours, tmp_path / "there", 12), progress=SILENT)
        studies = 1
        while killer.killed < 20 and studies < 12:
            studies += 1
            again = tmp_path / f"again {studies}"
            run_study_on("auto", study_of(session_colours, again, 12), progress=SILENT)
            refuse_other_bits(tmp_path / "here", again)
    assert killer.killed == 20
    assert [one.complete for one in there.summaries] == [12]
    refuse_other_bits(tmp_path / "here", tmp_path / "there")


@pytest.mark.slow
@pytest.mark.usefixtures("shared_cache", "known_features")
def test_run_study_on__a_node_is_lost__the_same_bits(ray_nodes, session_colours, tmp_path):
    run_study(study_of(session_colours, tmp_path / "here", 9), progress=SILENT)
    progress, there = KeptLines(), tmp_path / "there"

    def several_at_work():
        return len(list(there.glob("trials/*/predictions.csv"))) >= 2

    with node_to_lose(ray_nodes) as lose, Killer(lose, 1, several_at_work) as killer:
        found = run_study_on("auto", study_of(session_colours, there, 9), progress=progress)
    assert killer.killed == 1 and [one.complete for one in found.summaries] == [9]
    # One of the three nodes had a trial in hand, which is told of.
    assert len([line for line in progress.lines if "begins anew, 1 of" in line]) == 1
    refuse_other_bits(tmp_path / "here", there)
