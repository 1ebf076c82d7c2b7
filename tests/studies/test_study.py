from functools import partial

import pytest

from budwood.core.errors import DataError, RecipeError, RunError, WeightsError
from budwood.core.files import read_csv, read_json
from budwood.core.locks import lock
from budwood.core.progress.base import SILENT
from budwood.pipeline.entry import train
from budwood.run import load
from budwood.studies.executor import LocalExecutor
from budwood.studies.records import StudyFolder
from budwood.studies.study import study
from tests.studies.executors import InMemoryExecutor, die_on_odd_splits

SMALL = ["data.size=64", "evaluate.resamples=200"]
STRENGTHS = "frozen.l2_strengths=[[0.1], [0.01]]"

# tests/cli/test_train.py has the study that computes its features.
pytestmark = pytest.mark.usefixtures("shared_cache", "known_features")


def small_study(data, folder, **options):
    settings = [*SMALL, *options.pop("settings", [])]
    options = {"recipes": ["frozen-linear"], "seeds": [0, 1], "settings": settings, **options}
    return study(data, folder, progress=SILENT, **options)


def contents(folder):
    return {file.relative_to(folder): file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}


@pytest.mark.slow
def test_study__linear_trials_are_what_train_gives(session_colours, tmp_path):
    results = small_study(session_colours, tmp_path / "s", grid=[STRENGTHS])
    assert [one.complete for one in results.summaries] == [2, 2]
    assert results.test_evaluations == 4 and not results.failures
    assert read_json(tmp_path / "s" / "study.json")["state"] == "complete"
    assert read_json(tmp_path / "s" / "results.json") == results.to_json()
    page = (tmp_path / "s" / "report.html").read_text(encoding="utf-8")
    assert (
        "has the lowest validation loss" in page and "frozen.l2_strengths" in page and "scikit-learn" in page
    )
    # Both strengths and both splits.
    for name in read_json(tmp_path / "s" / "study.json")["trials"][::3]:
        trial = tmp_path / "s" / "trials" / name
        run = train(session_colours, tmp_path / "r" / name, recipe=trial / "recipe.toml", progress=SILENT)
        ours, theirs = read_json(trial / "metrics.json"), run.metrics
        for split in ("validation", "test"):
            assert ours[split]["confusion"] == theirs[split]["confusion"]
            for key in ("n", "loss", "accuracy", "macro_f1"):
                assert ours[split][key] == pytest.approx(theirs[split][key], rel=1e-4), (split, key)
        for mine, other in zip(
            read_csv(trial / "predictions.csv"), read_csv(run.folder / "predictions.csv"), strict=True
        ):
            assert (mine["name"], mine["predicted"]) == (other["name"], other["predicted"])
            assert float(mine["probability"]) == pytest.approx(float(other["probability"]), abs=1e-4)
        assert (trial / "split.csv").read_bytes() == (run.folder / "split.csv").read_bytes()
        loaded = load(trial)
        assert loaded.splits == run.splits and loaded.classes == run.classes
        assert loaded.metrics == ours and loaded.recipe == run.recipe
        assert loaded.history[0].keys() == run.history[0].keys()
        for asked in (loaded.predict, loaded.explain):
            with pytest.raises(
                RunError, match=r"keeps no model.*budwood train DATA -o RUN --recipe \S*recipe"
            ):
                asked(session_colours / "red" / "red 00.jpg")


