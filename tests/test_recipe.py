import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.errors import RecipeError
from budwood.recipe import Recipe, shipped_recipes


@pytest.mark.parametrize("name", shipped_recipes())
def test_load__shipped(name):
    recipe = Recipe.load(name)
    assert isinstance(recipe, Recipe)
    comment = shipped_recipes()[name].splitlines()
    assert comment[0].startswith("# ") and any(line.startswith("# Source") for line in comment)


@pytest.mark.parametrize("name", shipped_recipes())
def test_to_toml__reads_back_equal(name, tmp_path):
    recipe = Recipe.load(name)
    file = tmp_path / "recipe.toml"
    file.write_text(recipe.to_toml(), encoding="utf-8")
    assert Recipe.load(file) == recipe


@given(
    seed=st.integers(0, 2**31),
    size=st.one_of(st.just("auto"), st.integers(32, 1024)),
    name=st.text(max_size=30),
    hidden=st.lists(st.integers(1, 4096), max_size=3),
    rate=st.floats(1e-9, 10),
)
def test_to_toml__any_recipe_reads_back_equal(tmp_path_factory, seed, size, name, hidden, rate):
    recipe = Recipe.from_dict(
        {
            "seed": seed,
            "data": {"size": size},
            "backbone": {"name": name},
            "head": {"hidden": hidden},
            "frozen": {"fit": "gradient", "learning_rate": rate},
        }
    )
    file = tmp_path_factory.mktemp("recipe") / "recipe.toml"
    file.write_bytes(recipe.to_toml().encode())
    assert Recipe.load(file) == recipe


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"frozen": {"epoch": 3}}, ["frozen.epoch", "Did you mean frozen.epochs?"]),
        ({"backbones": {}}, ["unknown recipe key `backbones`"]),
        ({"frozen": {"epochs": "many"}}, ["frozen.epochs", "integer", "many"]),
        ({"frozen": {"epochs": 0}}, ["frozen.epochs", "greater than or equal to 1"]),
        ({"data": {"size": 3}}, ["data.size", "32", "Got 3"]),
        ({"data": {"split": [0.5, 0.1, 0.1]}}, ["data.split", "sum to 1"]),
        ({"data": {"resize": "squash"}}, ["data.resize", "crop", "squash"]),
        (
            {"head": {"hidden": [8]}, "frozen": {"fit": "linear"}},
            ["logistic regression", 'frozen.fit = "gradient"'],
        ),
        ({"frozen": {"strengths": []}}, ["frozen.strengths"]),
    ],
)
def test_from_dict__says_what_was_expected(values, words):
    with pytest.raises(RecipeError) as caught:
        Recipe.from_dict(values)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_with_settings__values_are_toml():
    recipe = Recipe().with_settings(
        [
            "frozen.epochs=3",
            "backbone.name=mobilenet_v2",
            "head.hidden=[64, 32]",
            "evaluate.test=false",
            "seed=7",
        ]
    )
    assert (recipe.frozen.epochs, recipe.backbone.name, recipe.head.hidden) == (3, "mobilenet_v2", [64, 32])
    assert (recipe.evaluate.test, recipe.seed) == (False, 7)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("frozen.epochs", "has no `=`"),
        ("frozn.epochs=3", "Did you mean frozen.epochs?"),
        ("seed.x=3", "unknown recipe key `seed.x`"),
        ("frozen.epochs.x=3", "unknown recipe key"),
        ("frozen=3", "frozen"),
    ],
)
def test_with_settings__says_what_was_expected(setting, words):
    with pytest.raises(RecipeError, match=words):
        Recipe().with_settings([setting])


def test_load__unknown_name_and_not_toml(tmp_path):
    with pytest.raises(RecipeError, match="Did you mean frozen-linear"):
        Recipe.load("frozen-liner")
    broken = tmp_path / "broken.toml"
    broken.write_text("[frozen\n")
    with pytest.raises(RecipeError, match="is not TOML"):
        Recipe.load(broken)
