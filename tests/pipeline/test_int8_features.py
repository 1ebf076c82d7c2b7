"""int8 features: why they are not tried, what a trial says, and a training that learns from them."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from budwood.config.recipe import Recipe
from budwood.core.errors import ImageError, RecipeError
from budwood.core.progress.base import SILENT
from budwood.evaluation.task import MULTI_LABEL, SINGLE_LABEL
from budwood.features.extractor import FeatureExtractor
from budwood.pipeline import int8_features
from budwood.pipeline.entry import train
from budwood.pipeline.features import extractor
from budwood.pipeline.int8_features import (
    Trial,
    _fewest,
    _right_in_folds,
    _sample,
    _times_as_fast,
    _tried,
    with_possible_precision,
)
from budwood.pipeline.prepare import check_photos, prepare, split_photos
from budwood.pipeline.request import Output, ask_for_training

SETTINGS = ["backbone.name=tiny", "data.size=32", "backbone.precision=int8"]


@pytest.fixture
def few_suffice(monkeypatch):
    pytest.importorskip("nncf")
    for name, number in (("FEWEST", 20), ("TRIED", 12), ("TRIED_OF_A_CLASS", 1)):
        monkeypatch.setattr(int8_features, name, number)


def ask(data, folder, *settings):
    recipe = Recipe.load("frozen-linear").with_settings([*SETTINGS, *settings])
    return ask_for_training(data, recipe, Output(folder), progress=SILENT)


def warnings_of(run):
    return [one["text"] for one in run.info["warnings"]]


@pytest.mark.usefixtures("tiny_backbones", "shared_cache")
class TestWithPossiblePrecision:
    @pytest.fixture
    def photos(self, session_colours, tmp_path):
        request = ask(session_colours, tmp_path / "run")
        return split_photos(request, check_photos(request))

    @pytest.mark.parametrize(
        ("settings", "task", "reason"),
        [
            ([], SINGLE_LABEL, "training photos, fewer than 20,000, to try int8 takes longer than it saves"),
            (["finetune.epochs=2"], SINGLE_LABEL, "int8 is for a head alone"),
            (["backbone.engine=keras"], SINGLE_LABEL, "int8 needs OpenVINO"),
            ([], MULTI_LABEL, "one class a photo alone"),
        ],
    )
    def test_refuses_in_words(self, photos, settings, task, reason):
        recipe = Recipe.load("frozen-linear").with_settings([*SETTINGS, *settings])
        found, (note,) = with_possible_precision(recipe, photos, task)
        assert found.backbone.precision == "f32" and note.kind == "precision"
        assert reason in note.text and note.text.endswith(": features are computed in f32")

    def test_leaves_other_recipes_alone(self, photos):
        recipe = Recipe.load("quick")
        assert with_possible_precision(recipe, photos, SINGLE_LABEL) == (recipe, ())

    def test_names_the_extra(self, photos, monkeypatch):
        monkeypatch.setattr(int8_features, "find_spec", lambda name: None)
        recipe = Recipe.load("frozen-linear").with_settings(SETTINGS)
        many = [replace(photos[0], split="train", sha256=str(number)) for number in range(20_000)]
        with pytest.raises(RecipeError, match=r'needs the package nncf: pip install "budwood\[int8\]"'):
            with_possible_precision(recipe, many, SINGLE_LABEL)


@pytest.mark.parametrize(
    ("faster", "lost", "good"),
    [(1.5, 0.002, True), (1.49, 0.0, False), (2.0, 0.003, False), (2.0, -0.1, True)],
)
def test_trial__is_good(faster, lost, good):
    assert Trial(1000, faster, lost).is_good == good


def test_times_as_fast__by_the_fastest_rounds(monkeypatch):
    # Three rounds of both: 3, 1 and 4 seconds beside 0.5, 2 and 1.
    ticks = iter(np.cumsum([0, 3, 0, 0.5, 0, 1, 0, 2, 0, 4, 0, 1]))
    monkeypatch.setattr(int8_features.time, "perf_counter", lambda: next(ticks))
    assert _times_as_fast(lambda: None, lambda: None) == 2.0


def test_right_in_folds__what_was_learned_from_other_photos():
    """Features that say the class, and the same with the classes mixed up while learning."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 20)
    said = (np.eye(3)[labels] + rng.normal(0, 0.01, (60, 3))).astype(np.float32)
    alone = [None] * 60
    assert _right_in_folds(said, said, labels, alone, 1e-3, 5, 0).all()
    mixed = said[:, [1, 2, 0]]
    assert not _right_in_folds(mixed, said, labels, alone, 1e-3, 5, 0).any()
    # The only photo of a class is never held out.
    rows = [np.append(one, np.full((1, 3), 5, np.float32), 0) for one in (mixed, said)]
    assert _right_in_folds(*rows, np.append(labels, 3), [None] * 61, 1e-3, 5, 0).sum() == 1


