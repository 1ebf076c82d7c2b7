import numpy as np
import pytest

from budwood.auditing import features as module
from budwood.auditing.features import audited_features
from budwood.config.recipe import Recipe
from budwood.core.progress.base import SILENT
from budwood.data.augment import Renderer
from budwood.data.manifest import Photo
from budwood.features import fingerprint_cache
from budwood.features.engines.engine import Engine
from budwood.features.fingerprint_cache import KnownFeatures
from budwood.features.store.store import FeatureStore

RECIPE = Recipe.from_dict({"backbone": {"name": "mobilenet_v2"}})
KNOWN = KnownFeatures("f" * 64, 4, 32)
PICTURE = np.zeros((32, 32, 3), np.uint8)
PHOTOS = [Photo(PICTURE, f"{number}.jpg", "a", sha256=f"{number:064x}") for number in range(3)]
ROWS = np.arange(12, dtype=np.float32).reshape(3, 4)


class KerasAskedError(Exception):
    """Keras is wanted."""


@pytest.fixture(autouse=True)
def without_keras(monkeypatch):
    def refuse():
        raise KerasAskedError

    monkeypatch.setattr(module, "load_keras", refuse)
    monkeypatch.setattr(Engine, "kept", lambda *arguments: None)


def store(photos):
    renderer = Renderer(KNOWN.size, RECIPE.data.resize)
    with FeatureStore().open(KNOWN.fingerprint, (KNOWN.features,)) as table:
        for photo, row in zip(photos, ROWS, strict=False):
            table.add(renderer.key(photo.sha256, 0), row)


def test_audited_features__of_the_store_need_no_network():
    fingerprint_cache.write(RECIPE, KNOWN)
    store(PHOTOS)
    with audited_features(RECIPE, PHOTOS, SILENT) as (opened, extraction):
        assert (extraction.num_computed, extraction.num_found, extraction.failed) == (0, 3, {})
        np.testing.assert_array_equal(opened.array(PHOTOS), ROWS)


def test_audited_features__a_photo_that_is_missing_needs_one():
    fingerprint_cache.write(RECIPE, KNOWN)
    store(PHOTOS[:2])
    with pytest.raises(KerasAskedError), audited_features(RECIPE, PHOTOS, SILENT):
        pass


def test_audited_features__of_a_backbone_that_nobody_knows_need_one():
    store(PHOTOS)
    with pytest.raises(KerasAskedError), audited_features(RECIPE, PHOTOS, SILENT):
        pass


def test_audited_features__an_engine_that_is_asked_for_is_not_replaced(monkeypatch):
    monkeypatch.setattr(Engine, "kept", lambda *arguments: pytest.fail("a kept graph was looked for"))
    recipe = RECIPE.with_settings(['backbone.engine="keras"'])
    fingerprint_cache.write(recipe, KNOWN)
    with pytest.raises(KerasAskedError), audited_features(recipe, PHOTOS, SILENT):
        pass
