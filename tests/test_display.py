import io
import sys

import pytest
from IPython.core.formatters import DisplayFormatter
from PIL import Image

import budwood
from budwood.display import register_hooks
from budwood.inference.explain import Explanation
from budwood.inference.prediction import Prediction
from tests.studies.made import Made, fill


@pytest.fixture
def formatter() -> DisplayFormatter:
    found = DisplayFormatter()
    register_hooks(found)
    return found


def test_register_hooks__an_explanation_is_shown_as_a_picture(formatter):
    unread = Explanation(Prediction("a.jpg", None, None, {}, error="cannot be read"), None)
    data, _ = formatter.format(unread)
    with Image.open(io.BytesIO(data["image/png"])) as picture:
        assert picture.format == "PNG"


def test_register_hooks__a_study_is_shown_as_html(formatter, tmp_path):
    made = Made(tmp_path / "study")
    fill(made, {"good": 0.9, "bad": 0.6}, replicates=3)
    data, _ = formatter.format(budwood.load_study(made.folder))
    assert "good has the lowest validation loss" in data["text/html"]


def test_register_hooks__without_ipython_nothing_happens(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", None)
    register_hooks()
