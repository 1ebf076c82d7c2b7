from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.config.loading import read_recipe, shipped_recipes
from budwood.config.recipe import Recipe
from budwood.core.errors import RecipeError


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
        (
            {"data": {"max_bad": 0.5}},
            ["unknown recipe key `data.max_bad`. Did you mean data.max_unreadable?"],
        ),
        (
            {"evaluate": {"mirror": True}},
            ["unknown recipe key `evaluate.mirror`. Did you mean evaluate.flip?"],
        ),
        (
            {"frozen": {"strengths": [0.1]}},
            ["unknown recipe key `frozen.strengths`. Did you mean frozen.l2_strengths?"],
        ),
        ({"backbones": {}}, ["unknown recipe key `backbones`"]),
        ({"frozen": {"epochs": "many"}}, ["frozen.epochs", "integer", "many"]),
        ({"frozen": {"epochs": -1}}, ["frozen.epochs", "greater than or equal to 0"]),
        ({"data": {"size": 3}}, ["data.size", "32", "Got 3"]),
        ({"data": {"split": [0.5, 0.1, 0.1]}}, ["data.split", "sum to 1"]),
        ({"data": {"resize": "squash"}}, ["data.resize", "crop", "squash"]),
        (
            {"head": {"hidden": [8]}, "frozen": {"fit": "linear"}},
            ["logistic regression", 'frozen.fit = "gradient"'],
        ),
        ({"frozen": {"l2_strengths": []}}, ["frozen.l2_strengths"]),
        ({"data": {"calibration": 0.8}}, ["calibration = 0.8 of the photos leaves none of the 0.8"]),
        (
            {"finetune": {"epochs": 1, "warmup_epochs": 1}},
            ["finetune.warmup_epochs = 1 leaves none of the 1 epochs", "finetune.warmup_epochs=0.5"],
        ),
        ({"data": {"calibration": 1.0}}, ["data.calibration"]),
        ({"data": {"folds": 1}}, ["folds = 1 leaves nothing to learn from"]),
        ({"data": {"folds": 3, "fold": 3}}, ["fold = 3 and folds = 3 do not go together"]),
        (
            {"finetune": {"unfreeze": {"layers": 0}}},
            ["`finetune.unfreeze.layers`: Input should be greater", "Got 0"],
        ),
        (
            {"finetune": {"unfreeze": {"layer": 3}}},
            ['`finetune.unfreeze`: give "all"', "Got {'layer': 3}"],
        ),
        (
            {"finetune": {"unfreeze": {"layers": 1, "blocks": 2}}},
            ['`finetune.unfreeze`: give "all"', "blocks"],
        ),
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
        ("data.max_bad=0.5", "Did you mean data.max_unreadable?"),
        ("evaluate.mirror=true", "Did you mean evaluate.flip?"),
        ("frozen.strengths=[0.1]", "Did you mean frozen.l2_strengths?"),
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


OURS = {"auto", "best", "few-photos", "frozen-ensemble", "frozen-gradient", "frozen-linear", "quick"}
EXPERIMENTS = {
    *["flowers-baseline", "flowers-optimized", "flowers-finetuned", "flowers-no-smoothing", "flowers-b3"],
    *["cats-dogs", "flowers-v2b0"],
    *["birds-1-baseline", "birds-2-augmented", "birds-3-finetuned", "birds-4-finetuned-100"],
    *["flowers-mobilenetv2-layers", "flowers-mobilenetv2-blocks"],
    *["flowers-resnet50-layers", "flowers-resnet50-blocks"],
    *["dogs-scratch", "dogs-frozen", "dogs-finetuned"],
}


