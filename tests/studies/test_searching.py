"""A search under way: which training follows which, with trials that are made up and an executor in memory."""

import json

import numpy as np
import pytest

from budwood.studies import runner as runner_module
from budwood.studies.grid import read_grid
from budwood.studies.records import StudyFolder, StudyRecord
from budwood.studies.runner import Runner
from budwood.studies.search import Search
from budwood.studies.searching import Searching, kind_of_search
from tests.progress import KeptLines
from tests.studies.executors import InMemoryExecutor
from tests.studies.made import write_run
from tests.studies.test_runner import checked

pytest.importorskip("optuna")

GRID = ["frozen.l2_strengths=[[0.1], [0.01], [0.001], [1.0]]"]


def loss_of(spec):
    given = spec.recipe.frozen.l2_strengths
    return 0.5 if given == "auto" else given[0]


def learn(spec):
    write_run(spec.folder.run, spec.name, np.arange(8) < 6, loss=loss_of(spec))
    spec.folder.update(state="complete", seconds=2.0)


def fail_on_ones(spec):
    if loss_of(spec) == 1.0:
        spec.folder.update(state="failed", error="it diverged", seconds=0.5)
    else:
        learn(spec)


@pytest.fixture
def begin(tmp_path, monkeypatch):
    (tmp_path / "study" / "trials").mkdir(parents=True)
    monkeypatch.setattr(runner_module, "provide_features", lambda data, study, recipes: None)

    def begin(number, linear=learn, grid=GRID, seeds=(0, 1), jobs=1):
        found = Search(tmp_path / "study", read_grid(["frozen-linear"], grid=grid), seeds=list(seeds))
        found.go_on()
        runner = Runner(
            StudyFolder(tmp_path / "study"),
            "photos",
            checked(60),
            lambda jobs: InMemoryExecutor(jobs, linear=linear),
            jobs,
            False,
            KeptLines(),
        )
        record = StudyRecord(replicate_kind="split", configurations=[], trials=[])
        return Searching(found, number, record, runner)

    return begin


def states(searching):
    return [
        (json.loads(one.point["frozen.l2_strengths"])[0], one.state, one.losses)
        for one in searching.search.configurations
    ]


@pytest.mark.parametrize("jobs", [1, 3])
def test_run__each_configuration_on_each_split(begin, jobs):
    searching = begin(3, jobs=jobs)
    record = searching.run()
    assert len(states(searching)) == 3
    for strength, state, losses in states(searching):
        assert (state, losses) == ("complete", [strength, strength])
    assert len(record.configurations) == 3
    assert sorted(record.trials) == [f"{number:03}-split-{seed}" for number in range(3) for seed in (0, 1)]
    assert searching.runner.study.read() == record
    assert [one.seconds for one in searching.search.configurations] == [4.0] * 3


def test_run__no_more_than_there_are(begin):
    searching = begin(9)
    searching.run()
    assert len(states(searching)) == 4
    assert "there are 4 configurations: each of them is tried" in searching.runner.progress.lines


def test_run__a_failure_ends_a_configuration_and_not_the_search(begin):
    searching = begin(4, fail_on_ones)
    searching.run()
    found = {strength: (state, losses) for strength, state, losses in states(searching)}
    assert found[1.0] == ("failed", [])
    assert all(one[0] == "complete" for strength, one in found.items() if strength != 1.0)
    failed = next(one for one in searching.search.configurations if one.state == "failed")
    assert failed.why == "split 0: it diverged"


def test_run__goes_on_with_what_is_complete_on_disk(begin):
    begin(2).run()
    learned = []

    def count(spec):
        learned.append(spec.name)
        learn(spec)

    again = begin(3, count)
    again.run()
    assert {name[:3] for name in learned} == {"002"}
    assert [state for _, state, _ in states(again)] == ["complete"] * 3


def test_run__one_that_was_under_way_is_finished_first(begin):
    stopped = begin(1)
    stopped.search.propose()
    stopped.search.save()
    learned = []

    def count(spec):
        learned.append(spec.name)
        learn(spec)

    begin(2, count).run()
    assert [name[:3] for name in learned] == ["000", "000", "001", "001"]


def test_run__values_that_do_not_go_together_fail_with_the_reason(begin):
    searching = begin(4, grid=["head.batch_norm=[false, true]", 'frozen.fit=["gradient", "linear"]'])
    searching.run()
    states = {tuple(one.point.values()): one for one in searching.search.configurations}
    failed = [point for point, one in states.items() if one.state == "failed"]
    assert len(states) == 4 and len(failed) == 1
    assert failed[0][1:] == ("true", "linear")
    assert "it has no hidden layers or batch norm" in states[failed[0]].why
    assert any("failed" in line for line in searching.runner.progress.lines)


def test_run__linear_trials_without_features_fail(begin, monkeypatch):
    monkeypatch.setattr(runner_module, "provide_features", lambda data, study, recipes: "no weights")
    searching = begin(2)
    searching.run()
    assert [one.why for one in searching.search.configurations] == ["split 0: no weights"] * 2


def test_kind_of_search__a_training_where_one_of_the_grid_is(begin):
    linear = begin(1)
    assert kind_of_search(linear.search.grid, linear.runner) == "linear"
    mixed = begin(1, grid=["finetune.epochs=[0, 1]"])
    assert kind_of_search(mixed.search.grid, mixed.runner) == "training"
