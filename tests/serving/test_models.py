"""Models by name, and how one takes the place of another."""

import shutil
import threading

import pytest

from budwood.core.errors import RunError
from budwood.core.files import read_json, write_json
from budwood.run import load
from budwood.serving.models import Models, named_runs
from tests.serving.running import running


def test_named_runs(tmp_path):
    (tmp_path / "a=b").mkdir()
    assert named_runs([str(tmp_path / "a=b")]) == {"a=b": tmp_path / "a=b"}
    for given, words in (
        (["runs/x", "other/x"], "two runs are named x"),
        (["=runs/x"], "no name"),
        (["a/b=runs/x"], "no name"),
        (["..=runs/x"], "no name"),
    ):
        with pytest.raises(RunError, match=words):
            named_runs(given)


def _put(source, folder) -> None:
    """Put a run in the place of another, as a training with --overwrite does."""
    shutil.copytree(source, folder.with_name("new"))
    if folder.exists():
        folder.rename(folder.with_name(f"old{len(list(folder.parent.iterdir()))}"))
    folder.with_name("new").rename(folder)


def test_models__of_which_one_is_replaced(tiny_run, tiny_label_run, tmp_path, red):
    folder, said = tmp_path / "run", []
    _put(tiny_run, folder)
    with running({"colours": folder}) as server:
        models = server.server.models
        models._say = said.append
        old = models.find(None)
        assert models.reload() == []
        errors, stop = [], threading.Event()

        def ask() -> None:
            while not stop.is_set():
                if (answer := server.post("/v1/predict", red)).status != 200:
                    errors.append(answer)

        asking = threading.Thread(target=ask)
        asking.start()
        _put(tiny_label_run, folder)
        # What the old run's photos promise cannot be read any more, what was said already can.
        assert server.post("/v1/predict?coverage=0.8", red).status == 503
        assert models.reload() == ["colours"] and "is replaced" in said[-1]
        stop.set()
        asking.join()
        assert errors == []
        assert server.post("/v1/predict", red).json["fingerprint"] == load(tiny_label_run).model_sha256
        assert old.answer("a", red, old.default_rules).label == "red"


def test_models__one_that_cannot_be_loaded_leaves_the_old_one(tiny_run, tiny_label_run, tmp_path, red):
    folder, said = tmp_path / "run", []
    _put(tiny_run, folder)
    models = Models({"colours": folder}, said.append)
    _put(tiny_label_run, folder)
    state = read_json(folder / "run.json")
    write_json(folder / "run.json", state | {"state": "running"})
    assert models.reload() == [] and models.reload() == []
    assert len(said) == 1 and "is not replaced" in said[0]
    assert models.find("colours").answer("a", red, models.find(None).default_rules).label == "red"
    write_json(folder / "run.json", state)
    assert models.reload() == ["colours"]


def test_models__watch_goes_on_whatever_happens(tiny_run):
    said, again = [], threading.Event()

    class Failing(Models):
        def reload(self):
            if said:
                again.set()
            raise ValueError("what nobody thought of")

    models = Failing({"colours": tiny_run}, said.append)
    models.watch(0.01)
    assert again.wait(20)
    models.close()
    assert "the models before go on answering: ValueError('what nobody thought of')" in said[0]


def test_models__watch(tiny_run, tiny_label_run, tmp_path):
    folder = tmp_path / "run"
    _put(tiny_run, folder)
    heard = threading.Event()
    models = Models({"colours": folder}, lambda line: heard.set())
    models.watch(0.02)
    _put(tiny_label_run, folder)
    assert heard.wait(10)
    models.close()


def test_models__damaged_runs_are_refused(tiny_run, tmp_path):
    _put(tiny_run, tmp_path / "run")
    (tmp_path / "run" / "model" / "model.keras").write_bytes(b"damaged")
    with pytest.raises(RunError, match="damaged or changed"):
        Models({"a": tmp_path / "run"})
    with pytest.raises(RunError):
        Models({"a": tiny_run, "b": tmp_path / "none"})
