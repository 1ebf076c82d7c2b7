import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.config.loading import Layer, merged, read_layers, read_recipe, shipped_recipes, value_text
from budwood.config.recipe import Recipe
from budwood.core.errors import RecipeError


@pytest.fixture
def write(tmp_path):
    """Writes a recipe file into a folder of the test."""

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_load__extends_a_shipped_recipe(write):
    mine = write("mine.toml", 'extends = "quick"\n[finetune]\nepochs = 7\n[head]\npooling = "max"\n')
    assert Recipe.load(mine) == Recipe.load("quick").with_settings(["finetune.epochs=7", "head.pooling=max"])


def test_load__extends_a_file_from_its_own_folder(write, monkeypatch, tmp_path):
    write("base.toml", "seed = 3\n[data]\nsize = 96\n")
    write("parts/middle.toml", 'extends = "../base.toml"\n[data]\nresize = "pad"\n')
    top = write("top.toml", 'extends = "parts/middle.toml"\n[frozen]\nepochs = 2\n')
    expected = Recipe.from_dict({"seed": 3, "data": {"size": 96, "resize": "pad"}, "frozen": {"epochs": 2}})
    for folder in (tmp_path, tmp_path / "parts"):
        monkeypatch.chdir(folder)
        assert Recipe.load(top) == expected
    monkeypatch.chdir(tmp_path)
    assert Recipe.load("top.toml") == expected
    absolute = write("absolute.toml", f"extends = {value_text(str(top))}\n")
    assert Recipe.load(absolute) == expected


def test_load__a_value_is_replaced_whole(write):
    write(
        "base.toml",
        "[finetune]\nunfreeze = { fraction = 0.5 }\n[loss]\nclass_weights = { a = 2.0, b = 3.0 }\n",
    )
    mine = write(
        "mine.toml",
        'extends = "base.toml"\n[finetune]\nunfreeze = { layers = 20 }\n[loss]\nclass_weights = { a = 1.0 }\n',
    )
    recipe = Recipe.load(mine)
    assert recipe.finetune.unfreeze.model_dump(exclude_none=True) == {"layers": 20}
    assert recipe.loss.class_weights == {"a": 1.0}


def test_load__what_a_run_writes_extends_nothing(write):
    mine = write("mine.toml", 'extends = "auto"\n[data]\nsize = 96\n')
    recipe = Recipe.load(mine)
    text = recipe.to_toml()
    assert "extends" not in tomllib.loads(text)
    assert Recipe.load(write("written.toml", text)) == recipe


def test_merged__leaves_what_it_was_given_alone():
    layers = [Layer("a", {"data": {"size": 32}}), Layer("b", {"data": {"size": 64}, "seed": 1})]
    assert merged(layers) == {"data": {"size": 64}, "seed": 1}
    assert layers[0].values == {"data": {"size": 32}}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a": 'extends = "quik"'}, ["a.toml extends `quik`", "Did you mean quick?", "frozen-linear"]),
        (
            {"a": 'extends = "baes.toml"', "base": ""},
            ["a.toml extends `baes.toml`", "Did you mean base.toml?"],
        ),
        ({"a": 'extends = "b"', "b": ""}, ["a.toml extends `b`", "Did you mean b.toml?"]),
        ({"a": "extends = 3"}, ["a.toml: extends takes", "got 3"]),
        ({"a": 'extends = ["auto", "quick"]'}, ["a.toml: extends takes the name of one", "quick"]),
        ({"a": 'extends = ""'}, ["a.toml: extends takes"]),
        ({"a": 'extends = "a.toml"'}, ["in a circle", "a.toml → "]),
        (
            {"a": 'extends = "b.toml"', "b": 'extends = "c.toml"', "c": 'extends = "./b.toml"'},
            ["in a circle", "c.toml → "],
        ),
        ({"a": 'extends = "b.toml"', "b": "[frozen"}, ["b.toml is not TOML"]),
        (
            {"a": 'extends = "b.toml"\nseed = 1', "b": "[frozen]\nepoch = 3"},
            ["b.toml, which", "a.toml extends: unknown recipe key `frozen.epoch`", "frozen.epochs?"],
        ),
        ({"a": '[data]\nextends = "auto"'}, ["`data.extends` is no key", "before the first [section]"]),
        ({"a": 'extend = "auto"'}, ["unknown recipe key `extend`. Did you mean extends?"]),
    ],
)
def test_load__says_what_is_wrong_with_extends(write, tmp_path, files, words):
    for name, text in files.items():
        write(f"{name}.toml", text)
    with pytest.raises(RecipeError) as caught:
        Recipe.load(tmp_path / "a.toml")
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_load__a_fault_of_its_own_is_not_put_on_what_it_extends(write):
    mine = write("mine.toml", 'extends = "auto"\n[frozen]\nepoch = 3\n')
    with pytest.raises(RecipeError, match=r"^unknown recipe key `frozen\.epoch`"):
        Recipe.load(mine)


def test_load__a_recipe_may_be_completed_by_what_extends_it(write):
    write("base.toml", '[head]\nhidden = [8]\n[frozen]\nfit = "linear"\n')
    mine = write("mine.toml", 'extends = "base.toml"\n[frozen]\nfit = "gradient"\n')
    assert Recipe.load(mine).head.hidden == [8]


@pytest.mark.parametrize("place", ["setting", "dict"])
def test_extends__belongs_in_a_file(place):
    with pytest.raises(RecipeError, match="stands in a recipe file alone"):
        Recipe().with_settings(["extends=auto"]) if place == "setting" else Recipe.from_dict(
            {"extends": "auto"}
        )


def test_with_settings__a_form_of_unfreeze_takes_the_place_of_all():
    recipe = Recipe.from_dict({"finetune": {"unfreeze": "all"}})
    changed = recipe.with_settings(["finetune.unfreeze.layers=20"])
    assert changed.finetune.unfreeze.model_dump(exclude_none=True) == {"layers": 20}


def test_with_settings__tables_of_names_keep_the_other_names():
    recipe = Recipe.from_dict({"loss": {"class_weights": {"a": 2.0, "b": 3.0}}})
    assert recipe.with_settings(["loss.class_weights.a=1.0"]).loss.class_weights == {"a": 1.0, "b": 3.0}


def test_shipped_recipes__are_short_chains():
    for name in shipped_recipes():
        layers = read_layers(name)
        assert len(layers) <= 4 and layers[-1].name == name
        assert all(layer.file is None for layer in layers)


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes__a_copy_loads_from_elsewhere(name, write):
    copy = write("mine.toml", shipped_recipes()[name])
    assert Recipe.load(copy) == Recipe.load(name) and read_recipe(copy) == read_recipe(name)


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes__say_only_what_differs(name):
    *below, own = read_layers(name)
    base = merged(below)
    assert own.values
    for section, table in own.values.items():
        if not isinstance(table, dict):
            assert section not in base
            continue
        said = base.get(section, {})
        assert not [key for key, value in table.items() if key in said and said[key] == value]


scalars = st.one_of(st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False), st.text())
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=6,
)


@given(values)
def test_value_text__reads_back_on_one_line(value):
    text = value_text(value)
    assert "\n" not in text
    assert tomllib.loads(f"x = {text}") == {"x": value}
