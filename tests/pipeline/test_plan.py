"""What may become of a recipe in a given time."""

from dataclasses import replace

import pytest

from budwood.config.lint import find_warnings
from budwood.config.recipe import Recipe
from budwood.pipeline.budget import _Measured
from budwood.pipeline.plan import Photos, choose, cost_of, in_words, plans, with_values
from budwood.pipeline.rates import Rates

FLOWERS = Photos(2936, 367, 367, 5)
RATES = Rates(build=1.0, convert=3.0, decode=0.001, forward=0.005, lower=0.004, step=0.003, trace=2.0)


@pytest.fixture(autouse=True)
def known_fit(monkeypatch):
    """A linear fit takes what it takes; here it is two seconds."""
    monkeypatch.setattr("budwood.pipeline.plan.fit_seconds", lambda *given: 2.0)


def cost(recipe, scale=1.0, photos=FLOWERS):
    measured = _Measured({("efficientnet_lite0", 224): RATES})
    sizes = [size or recipe.data.size for _, size in recipe.backbone.sized]
    rates = [measured.of(name, size) for name, size in zip(recipe.backbone.names, sizes, strict=True)]
    rates = [replace(one.scaled(scale), decode=one.decode * scale) for one in rates]
    return cost_of(recipe, rates, [1280] * len(rates), photos)


def test_plans__of_auto__from_a_small_head_to_best():
    found = plans(
        Recipe.load("auto").with_settings(["budget.minutes=3", "seed=7", "data.split=[0.7,0.2,0.1]"])
    )
    assert all(
        one.seed == 7 and one.data.split == [0.7, 0.2, 0.1] and not one.budget.minutes for one in found
    )
    assert in_words(found[0]) == "efficientnet_lite0 at 128 px, the head alone"
    best = Recipe.load("best")
    assert found[-1].backbone == best.backbone and found[-1].finetune == best.finetune
    assert (
        found[-1].augment == best.augment
        # Mirrored pictures are of use for some photos only, and are not asked for.
        and not found[-1].evaluate.flip
        and found[-1].data.size == "auto"
    )
    sure = Recipe.load("auto")
    assert any(
        one.finetune == sure.finetune and one.augment == sure.augment and one.data.size == 256
        for one in found
    )
    seconds = [cost(one).seconds(one.finetune.epochs) for one in found]
    # Of heads on two networks and a little fine-tuning of one, either may take longer.
    assert seconds[:6] == sorted(seconds[:6]) and seconds[7:] == sorted(seconds[7:])
    assert max(seconds[:7]) < seconds[7]


@pytest.mark.parametrize(
    ("recipe", "settings", "expected"),
    [
        ("frozen-linear", [], [(0, 0)]),
        ("auto", ["backbone.name=mobilenet_v2"], [(0, 0), (1, 2), (2, 4), (3, 6), (4, 8), (5, 10)]),
        ("auto", ["augment.views=1"], [(0, 0), (1, 2), (1, 4), (1, 6), (1, 8), (1, 10)]),
        ("dogs-finetuned", [], [("per-epoch", n) for n in (0, 2, 4, 6, 8, 10)]),
        ("dogs-scratch", ["finetune.epochs=4"], [("per-epoch", 2), ("per-epoch", 4)]),
        ("quick", [], [(0, 0), (1, 2), (2, 4)]),
        # Without phase 1 there is no head alone, whatever the recipe may adapt to.
        ("dogs-scratch", ["adapt=true", "finetune.epochs=4"], [("per-epoch", 2), ("per-epoch", 4)]),
    ],
)
def test_plans__of_another_recipe__its_network_and_size(recipe, settings, expected):
    asked = Recipe.load(recipe).with_settings(settings)
    found = plans(asked)
    assert [(one.augment.views, one.finetune.epochs) for one in found] == expected
    assert all(one.backbone == asked.backbone and one.data == asked.data for one in found)


