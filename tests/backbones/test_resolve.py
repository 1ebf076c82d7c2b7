import subprocess
import sys

import pytest

from budwood.backbones.registry import get_backbone
from budwood.backbones.resolve import refuse_impossible, resolve
from budwood.config.loading import shipped_recipes
from budwood.config.recipe import Recipe
from budwood.core.errors import BackboneError, RecipeError, WeightsError


@pytest.mark.parametrize("name", shipped_recipes())
def test_refuse_impossible__shipped_recipes_pass(name):
    refuse_impossible(Recipe.load(name))


@pytest.mark.parametrize(
    ("recipe", "settings", "kind", "words"),
    [
        ("best", ["data.size=128"], RecipeError, r"efficientnet_lite2@260 sees 260 px.*data\.size=260"),
        ("auto", ["backbone.name=efficientnet_light0"], BackboneError, "Did you mean efficientnet_lite0"),
        ("auto", ['backbone.name=["mobilenet", "nasnet"]'], BackboneError, "no backbone `nasnet`"),
        ("auto", ["backbone.name=inception_v3", "data.size=64"], BackboneError, "cannot take pictures of 64"),
        ("auto", ["backbone.name=resnet50", "backbone.drop_connect_rate=0.4"], BackboneError, "stochastic"),
        ("auto", ["backbone.weights=absent.h5"], WeightsError, "no weights file absent.h5"),
        ("best", ['backbone.weights={efficientnet_lite0 = "gone.h5"}'], WeightsError, "gone.h5"),
        ("frozen-linear", ["frozen.epochs=0"], RecipeError, "there is no phase 1"),
    ],
)
def test_refuse_impossible__says_what_is_wrong(recipe, settings, kind, words):
    asked = Recipe.load(recipe).with_settings(settings)
    with pytest.raises(kind, match=words):
        refuse_impossible(asked)


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        ("best", ["data.size=260"]),
        ("best", ["data.size=320"]),
        ("auto", ["backbone.name=inception_v3", "data.size=96"]),
        ("auto", ["backbone.name=efficientnet_b0", "backbone.drop_connect_rate=0.4"]),
        ("auto", ["backbone.name=resnet50", "backbone.drop_connect_rate=0.0"]),
        ("auto", ["backbone.weights=random"]),
        ("auto", [f"backbone.weights='{__file__}'"]),
        ("frozen-linear", ["frozen.epochs=0", "finetune.epochs=1"]),
    ],
)
def test_refuse_impossible__lets_the_possible_pass(recipe, settings):
    refuse_impossible(Recipe.load(recipe).with_settings(settings))


def test_resolve__fills_in_what_depends_on_the_backbones():
    def resolved(name, size):
        recipe = Recipe.from_dict({"backbone": {"name": name}, "data": {"size": size}})
        found, sizes = resolve(recipe, [get_backbone(one) for one in recipe.backbone.names])
        return found.backbone.name, found.data.size, sizes

    assert resolved("mobilenet_v2", "auto") == ("mobilenet_v2", 224, [224])
    assert resolved("mobilenet_v2", 96) == ("mobilenet_v2", 96, [96])
    assert resolved("mobilenet_v2@96", 128) == ("mobilenet_v2@96", 128, [96])
    assert resolved(["efficientnet_lite2@260", "mobilenet_v2"], "auto") == (
        ["efficientnet_lite2@260", "mobilenet_v2@224"],
        260,
        [260, 224],
    )


def test_refuse_impossible__needs_neither_photos_nor_tensorflow():
    heavy = {"tensorflow", "keras", "openvino", "sklearn", "PIL"}
    code = (
        "import sys\nfrom budwood.backbones.resolve import refuse_impossible\n"
        "from budwood.config.recipe import Recipe\nrefuse_impossible(Recipe.load('best'))\n"
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
