import inspect
from types import SimpleNamespace

import numpy as np
import pytest

from budwood.core.errors import SettingError
from budwood.core.progress.base import SILENT
from budwood.inference.keras_predictor import KerasPredictor


class Artifact:
    """A model that knows red, green and blue by the mean of a picture."""

    classes, size, resize, levels, thresholds = ("red", "green", "blue"), 8, "crop", None, None

    def __init__(self):
        self.engines = []

    def features(self, *, engine, progress):
        self.engines.append(engine)
        return SimpleNamespace(
            part=SimpleNamespace(
                run=lambda views: (view.mean(axis=(0, 1)).astype(np.float32) for view in views)
            )
        )

    def probabilities(self, rows):
        rows = np.asarray(rows, np.float32)
        return rows / rows.sum(axis=1, keepdims=True)


@pytest.fixture
def predictor():
    found = object.__new__(KerasPredictor)
    # The check of types at run time asks for a whole model.
    inspect.unwrap(KerasPredictor.__init__)(found, Artifact(), engine="keras")
    found.extractor = lambda: found.artifact.features(engine=found._engine, progress=SILENT)
    return found


def test_scores__are_the_heads_on_the_features_of_each_view(predictor):
    views = [np.full((8, 8, 3), colour, np.uint8) for colour in ((200, 50, 50), (10, 10, 80))]
    found = list(predictor.scores(iter(views)))
    np.testing.assert_allclose(
        [one.probabilities for one in found], [[2 / 3, 1 / 6, 1 / 6], [0.1, 0.1, 0.8]], rtol=1e-6
    )
    np.testing.assert_allclose([one.features for one in found], [[200, 50, 50], [10, 10, 80]])
    list(predictor.scores(views))
    assert predictor.artifact.engines == ["keras"]


def test_scores__are_refused_in_a_forked_process(predictor, monkeypatch):
    monkeypatch.setattr("budwood.core.forks._tensorflow_was_running", True)
    with pytest.raises(SettingError, match="does not outlive a fork"):
        next(predictor.scores([np.zeros((8, 8, 3), np.uint8)]))
    with pytest.raises(SettingError, match="does not outlive a fork"):
        predictor.probabilities(np.ones((1, 3), np.float32))
