import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.config.learning import Finetune
from budwood.config.recipe import Augment, Recipe
from budwood.core.text import NO_BREAK
from budwood.report import settings

PIXELS = {
    "horizontal_flip": (True, "left to right"),
    "vertical_flip": (True, "top to bottom"),
    "rotation": (0.1, "36 degrees"),
    "zoom": (0.07, "7 %"),
    "height": (0.2, "height by up to 20 %"),
    "width": (0.3, "width by up to 30 %"),
    "translation": (0.15, "shifted by up to 15 %"),
    "crop": (0.35, "less than 35 % of the area"),
    "brightness": (25.0, "25 of 255"),
    "channel_brightness": (12.5, "channel brighter or darker by up to 12.5 of 255"),
    "contrast": (0.1, "contrast changed by up to 10 %"),
    "noise": (5.0, "noise of standard deviation 5 of 255"),
    "downsample": (0.5, "less than 50 %"),
    "rand_augment": (2, "2 operations of RandAugment of magnitude 5"),
}


def told(**asked) -> str:
    return settings.augmentation(Augment(**asked)).replace(NO_BREAK, " ")


@pytest.mark.parametrize("key", PIXELS)
def test_augmentation__every_change_is_told(key):
    value, words = PIXELS[key]
    assert words in told(views="per-epoch", **{key: value})
    assert words not in told(views="per-epoch")


def test_augmentation__knows_every_setting_of_the_recipe():
    others = {"views", "originals", "rand_magnitude", "mixup", "cutmix"}
    assert set(Augment.model_fields) == set(PIXELS) | others, (
        "add the key to report/settings.py and to PIXELS here"
    )


@pytest.mark.parametrize("asked", [{}, {"views": 1, "zoom": 0.1}, {"views": 0, "zoom": 0.1}])
def test_augmentation__plain_photos_are_no_augmentation(asked):
    assert told(**asked) == ""
    assert settings.augmentation(Augment()) == ""


def test_augmentation__how_many_views():
    assert "one of 7 augmented views" in told(views=8, zoom=0.1)
    assert told(views=4) == (
        "Every epoch showed the training photos as they are, for no change of them was asked for."
    )
    assert "a new augmented view" in told(views="per-epoch", zoom=0.1)
    assert "beside the original" in told(views="per-epoch", originals=True, zoom=0.1)


def test_augmentation__mixing_without_views():
    words = told(mixup=0.2, cutmix=1.0)
    assert (
        words
        == "The photos of a batch were mixed with one another by mixup (alpha 0.2) and cutmix (alpha 1)."
    )


@given(
    rotation=st.floats(0.001, 0.5), flips=st.tuples(st.booleans(), st.booleans()), views=st.integers(2, 1000)
)
def test_augmentation__is_one_sentence(rotation, flips, views):
    words = told(views=views, rotation=rotation, horizontal_flip=flips[0], vertical_flip=flips[1])
    assert words.startswith("Every epoch") and words.endswith(".") and ": " in words
    assert ("mirrored" in words) == any(flips)


@pytest.mark.parametrize(
    ("section", "key", "value", "words"),
    [
        ("loss", "label_smoothing", 0.1, "label smoothing"),
        ("loss", "class_weights", "balanced", "weights of the classes"),
        ("loss", "class_weights", {"roses": 2.0}, "weights of the classes"),
        ("loss", "focal", 2.0, "focal"),
        ("head", "l2", 1e-4, "L2 penalty"),
    ],
)
def test_training_loss__tells_what_validation_has_not(section, key, value, words):
    recipe = Recipe.from_dict({section: {key: value}})
    assert words in settings.training_loss(recipe)


def test_training_loss__plain():
    assert settings.training_loss(Recipe()) == ""


def test_unfrozen__batch_norm_and_nothing():
    assert "BatchNorm trained too" in settings.unfrozen(["a"], Finetune(batch_norm="train"))
    assert "1 layer with weights" in settings.unfrozen(["a"], Finetune())
    assert settings.unfrozen([], Finetune()) == "the head alone"
