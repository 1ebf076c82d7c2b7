import pytest

from budwood.config.recipe import Recipe
from budwood.features import fingerprint_cache
from budwood.features.fingerprint_cache import KnownFeatures, features_key

FOUND = KnownFeatures(fingerprint="f", features=1280, size=96)


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "w.h5").write_bytes(b"weights")
    return Recipe.load("frozen-linear").with_settings(
        ["backbone.name=mobilenet_v2", f"backbone.weights={tmp_path / 'w.h5'}", "data.size=96"]
    )


def test_read__what_was_kept(recipe):
    assert fingerprint_cache.read(recipe) is None
    fingerprint_cache.write(recipe, FOUND)
    assert fingerprint_cache.read(recipe) == FOUND
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


@pytest.mark.parametrize(
    ("settings", "same"),
    [
        (["frozen.folds=3"], True),
        (["split_seed=4"], True),
        (["seed=4"], True),
        (["data.size=96"], False),
        (["head.pooling=avg"], False),
        (["backbone.name=mobilenet"], False),
        (["data.resize=crop"], False),
    ],
)
def test_features_key__of_what_features_depend_on(settings, same):
    recipe = Recipe.load("frozen-linear").with_settings(["head.pooling=max", "data.resize=stretch"])
    assert (features_key(recipe.with_settings(settings)) == features_key(recipe)) is same


def test_features_key__random_weights_depend_on_the_seed():
    recipe = Recipe.load("frozen-linear").with_settings(["backbone.weights=random"])
    assert features_key(recipe) != features_key(recipe.with_settings(["seed=4"]))
