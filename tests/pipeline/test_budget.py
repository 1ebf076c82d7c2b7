"""What is planned for a number of minutes, and that it is kept to."""

import time
from dataclasses import replace

import pytest

from budwood.config.recipe import Recipe
from budwood.core.errors import RecipeError
from budwood.core.files import read_csv, read_json
from budwood.core.progress.base import SILENT
from budwood.pipeline.budget import Pace, _Measured, _what_more_takes
from budwood.pipeline.entry import train
from budwood.pipeline.plan import Cost, Network, Plan
from budwood.pipeline.rates import Rates
from budwood.run import load
from budwood.training.trainer import Trainer
from tests.progress import KeptLines

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


def test_measured__other_sizes_by_their_arithmetic_and_networks_as_measured():
    found = _Measured({("efficientnet_lite0", 224): RATES})
    assert found.of("efficientnet_lite0", 224) is RATES
    assert found.of("efficientnet_lite0", 448).forward == pytest.approx(4 * RATES.forward)
    assert found.of("efficientnet_lite2", 260).step == pytest.approx(2.2 * RATES.step)
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
    # The head leaves both their time: 1 + 5 + 5 * 4 s of the first.
    assert found.until_head == pytest.approx(found.until("a") - 26)
    alone = pace(Plan(Recipe(), Cost((Network(10.0), Network(10.0)), 3.0, 8.0), 0))
    assert alone.until_head == pytest.approx(alone.ends - 8)


@pytest.mark.usefixtures("own_cache")
def test_train__a_head_by_gradient_steps_keeps_to_the_time(
    tiny_backbones, session_colours, tmp_path, monkeypatch
):
    # One epoch is done always.
    monkeypatch.setattr(Pace, "until_head", 0.0)
    settings = [*SETTINGS[:3], "head.dropout=0.2", "budget.minutes=2"]
    run = train(session_colours, tmp_path / "run", settings=settings, recipe=Recipe(), progress=SILENT)
    assert "frozen: the time is over after 1 of 30 epochs" in warnings_of(run)
    assert run.metrics["test"]["accuracy"] is not None


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
@pytest.mark.parametrize(
    ("here", "asked", "kept"), [(True, "auto", "bf16"), (True, "f32", "f32"), (False, "auto", "auto")]
)
def test_train__within_minutes_in_bf16_where_that_is_left_open(
    tiny_backbones, session_colours, tmp_path, monkeypatch, here, asked, kept
):
    monkeypatch.setattr("budwood.training.precision.has_bf16", lambda: here)
    progress = KeptLines()
    settings = [*SETTINGS, "budget.minutes=2", f"finetune.precision={asked}"]
    run = train(session_colours, tmp_path / "run", settings=settings, progress=progress)
    (told,) = [line for line in progress.lines if line.startswith("plan for 2 min")]
    assert ("of fine-tuning, in bf16" in told) == (kept == "bf16")
    recipe = Recipe.load(run.folder / "recipe.toml")
    assert recipe.finetune.precision == kept
    # Asked for were the minutes; the plan is another matter.
    assert run.info["requested"]["recipe"]["budget"] == {"minutes": 2}


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
@pytest.mark.parametrize(
    ("fitting", "head"),
    # A head by gradient steps has checkpoints of its own, and leaves `frozen.fit` open until it is trained.
    [(4, []), (14, []), (4, ["head.dropout=0.2"])],
)
def test_train__interrupted__goes_on_by_its_recipe(
    tiny_backbones, session_colours, tmp_path, monkeypatch, fitting, head
):
    run_epoch, tuned = Trainer.run_epoch, []

    def interrupted(self, epoch, *given):
        tuned.extend([epoch] if len(self.batches.shape) > 1 else [])
        if len(tuned) == 4:
            raise KeyboardInterrupt
        return run_epoch(self, epoch, *given)

    # More or fewer epochs than the ten that are planned.
    monkeypatch.setattr(Pace, "epochs", lambda self, backbone: fitting)
    monkeypatch.setattr(Trainer, "run_epoch", interrupted)
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt) as stopped:
        train(session_colours, folder, settings=[*SETTINGS, *head, "budget.minutes=2"], progress=SILENT)
    (told,) = stopped.value.__notes__
    again = f"budwood train {session_colours} -o {folder} --recipe {folder / 'recipe.toml'} --resume"
    assert told == f"what was computed so far is kept: {again} goes on from there"
    planned = read_json(folder / "run.json")["budget"]
    assert planned["minutes"] == 2 and planned["planned_seconds"] > 0 and planned["planned_epochs"] == 10
    monkeypatch.setattr(Trainer, "run_epoch", run_epoch)
    run = train(session_colours, folder, recipe=folder / "recipe.toml", resume=True, progress=SILENT)
    # The time was that of two commands.
    assert run.info["budget"] == planned and planned.get("seconds") is None
    assert [row["phase"] for row in run.history].count("finetune") == fitting
    assert Recipe.load(folder / "recipe.toml").finetune.epochs == fitting
    # What was asked for stays on record.
    assert run.info["requested"]["recipe"]["budget"] == {"minutes": 2}