@pytest.mark.parametrize("seconds", [40, 60, 80, 120, 180, 300, 480, 900, 3600])
def test_choose__the_most_that_fits(seconds):
    found = choose(plans(Recipe.load("auto")), cost, seconds)
    assert found.seconds <= seconds
    if seconds >= 120:
        assert found.recipe.finetune.epochs
    if seconds <= 480 and found.recipe.finetune.epochs:
        # No further epoch, or the next plan, would have fitted.
        epochs = found.recipe.finetune.epochs
        assert epochs == found.most or found.cost.seconds(epochs + 1) > seconds
    if seconds == 3600:
        assert found.recipe.finetune == Recipe.load("best").finetune
    # The next one takes longer, and of the last there is none.
    assert (found.larger is None) == (seconds >= 900)
    assert found.larger is None or found.larger.seconds > seconds


def test_plans__of_few_photos_fine_tune_scale_and_bias_alone():
    asked = Recipe.load("auto").with_settings(["backbone.engine=keras", "frozen.folds=3"])
    found = plans(asked, few=True)
    assert all(one.backbone.engine == "keras" and one.frozen.folds == 3 and not one.adapt for one in found)
    assert [one.finetune.epochs for one in found] == [0] * 5 + [6, 0, 6]
    few, ensemble = Recipe.load("few-photos"), Recipe.load("frozen-ensemble")
    assert [one.backbone.name for one in found[-3:]] == [asked.backbone.name, *[ensemble.backbone.name] * 2]
    assert (
        found[-1].finetune == found[-3].finetune == few.finetune
        and few.finetune.parameters == "scale-and-bias"
    )
    assert not found[-1].evaluate.flip and found[-1].augment == few.augment and found[-1].head == few.head
    # What was chosen is done, however few they are.
    assert plans(Recipe.load("quick"), few=True) == plans(Recipe.load("quick"))


def test_plans__say_nothing_that_has_no_effect():
    every = *plans(Recipe.load("auto")), *plans(Recipe.load("quick")), *plans(Recipe.load("auto"), few=True)
    for recipe in every:
        assert find_warnings(recipe) == []


def test_plans__mix_photos_of_which_no_view_is_drawn():
    asked = Recipe.load("quick").with_settings(["augment.mixup=0.3"])
    _, one_view, whole = plans(asked)
    assert (one_view.augment.views, one_view.augment.mixup, one_view.augment.horizontal_flip) == (
        1,
        0.3,
        False,
    )
    assert whole.augment == asked.augment
    # What was asked for is the last plan, to the last setting.
    asked = asked.with_settings(["augment.views=1", "augment.cutmix=0.2"])
    assert plans(asked)[-1].augment == asked.augment


def test_cost_of__views_that_the_head_learns_from_come_by_before_phase_2():
    some = Photos(800, 100, 100, 5)
    asked = Recipe.load("quick")
    of_head, of_tuning = (
        cost(asked.with_settings([f"frozen.views={views}"]), photos=some).networks[0]
        for views in ("auto", "original")
    )
    # One drawn view of each, through the whole network or the lower part of it.
    assert (of_head.views, of_tuning.views) == (0, pytest.approx(800 * 0.005))
    assert of_head.features - of_tuning.features == pytest.approx(800 * 0.006)


def test_cost_of__several_networks_are_joined_and_converted_once_more():
    both = Recipe.load("best").with_settings(["evaluate.flip=false"])
    one, several = Recipe.load("quick"), cost(both, photos=Photos(0, 0, 0, 5))
    # 1 + 3 s of the first network; the second has 1.4 times the layers.
    built, converted = 1.0 + 1.4, 3.0 + 4.2
    assert several.finish == pytest.approx(6 * built + built + converted + converted)
    alone = cost(one, photos=Photos(0, 0, 0, 5))
    assert alone.finish == pytest.approx(6 * 1.0 + 3.0)
    frozen = cost(Recipe.load("frozen-ensemble"), photos=Photos(0, 0, 0, 5))
    assert frozen.finish == pytest.approx(6 * built)


def test_cost_of__views_of_a_phase_1_that_is_left_out_are_not_charged():
    settings = ["frozen.fit=gradient", "frozen.epochs=0", "augment.views=8", "finetune.epochs=4"]
    without = Recipe.load("quick").with_settings(settings)
    assert cost(without).head == 0
    assert cost(without.with_settings(["frozen.epochs=5"])).head > 0


