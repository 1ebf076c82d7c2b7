"""The predictor of a saved model: its converted graph is kept, found, made anew and moved."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from budwood.core.errors import RunError
from budwood.core.files import write_json
from budwood.features.engines import engine as engines
from budwood.inference import converted
from budwood.inference.artifact import read_info
from budwood.inference.keras_predictor import KerasPredictor
from budwood.inference.load import load_predictor
from budwood.inference.openvino_predictor import OpenVinoPredictor
from budwood.run import load
from budwood.runs.directory import OUR_FILES
from budwood.runs.replacing import place_beside, put_in_place
from tests.inference.asked import asked

pytest.importorskip("openvino")
pytestmark = pytest.mark.usefixtures("tiny_backbones", "shared_cache")


def test_load__a_graph_that_is_whole_is_used_without_a_word(model, photo):
    predictor, _, said = asked(model, photo)
    assert isinstance(predictor, OpenVinoPredictor) and said == []
    graph = converted.find(model, read_info(model).sha256)
    assert graph.difference < 1e-5 and graph.megabytes > 0 and graph.seconds > 0


def test_load__photos_that_an_older_pillow_scaled_are_told_of(model, photo):
    info = json.loads((model / "model.json").read_text())
    info["versions"]["pillow"] = "12.0.0"
    write_json(model / "model.json", info)
    _, _, said = asked(model, photo)
    assert len(said) == 1 and "Pillow 12.0.0" in said[0]


def test_load__a_model_that_was_changed_is_refused(model):
    with (model / "model.keras").open("ab") as file:
        file.write(b"more")
    with pytest.raises(RunError, match="damaged or changed"):
        load_predictor(model)


def test_load__keras_answers_without_openvino_or_where_it_is_asked_for(model, tiny_run, photo, monkeypatch):
    expected = asked(tiny_run / "model", photo)[1]
    with monkeypatch.context() as patch:
        patch.setattr(engines, "import_openvino", _absent)
        predictor, found, said = asked(model, photo)
        assert isinstance(predictor, KerasPredictor) and said == []
        assert found == pytest.approx(expected, abs=1e-5)
    shutil.rmtree(model / "openvino")
    assert isinstance(load_predictor(model, lambda: "keras"), KerasPredictor)
    assert not (model / "openvino").exists()


def test_load__keras_answers_where_the_graph_gives_something_else(model, photo, monkeypatch):
    shutil.rmtree(model / "openvino")
    monkeypatch.setattr(converted, "LARGEST_DIFFERENCE", 0.0)
    predictor, _, said = asked(model, photo)
    assert isinstance(predictor, KerasPredictor) and len(said) == 2
    assert not (model / "openvino").exists()


def test_run__opened_before_it_was_replaced_never_answers_for_the_other(tiny_run, photo, tmp_path):
    """Old and new have the same classes and files: nothing but who took whose place tells them apart."""
    old, other = shutil.copytree(tiny_run, tmp_path / "r"), shutil.copytree(tiny_run, tmp_path / "other")
    info = json.loads((other / "run.json").read_text())
    write_json(other / "run.json", info | {"finished": "2030-01-01T00:00:00+00:00"})
    for file in (*other.glob("model/openvino/model.*"),):
        shutil.copy(file, file.with_suffix(".copy"))
        file.with_suffix(".copy").replace(file)
    asked_before, half_asked, unasked = load(old), load(old), load(old)
    expected = asked_before.predict_proba(photo)
    _ = half_asked.files.model
    put_in_place(other.rename(place_beside(old)), old, OUR_FILES)
    np.testing.assert_array_equal(asked_before.predict_proba(photo), expected)
    replaced = pytest.raises(RunError, match="was replaced by another after it was opened")
    for run in (half_asked, unasked):
        with replaced:
            run.predict(photo)
        with replaced:
            _ = run.model
    with replaced:
        asked_before.predictor.probabilities(np.zeros((1, 8), np.float32))
    np.testing.assert_array_equal(load(old).predict_proba(photo), expected)


def _absent():
    raise ImportError("No module named 'openvino'")


UNLOADED = """
import sys
import budwood
run = budwood.load(sys.argv[1])
{ask}
heavy = {{"tensorflow", "keras", {more}}} & set(sys.modules)
assert not heavy, heavy
print("answered")
"""


@pytest.mark.parametrize(
    ("ask", "more"),
    [
        ("assert run.predict(sys.argv[3])[0].label == 'red'", "'scipy', 'sklearn', 'pandas', 'matplotlib'"),
        ("assert run.evaluate(sys.argv[2])['n'] > 3", "'matplotlib'"),
        ("assert run.predictor.predict([sys.argv[3]])[0].distance is not None", "'scipy', 'sklearn'"),
    ],
)
def test_run__answers_without_tensorflow_also_where_it_was_moved_to(
    ask, more, session_run, session_colours, photo, tmp_path
):
    moved = shutil.copytree(session_run, tmp_path / "elsewhere")
    done = subprocess.run(
        [sys.executable, "-c", UNLOADED.format(ask=ask, more=more), moved, session_colours, photo],
        capture_output=True,
        text=True,
        env=os.environ,
    )
    assert done.stdout.strip() == "answered", done.stderr


def test_run__a_predictor_is_loaded_once(session_run, photo):
    run = load(session_run)
    assert run.predictor is run.predictor
    np.testing.assert_array_equal(run.predict_proba(photo), run.predict_proba(photo))