def test_shipped_recipes__every_experiment_is_there():
    assert set(shipped_recipes()) == OURS | EXPERIMENTS


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes__say_where_they_come_from(name):
    title, blank, *lines = [line for line in shipped_recipes()[name].splitlines() if line.startswith("#")]
    assert title.startswith("# ") and blank == "#"
    labels = [line.split()[1] for line in lines if not line.startswith("#    ")]
    assert labels == ["Source", "Reported", "Measured", "Ours"]
    assert any(line.split()[1:3] == ["budwood", "train"] for line in lines)


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_shipped_recipes__leave_no_choice_of_an_experiment_to_defaults(name):
    said = read_recipe(name)
    assert said["data"].keys() >= {"size", "resize"}
    steps = {"optimizer", "learning_rate", "batch_size", "epochs", "early_stopping"}
    assert said["frozen"]["fit"] == "gradient"
    assert said["frozen"]["epochs"] == 0 or said["frozen"].keys() >= steps
    assert "finetune" not in said or said["finetune"].keys() >= steps | {"unfreeze", "batch_norm"}


ADAM = {"fit": "gradient", "optimizer": "adam", "learning_rate": 1e-3, "batch_size": 32, "early_stopping": 0}
SGD = {"fit": "gradient", "optimizer": "sgd", "learning_rate": 0.01, "momentum": 0.9, "epochs": 3}
PATIENT = ADAM | {
    **{"schedule": "reduce_on_plateau", "plateau_factor": 0.5, "plateau_patience": 2, "plateau_floor": 1e-6},
    **{"epochs": 30, "early_stopping": 5},
}
PLAIN = {"views": 0}
COPIES = {"views": "per-epoch", "originals": True, "horizontal_flip": True, "brightness": 25.0}
JITTER = {
    **{"views": "per-epoch", "originals": False, "horizontal_flip": True, "vertical_flip": False},
    **{"rotation": 0.1, "zoom": 0.1, "height": 0.1, "width": 0.1},
}
DOGS = {
    **{"views": "per-epoch", "horizontal_flip": True, "vertical_flip": True},
    **{"rotation": 0.15, "translation": 0.1, "contrast": 0.1},
}
NO_PHASE_2 = {"epochs": 0}
SMOOTH, SHARP = {"label_smoothing": 0.1}, {"label_smoothing": 0.0}


def _tuned(unfreeze, **values):
    defaults = {"batch_norm": "frozen", "optimizer": "adam", "learning_rate": 1e-5, "epochs": 10}
    return defaults | {"unfreeze": unfreeze} | values


def _study(name, unfreeze):
    values = {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.001}
    head = {"pooling": "avg", "hidden": [128], "dropout": 0.2}
    return {
        "data": {"size": 224, "split": [0.75, 0.1, 0.15]},
        "backbone": {"name": name},
        "augment": PLAIN,
        "head": head,
        "frozen": SGD,
        "finetune": _tuned(unfreeze, **values),
    }


def _flowers(name, *, size=224, augment=COPIES, l2=1e-4, loss=SMOOTH, frozen=PATIENT, finetune=NO_PHASE_2):
    return {
        "data": {"size": size, "split": [0.8, 0.1, 0.1]},
        "backbone": {"name": name},
        "augment": augment,
        "head": {"pooling": "avg", "hidden": [], "dropout": 0.2, "l2": l2},
        "loss": loss,
        "frozen": frozen,
        "finetune": finetune,
    }


def _birds(augment, finetune):
    return {
        "data": {"size": 224},
        "backbone": {"name": "efficientnet_b0"},
        "augment": augment,
        "head": {"hidden": [], "dropout": 0.0},
        "loss": SHARP,
        "frozen": ADAM | {"epochs": 5},
        "finetune": finetune,
    }


def _dogs(weights, batch_norm, frozen, finetune):
    return {
        "data": {"size": 224},
        "backbone": {"name": "efficientnet_b0", "weights": weights},
        "augment": DOGS,
        "head": {"pooling": "avg", "batch_norm": batch_norm, "dropout": 0.2},
        "loss": SHARP,
        "frozen": frozen,
        "finetune": finetune,
    }


