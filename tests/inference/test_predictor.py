"""The contract of a predictor, held by the one on OpenVINO, the one on Keras, and one in memory."""

import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from budwood.core.errors import ImageError, PictureError, RunError
from budwood.core.progress.base import SILENT
from budwood.data.manifest import Photo
from budwood.evaluation.ood import Reference
from budwood.features.ensemble import ExtractorEnsemble
from budwood.features.extractor import FeatureExtractor, KnownModel
from budwood.inference.keras_predictor import KerasPredictor
from budwood.inference.load import load_predictor
from budwood.inference.predictor import InputContract, OodDetector, Predictor, Scores
from tests.forked import in_child
from tests.inference.asked import keras_predictor

pytest.importorskip("openvino")
pytestmark = pytest.mark.usefixtures("shared_cache")


class MeanColour(Predictor):
    """Knows red, green and blue by the mean of a picture, in NumPy alone."""

    def __init__(self):
        known = np.eye(3, dtype=np.float32)
        super().__init__(
            ["blue", "green", "red"],
            InputContract(16, "crop"),
            OodDetector(Reference(known, np.array([2, 1, 0]), known[[0, 0, 1]] * 0.9)),
        )

    def scores(self, views: Iterable[np.ndarray]) -> Iterator[Scores]:
        for pixels in views:
            features = (pixels.mean(axis=(0, 1)) / 255).astype(np.float32)
            yield Scores(self.probabilities(features[None])[0], features)

    def probabilities(self, rows) -> np.ndarray:
        rows = np.asarray(rows[np.arange(len(rows))], np.float32)[:, ::-1]
        shares = np.exp(8 * rows)
        return shares / shares.sum(axis=1, keepdims=True)

    def extractor(self, progress=SILENT) -> ExtractorEnsemble:
        known = KnownModel("0" * 32, (3,), lambda: _FeaturesOf(self))
        return ExtractorEnsemble([FeatureExtractor(known, size=16, resize="crop", progress=progress)])


class _FeaturesOf:
    engine = "numpy"

    def __init__(self, predictor):
        self.predictor, self.notes = predictor, []

    def run(self, views):
        return (scores.features for scores in self.predictor.scores(views))


@pytest.fixture(scope="session")
def made(session_run):
    """Each kind is made once, and stays warm."""
    return {}


@pytest.fixture(params=["openvino", "keras", "memory"])
def predictor(request, made, session_run) -> Predictor:
    kinds = {
        "openvino": lambda: load_predictor(session_run / "model"),
        "keras": lambda: keras_predictor(session_run),
        "memory": MeanColour,
    }
    if request.param not in made:
        made[request.param] = kinds[request.param]()
    return made[request.param]


def test_predict__names_the_class_in_order(predictor, photos):
    found = predictor.predict(photos)
    assert [one.label for one in found] == ["red", "green", "blue"] * 3
    assert [one.name for one in found] == list(map(str, photos))
    for one in found:
        assert list(one.probabilities) == predictor.classes
        assert sum(one.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert one.confident and one.distance is not None
    assert not any(one.confident for one in predictor.predict(photos, confidence_threshold=1.1))
    assert not any(one.out_of_distribution for one in predictor.predict(photos, acceptance=1.0))


def test_predict__goes_on_past_what_cannot_be_read(predictor, photos, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_text("text")
    found = predictor.predict([bad, photos[0], bad, photos[1], bad])
    assert [one.label for one in found] == [None, "red", None, "green", None]
    assert [isinstance(one, ImageError) for one in predictor.ask([photos[0], bad])] == [False, True]
    assert predictor.predict([]) == []


def test_stream__takes_pictures_as_it_goes(predictor, photos):
    taken = []

    def pictures():
        for number in range(200):
            taken.append(number)
            yield photos[number % 9]

    found = predictor.stream(pictures())
    assert not taken
    first = next(found)
    ahead = len(taken)
    assert first.label == "red" and ahead < 100
    assert [next(found).label for _ in range(5)] == ["green", "blue", "red", "green", "blue"]
    assert len(taken) <= ahead + 40
    # Left in the middle, nothing goes on.
    found.close()
    taken.clear()
    assert list(found) == [] == taken


def test_stream__refuses_at_once(predictor, photos):
    with pytest.raises(PictureError, match="picture 1: None"):
        predictor.stream([photos[0], None])
    with pytest.raises(PictureError, match="9 pictures but 1 name. Give one name for each"):
        predictor.stream(photos, names=["a"])


def test_stream__distances_are_those_of_the_reference(predictor, photos):
    for scores, prediction in zip(predictor.ask(photos), predictor.predict(photos), strict=True):
        expected = predictor.ood.reference.distance(scores.features[None])[0]
        assert prediction.distance == pytest.approx(expected, abs=2e-6)


def test_scores__do_not_depend_on_the_others(predictor, photos):
    together = [scores.probabilities for scores in predictor.ask(photos)]
    alone = [next(predictor.ask([photo])).probabilities for photo in photos]
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_extractor__stored_features_give_the_same_probabilities(predictor, photos):
    some = [Photo(path, name=path.name, label="red") for path in photos]
    with predictor.extractor() as features:
        assert not features.compute(some).failed
        found = predictor.probabilities(features.rows(some))
        assert predictor.probabilities(features.rows([])).shape == (0, 3)
    np.testing.assert_allclose(found, [one.probabilities for one in predictor.ask(photos)], atol=1e-6)


def test_predict__an_acceptance_is_refused_by_one_that_cannot_tell(predictor, photos):
    detector, predictor.ood = predictor.ood, None
    try:
        assert predictor.predict(photos[:1])[0].distance is None
        with pytest.raises(RunError, match="cannot tell"):
            predictor.predict(photos[:1], acceptance=0.9)
    finally:
        predictor.ood = detector


def test_predict__several_threads_get_what_one_gets(predictor, photos):
    expected = [one.probabilities for one in predictor.predict(photos)]
    gate = threading.Barrier(4)

    def ask(_):
        gate.wait()
        return [one.probabilities for one in predictor.predict(photos)]

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(ask, range(4)):
            for one, other in zip(found, expected, strict=True):
                assert one == pytest.approx(other, abs=1e-6)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_predict__after_a_fork_a_new_engine_or_a_sentence(predictor, photos):
    expected = predictor.predict(photos[:3])
    said = in_child(lambda: predictor.predict(photos[:3]) == expected)
    if isinstance(predictor, KerasPredictor):
        assert said.startswith("SettingError: TensorFlow does not outlive a fork")
    else:
        assert said == "True"
    assert predictor.predict(photos[:3]) == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_predict__loaded_before_a_fork_and_first_asked_in_each_child(session_run, photos):
    """As under `gunicorn --preload`."""
    predictor = load_predictor(session_run / "model")
    assert [in_child(lambda: predictor.predict(photos[:1])[0].label) for _ in range(2)] == ["red", "red"]
    assert predictor.predict(photos[:1])[0].label == "red"
