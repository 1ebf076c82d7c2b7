"""What is planned for a number of minutes, and that it is kept to."""

import time
from dataclasses import replace

import pytest

from budwood.config.lint import find_warnings
from budwood.config.recipe import Recipe
from budwood.core.errors import RecipeError
from budwood.core.progress.base import SILENT
from budwood.pipeline.budget import (
    Cost,
    Network,
    Pace,
    Photos,
    Plan,
    Rates,
    _Measured,
    choose,
    cost_of,
    in_words,
    plans,
)
from budwood.pipeline.entry import train
from budwood.run import load
from budwood.training.trainer import Trainer
from tests.progress import KeptLines

FLOWERS = Photos(2936, 367, 367, 5)
RATES = Rates(build=1.0, convert=3.0, decode=0.001, forward=0.005, lower=0.004, step=0.003, trace=2.0)
SETTINGS = [
    *(
        "backbone.name=tiny",
        "data.size=64",
        "evaluate.resamples=200",
        "augment.views=2",
        "finetune.warmup_epochs=0",
    ),
    *("augment.horizontal_flip=true", "finetune.unfreeze={blocks=1}", "finetune.batch_size=16"),
]


@pytest.fixture(autouse=True)
def known_fit(monkeypatch):
    """A linear fit takes what it takes; here it is two seconds."""
    monkeypatch.setattr("budwood.pipeline.budget.fit_seconds", lambda *given: 2.0)


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
        and found[-1].evaluate == best.evaluate
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
    if seconds >= 80:
        assert found.recipe.finetune.epochs
    if seconds <= 480 and found.recipe.finetune.epochs:
        # No further epoch, or the next plan, would have fitted.
        epochs = found.recipe.finetune.epochs
        assert epochs == found.most or found.cost.seconds(epochs + 1) > seconds
    if seconds == 3600:
        assert found.recipe.finetune == Recipe.load("best").finetune


def test_plans__say_nothing_that_has_no_effect():
    for recipe in (*plans(Recipe.load("auto")), *plans(Recipe.load("quick"))):
        assert find_warnings(recipe) == []


def test_cost_of__views_of_a_head_by_gradient_steps():
    recipe = Recipe.load("dogs-frozen")
    found, plain = (
        cost_of(one, [RATES], [1280], FLOWERS) for one in (recipe, recipe.with_settings(["augment.views=0"]))
    )
    assert found.head - plain.head == pytest.approx(30 * 2936 * (RATES.decode + RATES.forward))


def test_choose__nothing_fits():
    assert choose(plans(Recipe.load("auto")), cost, 5) is None
    assert choose(plans(Recipe.load("auto")), lambda one: cost(one, scale=100), 60) is None


def test_measured__other_sizes_and_networks_by_their_arithmetic():
    found = _Measured({("efficientnet_lite0", 224): RATES})
    assert found.of("efficientnet_lite0", 224) is RATES
    assert found.of("efficientnet_lite0", 448).forward == pytest.approx(4 * RATES.forward)
    assert found.of("efficientnet_lite2", 260).step == pytest.approx(899 / 407 * RATES.step)
    assert found.of("efficientnet_lite2", 260).decode == RATES.decode


def warnings_of(run):
    return [one["text"] for one in run.info["warnings"]]


def pace(plan, minutes=2.0):
    now = time.monotonic()
    return Pace(minutes, now, now, now + 60 * minutes, plan, ("a", "b"))


def test_pace__each_backbone_leaves_the_others_their_time():
    networks = Network(10.0, 5.0, 4.0, 1.0), Network(10.0, 10.0, 2.0, 2.0)
    recipe = Recipe().with_settings(["finetune.epochs=5"])
    found = pace(Plan(recipe, Cost(networks, 3.0, 8.0), 9))
    assert found.until("b") == pytest.approx(found.ends - 8)
    assert found.until("a") == pytest.approx(found.ends - 8 - (2 + 10 + 5 * 2))
    # 120 s, less 30 for what comes later and 6 of its own before the first epoch.
    assert found.epochs("a") == 9
    late = replace(found, ends=found.ends - 59)
    assert late.epochs("a") == (60 - 30 - 6) // 4
    assert replace(found, ends=found.began).epochs("b") == 0