@pytest.mark.usefixtures("own_cache")
def test_train__time_for_one_epoch_of_those_with_warm_up(
    tiny_backbones, session_colours, tmp_path, monkeypatch
):
    monkeypatch.setattr(Pace, "epochs", lambda self, backbone: 1)
    settings = [*SETTINGS, "finetune.warmup_epochs=1", "budget.minutes=2"]
    run = train(session_colours, tmp_path / "run", settings=settings, progress=SILENT)
    assert len(run.history) == 2 and run.metrics["test"]["accuracy"] is not None
    recipe = Recipe.load(run.folder / "recipe.toml")
    assert (recipe.finetune.epochs, recipe.finetune.warmup_epochs) == (1, 0.5)


@pytest.mark.usefixtures("own_cache")
def test_train__interrupted_with_fewer_epochs_of_one_network__goes_on(
    tiny_backbones, session_colours, tmp_path, monkeypatch
):
    run_epoch, done = Trainer.run_epoch, []

    def interrupted(self, *given):
        if len(done) == 5:
            raise KeyboardInterrupt
        done.append(given)
        return run_epoch(self, *given)

    # Ten are planned of each: three fit of the first, and of the second, which is interrupted in its third, four.
    monkeypatch.setattr(Pace, "epochs", lambda self, backbone: {"tiny": 3, "tiny_other": 4}[backbone])
    monkeypatch.setattr(Trainer, "run_epoch", interrupted)
    folder = tmp_path / "run"
    settings = [one for one in SETTINGS if not one.startswith(("backbone", "data"))]
    settings += ['backbone.name=["tiny@64", "tiny_other@64"]', "finetune.warmup_epochs=1", "budget.minutes=4"]
    with pytest.raises(KeyboardInterrupt):
        train(session_colours, folder, settings=settings, progress=SILENT)
    monkeypatch.setattr(Trainer, "run_epoch", run_epoch)
    run = train(session_colours, folder, recipe=folder / "recipe.toml", resume=True, progress=SILENT)
    epochs = [row["backbone"] for row in run.history if row["phase"] == "finetune"]
    assert [epochs.count(name) for name in ("tiny", "tiny_other")] == [3, 4]


