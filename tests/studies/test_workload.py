import os
import subprocess
import sys

import pytest

from budwood.config.recipe import Recipe
from budwood.data.check import Check
from budwood.data.manifest import Photo
from budwood.studies.grid import read_grid
from budwood.studies.plan import StudyPlan
from budwood.studies.records import StudyFolder, StudyRecord, TrialRecord
from budwood.studies.request import StudyRequest
from budwood.studies.timing import TrialSeconds
from budwood.studies.trials import plan_trials
from budwood.studies.workload import Time, describe, summary, workload

PHOTOS = tuple(
    Photo(b"", f"{label}/{number}", label, sha256=f"{label}{number}")
    for label in "ab"
    for number in range(40)
)


def plan_of(recipes, search=None, grid=(), seeds=(0, 1, 2), **options):
    found = read_grid(recipes, grid=grid)
    given = found.combinations() if search is None else found.check()
    trials, kind = plan_trials(given, PHOTOS, seeds=seeds)
    checked = Check(classes=("a", "b"), photos=PHOTOS, problems=(), num_found=len(PHOTOS), num_unreadable=0)
    request = StudyRequest(
        data="photos", output="s", recipes=recipes, grid=grid, seeds=seeds, search=search, **options
    )
    return StudyPlan(request, found, checked, trials, kind)


def test_summary__counts_both_kinds_and_admits_what_it_does_not_know(tmp_path):
    plan = plan_of(["frozen-linear", "quick"])
    found = workload(plan, StudyFolder(tmp_path), None)
    assert (found.trials, found.linear, found.time) == (6, 3, None)
    assert summary(plan, found) == "3 trainings and 3 linear trials: time unknown until the first trial ends"
    text = describe(plan, found)
    assert all(name in text for name in ("frozen-linear", "quick", "split 2"))


def test_workload__where_models_are_kept_every_trial_is_a_training(tmp_path):
    found = workload(plan_of(["frozen-linear"], keep_models=True), StudyFolder(tmp_path), None)
    assert (found.trials, found.linear) == (3, 0) and found.models_bytes > 30e6
    found = workload(plan_of(["frozen-linear"]), StudyFolder(tmp_path), None)
    assert (found.trials, found.linear, found.models_bytes) == (3, 3, 0)


def test_summary__of_a_search_is_the_most(tmp_path):
    plan = plan_of(["quick"], search=4, grid=["finetune.learning_rate=1e-5..1e-2"])
    found = workload(plan, StudyFolder(tmp_path), None)
    assert summary(plan, found).startswith("12 trainings at most: ")
    plan = plan_of(["quick"], search=50, grid=["frozen.folds=3..5"])
    assert workload(plan, StudyFolder(tmp_path), None).trials == 9


def complete(folder, trial, kind, seconds):
    (folder.path / "trials").mkdir(exist_ok=True)
    names = folder.read().trials if folder.file.is_file() else []
    folder.write(StudyRecord(replicate_kind="split", configurations=[], trials=[*names, trial.name]))
    record = TrialRecord(
        configuration=trial.configuration.name,
        replicate=trial.replicate,
        kind=kind,
        recipe=trial.recipe,
        state="complete",
        seconds=seconds,
    )
    folder.trial(trial.name).write(record)
    return record


def test_workload__from_the_trials_that_are_complete(tmp_path):
    plan = plan_of(["quick"], seeds=(0, 1, 2, 3))
    folder = StudyFolder(tmp_path)
    record = complete(folder, plan.trials[0], "training", 100.0)
    found = workload(plan, folder, 1, lambda *given: pytest.fail("nothing need be timed"))
    assert (found.complete, found.time) == (1, Time(300.0))
    assert workload(plan, folder, 3).time == Time(100.0)
    assert summary(plan, found) == "4 trainings, 1 of them complete: about 5 min"
    # With another recipe it would be done anew.
    folder.trial(plan.trials[0].name).write(record.model_copy(update={"recipe": Recipe()}))
    assert (workload(plan, folder, 1).complete, workload(plan, folder, 1).time) == (0, Time(400.0))


def test_workload__of_a_new_study_from_what_is_timed(tmp_path):
    plan, asked = plan_of(["frozen-linear", "quick"], seeds=(0, 1)), {}

    def timer(checked, groups):
        asked.update({name: (group.kind, group.trials) for name, group in groups.items()})
        return {"frozen-linear": TrialSeconds(None, 10.0), "quick": TrialSeconds(40.0, 100.0)}

    folder = StudyFolder(tmp_path)
    found = workload(plan, folder, 1, timer)
    assert asked == {"frozen-linear": ("linear", 2), "quick": ("training", 2)}
    assert found.time == Time(2 * 10.0 + 40 + 2 * 100, estimated=True, without_features=True)
    assert summary(plan, found).endswith(
        "about 4 min at most, as estimated on a few photos, and the features before"
    )
    assert workload(plan, folder, 2, timer).time.seconds == 10 + 40 + 100
    # Of a configuration that has a complete trial nothing is timed any more.
    complete(folder, plan.trials[1], "training", 200.0)
    asked.clear()
    workload(plan, folder, 1, timer)
    assert asked == {"frozen-linear": ("linear", 2)}


def test_workload__features_are_computed_once_and_what_could_not_be_timed_takes_as_long_as_others(tmp_path):
    plan = plan_of(["quick"], grid=["finetune.learning_rate=[1e-5, 1e-4, 1e-3]"], seeds=(0,))
    first, second, _ = (trial.configuration.name for trial in plan.trials)
    timed = {first: TrialSeconds(40.0, 100.0), second: TrialSeconds(50.0, 200.0)}
    found = workload(plan, StudyFolder(tmp_path), 1, lambda checked, groups: timed)
    assert found.time == Time(50.0 + 100 + 200 + 150, estimated=True)


def test_workload__of_a_search_as_what_it_tries_first(tmp_path):
    plan = plan_of(["quick"], search=4, grid=["finetune.learning_rate=1e-5..1e-2"], seeds=(0, 1))
    folder = StudyFolder(tmp_path)

    def timer(checked, groups):
        return dict.fromkeys(groups, TrialSeconds(40.0, 100.0))

    assert workload(plan, folder, 1, timer).time.seconds == pytest.approx(40 + 8 * 100)
    complete(folder, plan.trials[0], "training", 10.0)
    assert workload(plan, folder, 1, timer).time == Time(70.0)


def test_dry_run__on_the_command_line_writes_nothing_and_leaves_keras_to_another_process(
    session_colours, tmp_path, monkeypatch
):
    # Where that process fails there is no estimate.
    for name in ("keras", "tensorflow"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    command = [
        "study",
        str(session_colours),
        "-o",
        str(tmp_path / "s"),
        "--search",
        "3",
        "--recipes",
        "quick",
    ]
    command += ["--grid", "finetune.learning_rate=1e-5..1e-2", "--dry-run", "--quiet"]
    code = "import sys; from budwood.cli import main\ntry:\n    main()\nfinally:\n"
    code += "    assert not {'keras', 'tensorflow'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
    assert "15 trainings at most: time unknown until the first trial ends" in done.stdout
    assert not (tmp_path / "s").exists()
