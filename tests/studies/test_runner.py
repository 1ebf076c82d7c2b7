"""What a runner writes down, does, leaves and follows, with an executor in memory and trials that are made up."""

import numpy as np
import pytest

from budwood.config.recipe import Recipe
from budwood.core.progress.base import SILENT
from budwood.data.check import Check
from budwood.data.manifest import Photo
from budwood.studies import runner as module
from budwood.studies.progress_table import ProgressTable
from budwood.studies.records import Configuration, StudyFolder
from budwood.studies.runner import Runner, jobs_for, kind_of
from budwood.studies.spec import TrialResult
from budwood.studies.trials import Trial
from tests.progress import KeptLines
from tests.studies.executors import InMemoryExecutor, act, note
from tests.studies.made import write_run

LINEAR = Recipe.from_dict({"backbone": {"name": "mobilenet_v2"}, "frozen": {"fit": "linear"}})
TRAINING = Recipe.from_dict({"backbone": {"name": "mobilenet_v2"}, "finetune": {"epochs": 1}})


def checked(number=40, classes=2):
    photos = tuple(
        Photo(b"", f"{place}.jpg", "abcdefgh"[place % classes], sha256=f"{place:064x}")
        for place in range(number)
    )
    return Check(photos, tuple("abcdefgh"[:classes]), (), number, 0)


def trial(name, recipe=LINEAR):
    return Trial(name, Configuration(recipe="r"), "split 0", recipe)


@pytest.fixture
def runner(tmp_path, monkeypatch):
    (tmp_path / "study" / "trials").mkdir(parents=True)
    monkeypatch.setattr(module, "provide_features", lambda data, study, recipes: None)
    found = Runner(
        StudyFolder(tmp_path / "study"),
        str(tmp_path / "notes"),
        checked(),
        lambda jobs: InMemoryExecutor(jobs, linear=act),
        1,
        False,
        KeptLines(),
    )
    (tmp_path / "notes").touch()
    return found


def notes(runner):
    with open(runner.data) as file:
        return file.read().splitlines()


def test_run_all__linear_trials_first_and_each_written_down(runner):
    runner.run_all([trial("works-t", TRAINING), trial("works-1"), trial("fails-2"), trial("works-3")])
    order = [line.split()[0] for line in notes(runner) if line.endswith("begins")]
    assert order == ["works-1", "fails-2", "works-3", "works-t"]
    records = {name: runner.study.trial(name).read() for name in order}
    assert {name: (one.kind, one.state) for name, one in records.items()} == {
        "works-1": ("linear", "complete"),
        "fails-2": ("linear", "failed"),
        "works-3": ("linear", "complete"),
        "works-t": ("training", "complete"),
    }
    assert records["fails-2"].error == "there is nothing to learn"


def test_run_all__what_is_complete_is_not_done_again(runner):
    runner.run_all([trial("works-1"), trial("fails-2")])
    before = len(notes(runner))
    runner.run_all([trial("works-1"), trial("fails-2")])
    assert [line for line in notes(runner)[before:] if line.endswith("begins")] == ["fails-2 begins"]
    assert "1 of 2 trials are complete already" in runner.progress.lines
    runner.run_all([trial("works-1")])
    assert runner.progress.lines[-1].startswith("every trial that is asked for is complete")


def test_run_all__linear_trials_without_features_fail_and_the_others_go_on(runner, monkeypatch):
    monkeypatch.setattr(module, "provide_features", lambda data, study, recipes: "no weights")
    runner.run_all([trial("works-1"), trial("works-t", TRAINING)])
    assert (runner.study.trial("works-1").read().state, runner.study.trial("works-1").read().error) == (
        "failed",
        "no weights",
    )
    assert runner.study.trial("works-t").read().state == "complete"


def test_run_all__features_are_asked_for_linear_trials_alone(runner, monkeypatch):
    asked = []
    monkeypatch.setattr(module, "provide_features", lambda data, study, recipes: asked.extend(recipes))
    runner.run_all([trial("works-1"), trial("works-t", TRAINING)])
    assert asked == [LINEAR]


def test_prepare__a_trial_of_another_recipe_begins_anew(runner):
    folder = runner.study.trial("works-1")
    runner.run_all([trial("works-1")])
    assert runner.prepare(trial("works-1")) is None
    spec = runner.prepare(trial("works-1", LINEAR.with_settings(["seed=9"])))
    assert (spec.name, spec.recipe.seed, spec.kind) == ("works-1", 9, "linear")
    assert not folder.run.exists()
    assert folder.read().state == "planned"


def test_prepare__a_complete_trial_that_lost_its_figures_begins_anew(runner):
    runner.run_all([trial("works-1")])
    (runner.study.trial("works-1").run / "metrics.json").unlink()
    assert runner.prepare(trial("works-1")) is not None


def test_follow__what_comes_after_a_trial_is_run_too(runner):
    first = trial("works-1")
    asked = []

    def after(ended, result):
        assert isinstance(result, TrialResult) and result.name == ended.name
        asked.append(ended.name)
        number = int(ended.name[-1]) + 1
        following = trial(f"works-{number}")
        return [(following, runner.prepare(following))] if number < 4 else []

    with ProgressTable([first], SILENT) as table, runner.executor(1) as executor:
        runner.follow(executor, [(first, runner.prepare(first))], table, after)
    assert asked == ["works-1", "works-2", "works-3"]


def test_follow__what_ended_together_is_told_in_the_order_of_its_beginning(runner):
    def at_once(spec):
        note(spec, "begins")
        write_run(spec.folder.run, spec.name, np.arange(8) < 6)
        spec.folder.update(state="complete", seconds=0.1)

    trials = [trial(f"works-{number}") for number in range(5)]
    told = []
    with ProgressTable(trials, SILENT) as table, InMemoryExecutor(5, linear=at_once) as executor:
        todo = [(one, runner.prepare(one)) for one in trials]
        runner.follow(executor, todo, table, lambda one, result: told.append(one.name) or [])
    assert sorted(told) == [one.name for one in trials]


@pytest.mark.parametrize(
    ("kind", "asked", "cores", "jobs"),
    [
        ("linear", None, 8, 8),
        ("training", None, 8, 4),
        ("training", None, 3, 1),
        ("training", None, 1, 1),
        ("linear", 3, 8, 3),
        ("training", 3, 1, 3),
    ],
)
def test_jobs_for__one_core_for_a_linear_trial_and_two_for_a_training(monkeypatch, kind, asked, cores, jobs):
    monkeypatch.setattr(module, "num_cores", lambda: cores)
    assert jobs_for(kind, asked) == jobs


@pytest.mark.parametrize(
    ("settings", "keep", "kind"),
    [
        ([], False, "linear"),
        ([], True, "training"),
        (["finetune.epochs=1"], False, "training"),
        (["evaluate.flip=true"], False, "training"),
        (['frozen.fit="gradient"'], False, "training"),
        (['backbone.precision="bf16"'], False, "training"),
        (['backbone.name=["mobilenet_v2", "efficientnet_lite0"]'], False, "training"),
    ],
)
def test_kind_of__linear_where_no_model_and_no_gradient_is_needed(settings, keep, kind):
    assert kind_of(LINEAR.with_settings(settings), checked(), keep) == kind