@pytest.mark.parametrize("warmup", [1, 2, 3])
def test_plans__leave_epochs_after_the_warm_up(warmup):
    asked = Recipe.load("auto").with_settings([f"finetune.warmup_epochs={warmup}"])
    tuned = [one.finetune for one in plans(asked) if one.finetune.epochs]
    assert all(one.warmup_epochs <= max(1, one.epochs / 2) < one.epochs for one in tuned)
    # The whole recipe is as it was asked for, and one epoch is half warm-up.
    assert any(one.epochs == 10 and one.warmup_epochs == warmup for one in tuned)
    assert with_values(asked, epochs=1).finetune.warmup_epochs == 0.5


def test_plans__of_a_head_alone_cut_no_rectangles():
    asked = Recipe.load("dogs-finetuned").with_settings(["frozen.fit=gradient", "augment.cutmix=0.5"])
    head, *others = plans(asked)
    assert not head.augment.cutmix and all(one.augment.cutmix == 0.5 for one in others)


def test_cost_of__backbones_that_are_not_fine_tuned_take_part_frozen():
    both = Recipe.load("best")
    one = both.with_settings(['finetune.backbones=["efficientnet_lite0"]'])
    of_both, of_one = (cost_of(each, [RATES, RATES], [1280, 1280], FLOWERS) for each in (both, one))
    frozen, tuned = of_one.networks
    assert (frozen.views, frozen.epoch, frozen.start) == (0, 0, 0) and frozen.features > 0
    assert tuned == of_both.networks[1]
    assert of_one.finish < of_both.finish and of_one.head == of_both.head
    # The head of few photos learns from the views of each backbone, trained or not.
    few, many = Photos(900, 100, 100, 5), Photos(2900, 100, 100, 5)
    of_both, of_one = (cost_of(each, [RATES, RATES], [1280, 1280], few) for each in (both, one))
    assert of_one.networks[0].features == of_both.networks[0].features
    views = (both.augment.views - 1) * 900 * (RATES.decode + RATES.forward)
    more = cost_of(one, [RATES, RATES], [1280, 1280], many).networks[0].features
    assert more - of_one.networks[0].features == pytest.approx(2000 * (RATES.decode + RATES.forward) - views)


def test_cost_of__views_of_a_head_by_gradient_steps():
    recipe = Recipe.load("dogs-frozen")
    found, plain = (
        cost_of(one, [RATES], [1280], FLOWERS) for one in (recipe, recipe.with_settings(["augment.views=0"]))
    )
    assert found.head - plain.head == pytest.approx(30 * 2936 * (RATES.decode + RATES.forward))


def test_cost_of__without_phase_1_no_photo_goes_through_the_whole_network():
    recipe = Recipe.load("dogs-scratch")
    found = cost_of(recipe, [RATES], [1280], FLOWERS)
    assert found.head == 0 and found.networks[0].features == 0
    assert found.networks[0].views == pytest.approx(367 * (RATES.decode + RATES.lower))


@pytest.mark.parametrize(("recipe", "epochs"), [("frozen-linear", 0), ("auto", 2)])
def test_plans__of_few_epochs_or_none(recipe, epochs):
    asked = Recipe.load(recipe).with_settings([f"finetune.epochs={epochs}", "adapt=true"])
    assert {one.finetune.epochs for one in plans(asked)} == (
        {0} if recipe == "frozen-linear" else {0, 2, 6, 8}
    )


def test_cost_of__mirrored_pictures_are_asked_about_twice_and_none_of_them_is_in_the_store():
    recipe = Recipe.load("frozen-ensemble")
    mirrored = recipe.with_settings(["evaluate.flip=true"])
    plain, both = (cost_of(one, [RATES, RATES], [1280, 1280], FLOWERS) for one in (recipe, mirrored))
    # Validation, test, and the training photos by which others are known to be out of distribution.
    asked = 367 + 367 + 500
    each = RATES.convert + asked * (RATES.decode + 2 * RATES.forward)
    assert both.finish - plain.finish == pytest.approx(2 * each)


def test_choose__nothing_fits():
    assert choose(plans(Recipe.load("auto")), cost, 5) is None
    assert choose(plans(Recipe.load("auto")), lambda one: cost(one, scale=100), 60) is None