DOGS_FROZEN = ADAM | {"learning_rate": 1e-4, "weight_decay": 0.01, "batch_size": 64, "epochs": 30}
WRITE_UPS = {
    "flowers-baseline": _flowers(
        "efficientnet_b0", size=160, augment=PLAIN, l2=0.0, loss=SHARP, frozen=ADAM | {"epochs": 10}
    ),
    "flowers-optimized": _flowers("efficientnet_b0"),
    "flowers-finetuned": _flowers("efficientnet_b0", finetune=_tuned({"layers": 20}, early_stopping=5)),
    "flowers-no-smoothing": _flowers("efficientnet_b0", loss=SHARP),
    "flowers-b3": _flowers("efficientnet_b3", loss=SHARP),
    "cats-dogs": {
        "data": {"size": 160},
        "backbone": {"name": "mobilenet_v2"},
        "augment": JITTER | {"zoom": 0.0, "height": 0.0, "width": 0.0},
        "head": {"hidden": [], "dropout": 0.2, "logits": "single"},
        "frozen": ADAM | {"epochs": 10},
        "finetune": _tuned({"layers": 54}, early_stopping=3),
    },
    "flowers-v2b0": {
        "data": {"size": 224, "split": [0.8, 0.1, 0.1]},
        "backbone": {"name": "efficientnet_v2b0"},
        "augment": JITTER | {"height": 0.0, "width": 0.0},
        "head": {"hidden": [], "dropout": 0.3, "logits": "per-class"},
        "frozen": ADAM | {"epochs": 8},
        "finetune": _tuned({"fraction": 0.3}, early_stopping=3),
    },
    "birds-1-baseline": _birds(PLAIN, NO_PHASE_2),
    "birds-2-augmented": _birds(JITTER, NO_PHASE_2),
    "birds-3-finetuned": _birds(JITTER, _tuned({"layers": 10}, learning_rate=1e-4, epochs=6)),
    "birds-4-finetuned-100": _birds(PLAIN, _tuned({"layers": 100}, learning_rate=1e-4, epochs=6)),
    "flowers-mobilenetv2-layers": _study("mobilenet_v2", {"layers": 20}),
    "flowers-mobilenetv2-blocks": _study("mobilenet_v2", {"blocks": 3}),
    "flowers-resnet50-layers": _study("resnet50", {"layers": 20}),
    "flowers-resnet50-blocks": _study("resnet50", {"blocks": 3}),
    "dogs-scratch": _dogs(
        "random",
        False,
        {"epochs": 0},
        _tuned("all", batch_norm="train", learning_rate=1e-3, batch_size=64, epochs=30),
    ),
    "dogs-frozen": _dogs("imagenet", True, DOGS_FROZEN, NO_PHASE_2),
    "dogs-finetuned": _dogs("imagenet", True, DOGS_FROZEN, _tuned({"layers": 16}, weight_decay=0.01)),
}


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_shipped_recipes__are_the_experiments_of_the_write_ups(name):
    recipe = Recipe.load(name).model_dump(exclude_none=True)
    expected = WRITE_UPS[name]
    found = {section: {key: recipe[section][key] for key in keys} for section, keys in expected.items()}
    assert found == expected


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("flowers-finetuned", "flowers-optimized"),
        ("birds-3-finetuned", "birds-2-augmented"),
        ("birds-4-finetuned-100", "birds-1-baseline"),
        ("dogs-finetuned", "dogs-frozen"),
    ],
)
def test_shipped_recipes__fine_tuning_goes_on_from_its_first_phase(name, base):
    tuned, first = Recipe.load(name), Recipe.load(base)
    assert tuned.finetune.epochs > 0 == first.finetune.epochs
    assert tuned.model_copy(update={"finetune": first.finetune}) == first
    assert tuned.finetune.learning_rate <= first.frozen.learning_rate / 10


def test_shipped_recipes__differ_in_what_their_names_say():
    smoothed = Recipe.load("flowers-optimized")
    plain = smoothed.with_settings(["loss.label_smoothing=0.0"])
    assert Recipe.load("flowers-no-smoothing") == plain != smoothed
    assert Recipe.load("flowers-b3") == plain.with_settings(["backbone.name=efficientnet_b3"])
    for network in ("mobilenetv2", "resnet50"):
        layers, blocks = (Recipe.load(f"flowers-{network}-{unit}") for unit in ("layers", "blocks"))
        assert (layers.finetune.unfreeze.layers, blocks.finetune.unfreeze.blocks) == (20, 3)
        assert layers.model_copy(update={"finetune": blocks.finetune}) == blocks


