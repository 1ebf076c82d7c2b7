import io
import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from budwood.config.recipe import Recipe
from budwood.core.errors import DataError
from budwood.runs.info import read_info
from budwood.runs.schema import RunInfo
from budwood.runs.writing import write_info
from budwood.studies import trial as module
from budwood.studies.records import TrialRecord
from budwood.studies.spec import TrialSpec
from tests.studies.made import write_run


@pytest.fixture
def spec_of(tmp_path):
    (tmp_path / "trials").mkdir()

    def make(kind="linear", **options):
        spec = TrialSpec(tmp_path, "photos", "quick-split-0", kind, Recipe(), **options)
        spec.folder.write(TrialRecord(configuration="quick", replicate="split 0", kind=kind, recipe=Recipe()))
        return spec

    return make


@pytest.fixture
def trained(monkeypatch):
    """In place of the training: what it was called with, and the run that it writes, with a model."""
    calls = []

    def train(data, folder, **options):
        calls.append((data, folder, options))
        if not folder.exists():
            write_run(folder, "split 0", np.arange(8) < 6)
        write_info(folder, read_info(folder).model_copy(update={"saved": True, "state": "complete"}))
        for name in ("model", "checkpoints", "logs"):
            (folder / name).mkdir()
            (folder / name / "file").touch()

    monkeypatch.setitem(sys.modules, "budwood.pipeline.entry", SimpleNamespace(train=train))
    return calls


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DataError("nothing to learn from"), "nothing to learn from"),
        (ZeroDivisionError("by zero"), "unexpected ZeroDivisionError: by zero"),
    ],
)
def test_execute__an_error_is_a_result(spec_of, monkeypatch, capsys, error, words):
    def fail(spec):
        raise error

    monkeypatch.setattr(module, "fit_and_evaluate", fail)
    spec = spec_of()
    found = module.execute(spec)
    assert found.error == words and found.validation is None and found.seconds >= 0
    assert (spec.folder.read().state, spec.folder.read().error) == ("failed", words)
    # Who wonders about what nobody expected finds the trace in the log.
    assert ("Traceback" in capsys.readouterr().err) == words.startswith("unexpected")


def test_execute__a_trial_that_had_failed_is_complete(spec_of, monkeypatch):
    monkeypatch.setattr(
        module, "fit_and_evaluate", lambda spec: write_run(spec.folder.run, "split 0", np.arange(8) < 6)
    )
    spec = spec_of()
    spec.folder.update(state="failed", error="the disk was full")
    assert module.execute(spec).validation.value == 0.75
    assert (spec.folder.read().state, spec.folder.read().error) == ("complete", None)


@pytest.mark.parametrize("keep", [False, True])
def test_execute__a_model_is_kept_where_it_is_asked_for(spec_of, trained, keep):
    spec = spec_of("training", keep_model=keep)
    assert module.execute(spec).error is None
    ((data, folder, options),) = trained
    assert (data, folder, options["recipe"], options["resume"]) == (
        "photos",
        spec.folder.run,
        spec.recipe,
        False,
    )
    assert [(folder / name).exists() for name in module.MODELS] == [keep] * 3
    assert read_info(folder).saved is keep


def test_execute__goes_on_with_a_training_that_was_killed(spec_of, trained):
    spec = spec_of("training")
    spec.folder.run.mkdir()
    write_info(spec.folder.run, RunInfo(budwood="1", command="", started="", task="single-label"))
    module.train(spec)
    ((_, _, options),) = trained
    assert options["resume"] is True


def test_execute__a_training_that_was_complete_is_not_done_again(spec_of, trained):
    spec = spec_of("training")
    write_run(spec.folder.run, "split 0", np.arange(8) < 6)
    (spec.folder.run / "checkpoints").mkdir()
    assert module.execute(spec).validation.photos == 8
    assert not trained and not (spec.folder.run / "checkpoints").exists()


def test_main__takes_the_trial_from_standard_input(spec_of, monkeypatch):
    done = []
    spec = spec_of()
    monkeypatch.setattr(module, "execute", done.append)
    monkeypatch.setattr(module, "die_with_parent", lambda: done.append("bound"))
    monkeypatch.setattr(module, "freeze_imports", lambda: done.append("frozen"))
    monkeypatch.setattr(module, "stay_on", done.append)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(pickle.dumps((spec, [0, 2])))))
    module.main()
    assert done == ["bound", "frozen", [0, 2], spec]