@pytest.mark.usefixtures("own_cache")
def test_train__interrupted_where_one_network_had_no_time__goes_on_without_it(
    tiny_backbones, session_colours, tmp_path, monkeypatch
):
    run_epoch, done = Trainer.run_epoch, []

    def interrupted(self, *given):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(given)
        return run_epoch(self, *given)

    monkeypatch.setattr(Pace, "epochs", lambda self, backbone: {"tiny": 0, "tiny_other": 3}[backbone])
    monkeypatch.setattr(Trainer, "run_epoch", interrupted)
    folder = tmp_path / "run"
    settings = [one for one in SETTINGS if not one.startswith(("backbone", "data"))]
    settings += ['backbone.name=["tiny@64", "tiny_other@64"]', "budget.minutes=4"]
    with pytest.raises(KeyboardInterrupt):
        train(session_colours, folder, settings=settings, progress=SILENT)
    monkeypatch.setattr(Trainer, "run_epoch", run_epoch)
    run = train(session_colours, folder, recipe=folder / "recipe.toml", resume=True, progress=SILENT)
    assert [row["backbone"] for row in run.history if row["phase"] == "finetune"] == ["tiny_other"] * 3
    assert Recipe.load(folder / "recipe.toml").finetune.backbones == ["tiny_other"]
    trained = [row["name"] for row in read_csv(folder / "layers.csv") if row["trained"] == "1"]
    assert trained and not any(name.startswith("tiny.") for name in trained)
    whole = train(session_colours, tmp_path / "whole", settings=settings, progress=SILENT)
    assert [row["name"] for row in read_csv(whole.folder / "layers.csv") if row["trained"] == "1"] == trained
    assert "4 minutes leave no time for an epoch of tiny" in warnings_of(whole)


@pytest.mark.usefixtures("own_cache")
def test_train__no_time_for_an_epoch__the_head_is_the_model(
    tiny_backbones, session_colours, tmp_path, monkeypatch
):
    monkeypatch.setattr(Pace, "epochs", lambda self, backbone: 0)
    run = train(session_colours, tmp_path / "run", settings=[*SETTINGS, "budget.minutes=2"], progress=SILENT)
    assert "2 minutes leave no time for an epoch of tiny" in warnings_of(run)
    rows = read_csv(run.folder / "layers.csv")
    assert [row["name"] for row in rows if row["trained"] == "1"] == ["head_logits"]
    assert run.metrics["chosen_phase"] == "frozen" and load(run.folder).predict(
        next(session_colours.rglob("*.jpg"))
    )


@pytest.mark.usefixtures("own_cache")
def test_train__no_time_for_an_epoch_and_no_head__one_epoch_is_done(
    tiny_backbones, session_colours, tmp_path, monkeypatch
):
    monkeypatch.setattr(Pace, "epochs", lambda self, backbone: 0)
    recipe = Recipe().with_settings(["frozen.epochs=0", "finetune.epochs=4"])
    settings = [*(one for one in SETTINGS if not one.startswith("augment")), "budget.minutes=2"]
    run = train(session_colours, tmp_path / "run", recipe=recipe.with_settings(settings), progress=SILENT)
    assert len(run.history) == 1 and run.metrics["test"]["accuracy"] is not None
    assert "\nepochs = 1\n" in (run.folder / "recipe.toml").read_text()
    assert any("one is done all the same" in one for one in warnings_of(run))


@pytest.mark.usefixtures("own_cache")
def test_train__less_than_one_pass(tiny_backbones, session_colours, tmp_path):
    with pytest.raises(
        RecipeError, match=r"0.01 minutes \(--minutes\) is too little time for 42 photos: .* Give --minutes"
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


@pytest.mark.parametrize(
    ("seconds", "larger", "told"),
    [
        # 10 s to plan and 104 s are 114, 0.95 of 2 minutes.
        (28, 104, ". With --minutes 2: tiny at 64 px, 2 views of each photo, 10 epochs of fine-tuning"),
        (28, None, ""),
        (40, 104, ""),
    ],
)
def test_what_more_takes__where_much_time_is_left_over(seconds, larger, told):
    recipe = Recipe().with_settings([*SETTINGS, "augment.views=2", "finetune.epochs=10"])
    more = None if larger is None else Plan(recipe, Cost((), larger, 0), 10)
    pace = Pace(1, 0, 10, 60, Plan(recipe, Cost((), seconds, 0), 0, more), ())
    assert _what_more_takes(pace) == told