def test_shipped_recipes__stand_in_the_page_of_experiments():
    page = (Path(__file__).parents[2] / "docs" / "experiments" / "tables.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    named = {
        cells[0].strip("| `"): cells[-1].strip("| `") for cells in rows if cells[-1].startswith("`budwood ")
    }
    assert named.keys() == EXPERIMENTS
    for name, command in named.items():
        assert command in shipped_recipes()[name]


def test_shipped_recipes__name_backbones_that_are_there():
    from budwood.backbones.registry import BACKBONES

    used = {one for name in shipped_recipes() for one in Recipe.load(name).backbone.names}
    assert used <= BACKBONES.keys()


def test_backbone__several_with_sizes_and_weights_of_each():
    recipe = Recipe.from_dict(
        {"backbone": {"name": ["mobilenet_v2@96", "mobilenet"], "weights": {"mobilenet": "some.h5"}}}
    )
    assert recipe.backbone.sized == [("mobilenet_v2", 96), ("mobilenet", None)]
    assert [recipe.backbone.weights_of(name) for name in recipe.backbone.names] == ["imagenet", "some.h5"]
    assert Recipe.from_dict({"backbone": {"name": ["mobilenet"]}}) == Recipe.from_dict(
        {"backbone": {"name": "mobilenet"}}
    )


def test_with_settings__backbones_with_sizes_leave_the_picture_to_them():
    recipe = Recipe.from_dict({"data": {"size": 256}})
    assert recipe.with_settings(['backbone.name=["mobilenet@160", "mobilenet_v2"]']).data.size == "auto"
    assert recipe.with_settings(["backbone.name=mobilenet_v2"]).data.size == 256
    assert recipe.with_settings(["backbone.name=mobilenet_v2@160", "data.size=192"]).data.size == 192


def test_without_sizes__keeps_the_names():
    recipe = Recipe.from_dict(
        {"data": {"size": 256}, "backbone": {"name": ["mobilenet@160", "mobilenet_v2"]}}
    )
    bare = recipe.without_sizes()
    assert (bare.data.size, bare.backbone.name) == ("auto", ["mobilenet", "mobilenet_v2"])
    assert Recipe().without_sizes() == Recipe()


def test_with_settings__one_form_of_unfreeze_takes_the_place_of_another():
    recipe = Recipe.from_dict({"finetune": {"unfreeze": {"fraction": 0.3}}})
    changed = recipe.with_settings(["finetune.unfreeze.layers=20"])
    assert changed.finetune.unfreeze.model_dump(exclude_none=True) == {"layers": 20}


@pytest.mark.parametrize(
    ("setting", "adapts"),
    [
        ("finetune.precision=bf16", True),
        *(("data.split_rule=shuffled", True), ("evaluate.flip=true", True), ("seed=1", True)),
        *(("backbone.engine=keras", True), ("loss.class_weights=balanced", True), ("frozen.folds=3", True)),
        # Also where it is the recipe's own value.
        *(
            ("backbone.name=efficientnet_lite0", False),
            ("finetune.epochs=10", False),
            ("data.size=256", False),
        ),
        *(("augment.views=2", False), ("distill.run=RUN", False), ("loss.label_smoothing=0.2", False)),
    ],
)
def test_adapt__not_where_a_setting_says_what_is_trained(setting, adapts):
    assert Recipe.load("auto").with_settings([setting]).adapt is adapts
    assert Recipe.load("auto").with_settings([setting, "adapt=true"]).adapt


def test_adapt__of_a_recipe_that_extends_another(tmp_path):
    assert not Recipe.load("quick").adapt and not Recipe.load("best").adapt
    for text, adapts in (("[evaluate]\nflip = true", True), ("[finetune]\nepochs = 10", False)):
        (tmp_path / "own.toml").write_text(f'extends = "auto"\n{text}\n')
        assert Recipe.load(tmp_path / "own.toml").adapt is adapts
    recipe = Recipe.load("auto")
    (tmp_path / "kept.toml").write_text(recipe.to_toml())
    assert Recipe.load(tmp_path / "kept.toml") == recipe
