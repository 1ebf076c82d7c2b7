import subprocess
import sys

import pytest

from budwood.config.recipe import Recipe
from budwood.core.errors import RecipeError
from budwood.core.progress.base import SILENT
from budwood.data.check import Check
from budwood.data.manifest import Photo
from budwood.studies import study as module
from budwood.studies.grid import read_grid
from budwood.studies.plan import StudyPlan, describe, summary, workload
from budwood.studies.records import StudyFolder, StudyRecord, TrialRecord
from budwood.studies.request import StudyRequest
from budwood.studies.trials import plan_trials

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
    assert (found.trials, found.linear, found.seconds) == (6, 3, None)
    assert summary(plan, found) == "3 trainings and 3 linear trials: time unknown until the first trial ends"
    text = describe(plan, found)
    assert all(name in text for name in ("frozen-linear", "quick", "split 2", "budwood train DATA"))


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


def test_workload__from_the_trials_that_are_complete(tmp_path):
    plan = plan_of(["quick"], seeds=(0, 1, 2, 3))
    folder = StudyFolder(tmp_path)
    (tmp_path / "trials").mkdir()
    folder.write(StudyRecord(replicate_kind="split", configurations=[], trials=[plan.trials[0].name]))
    record = TrialRecord(
        configuration="quick",
        replicate="split 0",
        recipe=plan.trials[0].recipe,
        state="complete",
        seconds=100.0,
    )
    folder.trial(plan.trials[0].name).write(record)
    found = workload(plan, folder, 1)
    assert (found.complete, found.seconds) == (1, 300.0)
    assert workload(plan, folder, 3).seconds == 100.0
    # With another recipe it would be done anew.
    folder.trial(plan.trials[0].name).write(record.model_copy(update={"recipe": Recipe()}))
    assert (workload(plan, folder, 1).complete, workload(plan, folder, 1).seconds) == (0, 400.0)
    folder.trial(plan.trials[0].name).write(record)
    assert summary(plan, found) == "4 trainings, 1 of them complete: about 5 min"


def test_plan_study__what_is_wrong_is_said_before_a_photo_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "read_source", lambda *given, **options: pytest.fail("the photos were read"))

    def asked(recipe):
        return StudyRequest(data=tmp_path, output=tmp_path / "s", recipes=[recipe])

    with pytest.raises(RecipeError, match="no recipe"):
        module.plan_study(asked("frozen-liner"), SILENT)
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "thesis.txt").write_text("mine")
    with pytest.raises(module.RunError, match="not a study of Budwood"):
        module.plan_study(asked("quick"), SILENT)


def test_dry_run__on_the_command_line_writes_nothing_and_loads_no_tensorflow(session_colours, tmp_path):
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
    assert "15 trainings at most" in done.stdout
    assert not (tmp_path / "s").exists()


def test_plan_study__recipes_that_read_the_photos_in_two_ways_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "read_source", lambda *given, **options: pytest.fail("the photos were read"))
    request = StudyRequest(
        data=tmp_path, output=tmp_path / "s", recipes=["quick"], grid=['data.layout=["classes", "nested"]']
    )
    with pytest.raises(RecipeError, match=r"data\.layout differs"):
        module.plan_study(request, SILENT)
