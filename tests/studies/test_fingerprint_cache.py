import pytest

from budwood.config.recipe import Recipe
from budwood.studies import fingerprint_cache
from budwood.studies.records import StoredFeatures

FOUND = StoredFeatures(fingerprint="f", features=1280, size=96, computed=40, failed={"a.jpg": "cut"})


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "w.h5").write_bytes(b"weights")
    return Recipe.load("frozen-linear").with_settings(
        ["backbone.name=mobilenet_v2", f"backbone.weights={tmp_path / 'w.h5'}", "data.size=96"]
    )


def test_read__what_was_kept_without_what_belongs_to_one_study(recipe):
    assert fingerprint_cache.read(recipe) is None
    fingerprint_cache.write(recipe, FOUND)
    assert fingerprint_cache.read(recipe) == StoredFeatures(fingerprint="f", features=1280, size=96)
    assert fingerprint_cache.read(recipe.with_settings(["frozen.folds=3"])) is not None


def test_read__not_for_another_recipe_version_code_or_content_of_the_weights(recipe, tmp_path, monkeypatch):
    fingerprint_cache.write(recipe, FOUND)
    assert fingerprint_cache.read(recipe.with_settings(["data.size=64"])) is None
    for name, other in (("__version__", "0"), ("_code", lambda: "edited")):
        with monkeypatch.context() as patch:
            patch.setattr(fingerprint_cache, name, other)
            assert fingerprint_cache.read(recipe) is None
    (tmp_path / "w.h5").write_bytes(b"others")
    assert fingerprint_cache.read(recipe) is None
    (tmp_path / "w.h5").write_bytes(b"weights")
    assert fingerprint_cache.read(recipe) is not None


def test_read__damaged(recipe, own_cache):
    fingerprint_cache.write(recipe, FOUND)
    (file,) = (own_cache / "fingerprints").iterdir()
    file.write_text("{")
    assert fingerprint_cache.read(recipe) is None
