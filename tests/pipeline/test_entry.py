"""`budwood.train`: what it hands on. A fresh interpreter is asked in test_imports.py what is refused without Keras."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from budwood.config.recipe import Recipe
from budwood.core.errors import RecipeError
from budwood.core.progress.base import SILENT
from budwood.pipeline import entry as module
from budwood.run import Run, load


@pytest.fixture
def handed(monkeypatch, session_run):
    """What comes to the training itself."""
    found = []

    def train_request(request, callbacks):
        found.append((request, callbacks))
        return load(session_run)

    monkeypatch.setattr(module, "load_keras", lambda: None)
    monkeypatch.setitem(sys.modules, "budwood.pipeline.train", SimpleNamespace(train_request=train_request))
    return found


def test_train__hands_on_a_request_with_photos_listed(handed, session_colours, tmp_path):
    found = module.train(
        session_colours, tmp_path / "run", recipe=Recipe(), settings=["seed=3"], progress=SILENT, command="c"
    )
    ((request, callbacks),) = handed
    assert isinstance(found, Run) and callbacks == []
    assert (request.recipe.seed, len(request.manifest.photos)) == (3, 42)
    assert request.directory.folder == Path(tmp_path / "run") and not (tmp_path / "run").exists()


def test_train__one_callback_or_several(handed, session_colours, tmp_path):
    import keras

    one = keras.callbacks.Callback()
    for given in (one, [one], (one,)):
        module.train(session_colours, tmp_path / "run", callbacks=given, progress=SILENT)
        assert handed.pop()[1] == [one]


def test_train__what_is_refused_never_comes_to_the_training(handed, session_colours):
    with pytest.raises(RecipeError, match="no recipe"):
        module.train(session_colours, recipe="qick")
    assert not handed