def test_sample__of_each_class_its_share_and_two_at_least(session_colours, tmp_path):
    request = ask_for_training(session_colours, Recipe.load("frozen-linear"), Output(tmp_path / "run"))
    photo = split_photos(request, check_photos(request))[0]
    classes = {"often": 900, "seldom": 90, "rare": 3, "once": 1}
    photos = [replace(photo, label=label) for label, number in classes.items() for _ in range(number)]
    found = Counter(one.label for one in _sample(photos, 100))
    assert found == {"often": 91, "seldom": 9, "rare": 2, "once": 1}
    assert _fewest(photos) == 20_000
    many = [replace(photo, label=str(number)) for number in range(400)]
    assert _tried(many) == 2_000 and _fewest(many) == 40_000


def test_extractor__int8_is_made_by_a_training_alone(tiny_backbones):
    with pytest.raises(RecipeError, match="on one machine"):
        extractor(None, Recipe.load("frozen-linear"), "int8")


def test_ask_for_training__no_int8_within_minutes(tiny_backbones, session_colours, tmp_path):
    with pytest.raises(RecipeError, match="backbone.precision is int8. Leave one of them out"):
        ask(session_colours, tmp_path / "run", "budget.minutes=3")


@pytest.mark.usefixtures("own_cache", "few_suffice")
class TestTraining:
    @pytest.fixture
    def good(self, monkeypatch):
        monkeypatch.setattr(Trial, "is_good", True)

    @pytest.fixture
    def computed(self, monkeypatch):
        """The splits of the photos that were computed, by the fingerprint of what computed them."""
        computed, plain = {}, FeatureExtractor.compute

        def compute(self, photos, *given, **named):
            found = plain(self, photos, *given, **named)
            if found.num_computed:
                computed.setdefault(self.fingerprint, set()).update(photo.split for photo in photos)
            return found

        monkeypatch.setattr(FeatureExtractor, "compute", compute)
        return computed

    def test_learns_from_int8_and_measures_in_f32(
        self, tiny_backbones, session_colours, tmp_path, good, computed
    ):
        request = ask(session_colours, tmp_path / "run")
        prepared = prepare(request)
        (rounded,) = prepared.rounded.values()
        # The trial is about training photos alone.
        assert set().union(*computed.values()) == {"train"} and rounded.fingerprint in computed
        run = train(
            session_colours, tmp_path / "run", recipe="frozen-linear", settings=SETTINGS, progress=SILENT
        )
        assert run.info["requested"]["recipe"]["backbone"]["precision"] == "int8"
        assert Recipe.load(run.folder / "recipe.toml").backbone.precision == "int8"
        assert run.metrics["test"]["accuracy"] > 0.8
        assert not [text for text in warnings_of(run) if "f32" in text]
        with prepared.open_features(SILENT) as features:
            learned = [photo for photo in prepared.photos if photo.split == "train"]
            assert computed[rounded.fingerprint] == {"train"}
            features.exact.compute(learned)
            pair = [part.array(learned) for part in (features.training, features.exact)]
        apart = np.linalg.norm(pair[0] - pair[1]) / np.linalg.norm(pair[1])
        assert 1e-4 < apart < 0.5

    def test_trial_that_is_lost(self, tiny_backbones, session_colours, tmp_path, monkeypatch):
        monkeypatch.setattr(int8_features, "_times_as_fast", lambda slow, fast: 1.2)
        run = train(
            session_colours, tmp_path / "run", recipe="frozen-linear", settings=SETTINGS, progress=SILENT
        )
        assert Recipe.load(run.folder / "recipe.toml").backbone.precision == "f32"
        (text,) = (text for text in warnings_of(run) if "int8" in text)
        assert text.startswith("int8 is 1.20 times as fast, ")
        assert text.endswith("(wanted: 1.5 times, and at most 0.2 points): features are computed in f32")

    def test_network_that_openvino_does_not_know(
        self, tiny_backbones, session_colours, tmp_path, monkeypatch
    ):
        def unknown(*given):
            raise RuntimeError("no such layer")

        monkeypatch.setattr("budwood.features.engines.openvino.convert_model", unknown)
        found = prepare(ask(session_colours, tmp_path / "run"))
        assert found.recipe.backbone.precision == "f32" and not found.rounded
        assert "OpenVINO does not know all layers of tiny" in found.found[0].text

    def test_trial_is_not_made_twice(self, tiny_backbones, session_colours, tmp_path, monkeypatch):
        monkeypatch.setattr(int8_features, "_times_as_fast", lambda slow, fast: 7.0)
        monkeypatch.setattr(int8_features, "MOST_LOST", 1.0)
        first = prepare(ask(session_colours, tmp_path / "run"))
        monkeypatch.setattr(int8_features, "_times_as_fast", lambda slow, fast: 1.0)
        again = prepare(ask(session_colours, tmp_path / "run"))
        assert again.rounded.keys() == first.rounded.keys() == {"tiny"}
        # Other folds are another question.
        other = prepare(ask(session_colours, tmp_path / "run", "seed=1"))
        assert not other.rounded and "int8 is 1.00 times as fast" in other.found[0].text

    def test_photo_that_is_gone_calibrates_nothing(
        self, tiny_backbones, session_colours, tmp_path, good, monkeypatch
    ):
        seen, plain = [], int8_features.stream_views

        def stream(photos, *given):
            seen.append(photos[0].name)
            if len(seen) == 1:
                raise ImageError("is gone")
            return plain(photos, *given)

        monkeypatch.setattr(int8_features, "stream_views", stream)
        assert prepare(ask(session_colours, tmp_path / "run")).rounded and len(seen) > 2

    def test_features_that_are_there(self, tiny_backbones, session_colours, tmp_path, good):
        plain = [*SETTINGS[:2], "backbone.precision=f32"]
        train(session_colours, tmp_path / "plain", recipe="frozen-linear", settings=plain, progress=SILENT)
        run = train(
            session_colours, tmp_path / "run", recipe="frozen-linear", settings=SETTINGS, progress=SILENT
        )
        (text,) = (text for text in warnings_of(run) if "int8" in text or "f32" in text)
        assert text.startswith("the store has f32 features of ") and run.info["features"]["computed"] == 0

    def test_graph_that_is_gone_is_made_again(
        self, tiny_backbones, session_colours, tmp_path, good, own_cache
    ):
        import shutil

        (rounded,) = prepare(ask(session_colours, tmp_path / "run")).rounded.values()
        folder = own_cache / "graphs" / rounded.fingerprint
        assert folder.is_dir()
        shutil.rmtree(folder)
        (again,) = prepare(ask(session_colours, tmp_path / "run")).rounded.values()
        assert again.fingerprint == rounded.fingerprint
        pixels = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)
        assert len(list(again.engine().run(pixels))) == 1 and folder.is_dir()