@pytest.mark.usefixtures("own_cache")
def test_train__keeps_to_its_minutes(tiny_backbones, session_colours, tmp_path):
    progress = KeptLines()
    run = train(
        session_colours, tmp_path / "run", settings=[*SETTINGS, "budget.minutes=2"], progress=progress
    )
    (told,) = [line for line in progress.lines if line.startswith("plan for 2 min")]
    assert "tiny at 64 px" in told and "epochs of fine-tuning" in told
    found = run.info["budget"]
    assert found["minutes"] == 2 and found["planned_epochs"] == 10
    assert 0 < found["planned_seconds"] < 120 and 0 < found["seconds"] < 120
    # The run is of the plan, which can be repeated wherever it takes longer.
    recipe = Recipe.load(run.folder / "recipe.toml")
    assert recipe.budget.minutes is None and "[budget]" not in (run.folder / "recipe.toml").read_text()
    assert len(run.history) == 1 + recipe.finetune.epochs == 11
    assert [one["name"] for one in run.info["stages"]][:3] == ["check", "plan", "backbone"]


@pytest.mark.usefixtures("own_cache")
def test_train__slower_than_planned__ends_early_and_is_tested(
    tiny_backbones, session_colours, tmp_path, monkeypatch
):
    run_epoch = Trainer.run_epoch

    def slower(self, *given):
        time.sleep(1.0)
        return run_epoch(self, *given)

    monkeypatch.setattr(Trainer, "run_epoch", slower)
    # Ten epochs are planned, and five seconds are left.
    until, ends = Pace.until, {}
    monkeypatch.setattr(Pace, "epochs", lambda self, backbone: 10)
    monkeypatch.setattr(
        Pace,
        "until",
        lambda self, backbone: min(until(self, backbone), ends.setdefault("at", time.monotonic() + 5)),
    )
    run = train(session_colours, tmp_path / "run", settings=[*SETTINGS, "budget.minutes=2"], progress=SILENT)
    done = len(run.history) - 1
    assert 1 <= done < 10
    assert f"finetune: the time is over after {done} of 10 epochs" in warnings_of(run)
    assert run.metrics["test"]["accuracy"] is not None


@pytest.mark.usefixtures("own_cache")
def test_train__no_time_for_an_epoch__the_head_is_the_model(
    tiny_backbones, session_colours, tmp_path, monkeypatch
):
    monkeypatch.setattr(Pace, "epochs", lambda self, backbone: 0)
    run = train(session_colours, tmp_path / "run", settings=[*SETTINGS, "budget.minutes=2"], progress=SILENT)
    assert "2 minutes leave no time for an epoch of tiny" in warnings_of(run)
    assert run.metrics["chosen_phase"] == "frozen" and load(run.folder).predict(
        next(session_colours.rglob("*.jpg"))
    )


@pytest.mark.usefixtures("own_cache")
def test_train__less_than_one_pass(tiny_backbones, session_colours, tmp_path):
    with pytest.raises(
        RecipeError, match=r"0.01 minutes \(--minutes\) are too few for 42 photos: .* Give --minutes"
    ):
        train(session_colours, tmp_path / "run", settings=[*SETTINGS, "budget.minutes=0.01"], progress=SILENT)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--minutes", "0"], "budget.minutes"),
        (["--minutes", "-1"], "budget.minutes"),
        (["--minutes", "3", "--resume"], "--resume goes on with another one"),
        (["--minutes", "3", "--set", "finetune.epochs=3"], "finetune.epochs is given too"),
        (["--minutes", "3", "--set", "frozen.epochs=3"], "frozen.epochs is given too"),
    ],
)
def test_train__minutes_that_cannot_be_meant(call, session_colours, options, words):
    status, _, told = call("train", session_colours, *options)
    assert status == 1 and words in told and told.count("\n") == 1