def test_study__linear_trials_load_no_keras(session_colours, tmp_path, monkeypatch):
    (tmp_path / "poison").mkdir()
    small_study(session_colours, tmp_path / "first", seeds=[0])
    # Features are here: from now on nobody needs Keras.
    for name in ("keras", "tensorflow"):
        (tmp_path / "poison" / f"{name}.py").write_text("raise RuntimeError('a linear trial loaded me')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "poison"))
    found = small_study(session_colours, tmp_path / "first", grid=[STRENGTHS], seeds=[0], resume=True)
    assert not found.failures
    # Nor for another study of the same photos and network ...
    assert not small_study(session_colours, tmp_path / "second", seeds=[0]).failures
    # ... but for one of a network whose features nobody has computed.
    other = small_study(session_colours, tmp_path / "third", seeds=[0], settings=["backbone.weights=random"])
    assert other.failures


def test_study__resumed_does_what_is_missing(session_colours, tmp_path):
    folder = tmp_path / "s"
    small_study(session_colours, folder)
    trials = folder / "trials"
    names = read_json(folder / "study.json")["trials"]
    StudyFolder(folder).trial(names[0]).update(state="planned")
    untouched = contents(trials / names[1])
    with pytest.raises(RunError, match="--resume to go on with it"):
        small_study(session_colours, folder)
    found = small_study(session_colours, folder, resume=True, seeds=[0, 1, 2])
    assert found.summaries[0].complete == 3
    page = folder / "report.html"
    assert "3 of 3 trials complete" in page.read_text(encoding="utf-8")
    assert contents(trials / names[1]) == untouched
    assert StudyFolder(folder).trial(names[0]).read().state == "complete"
    # What is not asked for again stays a part of it.
    again = small_study(
        session_colours,
        folder,
        resume=True,
        seeds=[0],
        grid=["frozen.folds=[3]"],
        command="budwood study it again",
    )
    assert read_json(folder / "study.json")["earlier_commands"] == [
        f"budwood study {session_colours} -o {folder}"
    ]
    assert "budwood study it again --resume" in page.read_text(encoding="utf-8")
    assert {one.name: one.complete for one in again.summaries} == {
        "frozen-linear": 3,
        "frozen-linear, frozen.folds=3": 1,
    }
    with pytest.raises(RunError, match="has a split for each trial, and this one would have a fold"):
        small_study(session_colours, folder, resume=True, seeds=[0], folds=3)
    replaced = small_study(session_colours, folder, overwrite=True, seeds=[5])
    assert replaced.summaries[0].complete == 1
    assert {path.name for path in trials.iterdir()} == {"frozen-linear-split-5", "frozen-linear-split-5.json"}
    assert "1 of 1 trial complete" in page.read_text(encoding="utf-8")


def test_study__a_changed_setting_is_tried_anew(session_colours, tmp_path):
    small_study(session_colours, tmp_path / "s", seeds=[0])
    before = contents(tmp_path / "s" / "trials")
    small_study(session_colours, tmp_path / "s", seeds=[0], resume=True, settings=["frozen.folds=3"])
    assert contents(tmp_path / "s" / "trials") != before


def test_study__other_photos_do_not_go_on(colours, tmp_path):
    small_study(colours, tmp_path / "s", seeds=[0])
    next((colours / "red").iterdir()).unlink()
    with pytest.raises(RunError, match="begun with other photos"):
        small_study(colours, tmp_path / "s", seeds=[0], resume=True)


def test_study__a_trial_that_dies_costs_that_one(session_colours, tmp_path):
    dying = partial(LocalExecutor, linear=die_on_odd_splits)
    found = small_study(session_colours, tmp_path / "s", seeds=[0, 1, 2, 3], executor=dying)
    assert found.failures == {
        f"frozen-linear, split {seed}": "its process ended with signal 9" for seed in (1, 3)
    }
    assert found.summaries[0].complete == 2
    assert "its process ended with signal 9" in (tmp_path / "s" / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_study__trainings_in_their_own_processes(session_colours, tmp_path):
    """The one that trains. Those that have nothing to train would load TensorFlow for it: they stay in this process."""
    one_epoch = {"recipes": ["frozen-gradient"], "seeds": [0], "settings": ["frozen.epochs=1"]}
    found = small_study(
        session_colours,
        tmp_path / "s",
        executor=InMemoryExecutor,
        **one_epoch,
        grid=['distill.run=["nowhere"]', "frozen.epochs=[1]"],
    )
    ((name, error),) = found.failures.items()
    assert "nowhere" in name and "nowhere is not a run" in error
    found = small_study(session_colours, tmp_path / "s", resume=True, **one_epoch)
    # The one that failed is a part of the study still, and was not asked for again.
    assert len(found.failures) == 1 and found.summaries[0].complete == 1
    trial = next(path for path in (tmp_path / "s" / "trials").iterdir() if (path / "metrics.json").exists())
    assert not (trial / "model").exists()
    assert (trial / "report.html").exists()
    # Killed after the training, before its outcome was written down: it is not trained again, nor does it fail.
    StudyFolder(tmp_path / "s").trial(trial.name).update(state="planned")
    untouched = contents(trial)
    small_study(session_colours, tmp_path / "s", resume=True, executor=InMemoryExecutor, **one_epoch)
    assert StudyFolder(tmp_path / "s").trial(trial.name).read().state == "complete"
    assert contents(trial) == untouched


@pytest.mark.slow
def test_study__keeps_every_model_where_it_is_asked_to(session_colours, tmp_path):
    import budwood

    small_study(session_colours, tmp_path / "s", seeds=[0], keep_models=True, executor=InMemoryExecutor)
    (record,) = (tmp_path / "s" / "trials").glob("*.json")
    trial = record.with_suffix("")
    assert budwood.load(trial).predict(sorted(session_colours.rglob("*.jpg"))[:1])[0].label == "blue"
    with pytest.raises(RunError, match="Give one of its trials, such as"):
        budwood.load(tmp_path / "s")


def test_study__no_test_and_folds(session_colours, tmp_path):
    found = small_study(session_colours, tmp_path / "s", seeds=[0], folds=3, test=False)
    assert (found.replicate_kind, found.split, found.test_evaluations) == ("fold", "validation", 0)
    held_out = [
        row["name"]
        for name in read_json(tmp_path / "s" / "study.json")["trials"]
        for row in read_csv(tmp_path / "s" / "trials" / name / "predictions.csv")
    ]
    assert len(held_out) == len(set(held_out)) == 42


def test_study__sizes(session_colours, tmp_path):
    found = small_study(session_colours, tmp_path / "s", sizes=[6, 15, "all"], seeds=[0])
    assert [one.train_photos for one in sorted(found.summaries, key=lambda one: one.train_photos)] == [
        6,
        15,
        33,
    ]
    assert len(found.curves) == 1


@pytest.mark.slow
def test_study__several_labels_are_what_train_gives(labels_table, tmp_path):
    results = small_study(labels_table, tmp_path / "s", grid=[STRENGTHS], seeds=[3])
    assert not results.failures and results.task == "multi-label"
    assert read_json(tmp_path / "s" / "study.json")["task"] == "multi-label"
    assert "mean average precision" in results.as_text() and "exact match" in results.as_text()
    first = read_json(tmp_path / "s" / "study.json")["trials"][0]
    trial = tmp_path / "s" / "trials" / first
    run = train(labels_table, tmp_path / "r", recipe=trial / "recipe.toml", progress=SILENT)
    ours, theirs = read_json(trial / "metrics.json"), run.metrics
    for split in ("validation", "test"):
        for key in ("n", "loss", "mean_average_precision", "macro_f1", "exact_match", "hamming_loss"):
            assert ours[split][key] == pytest.approx(theirs[split][key], rel=1e-4), (split, key)
        for mine, other in zip(ours[split]["per_label"], theirs[split]["per_label"], strict=True):
            assert mine["threshold"] == pytest.approx(other["threshold"], rel=1e-4)
    assert (trial / "split.csv").read_bytes() == (run.folder / "split.csv").read_bytes()
    assert load(trial).history[0].keys() == run.history[0].keys()
    listed = results.trials[0]
    assert listed.test == ours["test"]["mean_average_precision"]
    assert listed.test_labels.exact_match == ours["test"]["exact_match"]


def test_study__of_one_task(session_colours, labels_table, tmp_path):
    with pytest.raises(RecipeError, match=r"read the photos alike, and data.task differs"):
        small_study(session_colours, tmp_path / "s", grid=['data.task=["auto", "multi-label"]'])
    with pytest.raises(RecipeError, match=r'head.logits = "single"'):
        small_study(labels_table, tmp_path / "s", grid=['head.logits=["per-class", "single"]'])
    with pytest.raises(RecipeError, match=r"evaluate.thresholds"):
        small_study(session_colours, tmp_path / "s", settings=["evaluate.thresholds=0.9"])
    assert not (tmp_path / "s").exists()
    folder = tmp_path / "begun"
    small_study(session_colours, folder, seeds=[0])
    with pytest.raises(RunError, match="begun with one class a photo, and these photos have several labels"):
        small_study(session_colours, folder, seeds=[0], resume=True, settings=["data.task=multi-label"])


def test_study__in_use_by_another(session_colours, tmp_path):
    with lock(tmp_path / "s", "study"), pytest.raises(RunError, match="in use by another study"):
        small_study(session_colours, tmp_path / "s")


def test_study__wrong_requests_leave_no_trace(session_colours, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match=r"not a study of Budwood \(it holds thesis.txt\)"):
        small_study(session_colours, tmp_path / "mine", overwrite=True)
    with pytest.raises(DataError, match="fewer than the 3 classes"):
        small_study(session_colours, tmp_path / "s", sizes=[2])
    with pytest.raises(DataError, match="there are 33 photos to learn from"):
        small_study(session_colours, tmp_path / "s", sizes=[5000])
    with pytest.raises(WeightsError, match="no weights file nowhere.h5"):
        small_study(session_colours, tmp_path / "s", weights=["nowhere.h5"])
    assert not (tmp_path / "s").exists()


def test_study__by_another_executor_gives_the_same(session_colours, tmp_path):
    options = {"grid": [STRENGTHS]}
    here = small_study(session_colours, tmp_path / "here", jobs=2, **options)
    # The number of threads of BLAS is one for the process: two fits at once would undo each other's.
    there = small_study(session_colours, tmp_path / "there", executor=InMemoryExecutor, jobs=1, **options)
    assert [one.complete for one in there.summaries] == [2, 2]
    for one, other in zip(here.summaries, there.summaries, strict=True):
        assert (one.name, one.validation_loss, one.test) == (other.name, other.validation_loss, other.test)
