import shutil

import keras
import numpy as np
import pytest
from PIL import Image

from budwood.backbones.registry import get_backbone
from budwood.config.recipe import Recipe
from budwood.core.errors import BackboneError, DataError
from budwood.core.progress.base import SILENT
from budwood.core.text import duration
from budwood.features.engines.graphs import has_bf16
from budwood.features.store.store import FeatureStore
from budwood.pipeline.dry_run import describe, estimate
from budwood.pipeline.prepare import prepare
from budwood.pipeline.request import Output, ask_for_training

SMALL = ["data.size=64"]


def planned(data, *settings):
    recipe = Recipe().with_settings([*SMALL, *settings])
    prepared = prepare(ask_for_training(data, recipe, Output(data.parent / "run")))
    return describe(prepared, estimate(prepared))


def test_describe__tells_everything_and_stores_nothing(session_colours, own_cache):
    text = planned(session_colours)
    titles = [line for line in text.splitlines() if line.startswith("#")]
    assert titles == ["# Photos", "# Time and disk", "# Layers", "# Recipe"]
    assert "data.size = 64" in text and 'frozen.fit = "linear"' in text
    # What is as it is by default is not listed.
    assert "optimizer" not in text and len(text.splitlines()) < 25
    assert "42 found, 42 used, 0 problems\n" in text
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line}
    assert rows["class"] == ["train", "validation", "test"]
    counts = {label: [int(n) for n in rows[label]] for label in ("blue", "green", "red", "all")}
    assert [
        sum(column) for column in zip(*(counts[c] for c in ("blue", "green", "red")), strict=True)
    ] == counts["all"]
    assert sum(counts["all"]) == 42 and sum(counts["red"]) == 14
    assert "logistic regression, 3 classes" in text and "3,843 parameters" in text
    assert "42 of 42 photos to compute, about" in text and "0.2 MB in the store" in text
    assert FeatureStore().info()["total"] == 0


@pytest.mark.usefixtures("own_cache", "tiny_backbones")
def test_describe__what_the_plan_for_some_minutes_takes(session_colours):
    recipe = Recipe().with_settings([*SMALL, "backbone.name=tiny", "budget.minutes=2"])
    prepared = prepare(ask_for_training(session_colours, recipe, Output(session_colours.parent / "run")))
    assert prepared.pace is not None and 0 < prepared.pace.planned_seconds < 120
    text = describe(prepared, estimate(prepared))
    (line,) = [line for line in text.splitlines() if line.startswith("in all")]
    assert f"about {duration(prepared.pace.planned_seconds)} planned of 2 min" in line


@pytest.mark.usefixtures("shared_cache", "session_run")
def test_describe__all_in_the_store(session_colours):
    text = planned(session_colours)
    assert "0 of 42 photos to compute: the store has them all" in text and "0.0 MB in the store" in text


@pytest.mark.usefixtures("own_cache", "tiny_backbones")
def test_describe__features_of_two_precisions(session_colours, tmp_path):
    settings = [*SMALL, "backbone.name=tiny"]
    recipe = Recipe().with_settings([*settings, "backbone.precision=bf16"])
    prepared = prepare(ask_for_training(session_colours, recipe, Output(tmp_path / "run")))
    with prepared.open_features(SILENT) as features:
        features.compute(prepared.photos)
    assert "0 of 42 photos to compute" in planned(session_colours, *settings, "backbone.precision=bf16")
    if has_bf16():
        # Of the training photos it has none of f32.
        assert f"{prepared.num('train')} of 42 photos to compute" in planned(session_colours, *settings)


@pytest.mark.usefixtures("own_cache", "tiny_backbones")
def test_describe__a_teacher_is_asked_anew_in_every_epoch(session_colours, tiny_run):
    settings = ["backbone.name=tiny", f"distill.run={tiny_run}", "finetune.unfreeze={blocks=1}"]
    text = planned(
        session_colours,
        *settings,
        "augment.views=per-epoch",
        "augment.horizontal_flip=true",
        "finetune.epochs=3",
        "frozen.fit=linear",
    )
    train = int(text.split("\nall ")[1].split()[0])
    assert f"{3 * train} views to ask it about at most" in text and "anew in every epoch" in text


@pytest.mark.usefixtures("own_cache", "tiny_backbones")
def test_describe__scale_and_bias_alone(session_colours):
    settings = ["backbone.name=tiny", "finetune.epochs=2", "finetune.unfreeze={fraction=0.5}"]
    found = {}
    for own in ("all", "scale-and-bias"):
        text = planned(session_colours, *settings, f"finetune.parameters={own}")
        (found[own],) = [line for line in text.splitlines() if line.startswith("unfrozen")]
    assert "layers with weights of the backbone from" in found["all"]
    number = int(found["scale-and-bias"].split()[5])
    assert f"scale and bias of {number} normalization layers of the backbone from" in found["scale-and-bias"]
    # Gamma and beta of every channel, and the head of 3 classes.
    model = get_backbone("tiny").build(64, "random")
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)][-number:]
    expected = sum(2 * layer.gamma.shape[0] for layer in norms) + 3 * (model.output.shape[-1] + 1)
    assert f"up, {expected:,} parameters with the head's" in found["scale-and-bias"]


@pytest.mark.usefixtures("own_cache", "tiny_backbones")
def test_estimate__views_from_which_the_head_learns_and_the_head_of_each_network(
    session_colours, monkeypatch
):
    seconds = {True: 1.0, False: 0.25}
    # The features of phase 2 are float16.
    monkeypatch.setattr(
        "budwood.pipeline.dry_run.seconds_per_photo",
        lambda features, photos: seconds[features.dtype == "float32"],
    )
    monkeypatch.setattr(
        "budwood.pipeline.dry_run.fit_seconds", lambda rows, width, classes, recipe: rows * width
    )
    views = [
        "augment.views=3",
        "augment.horizontal_flip=true",
        "finetune.epochs=2",
        "finetune.unfreeze={blocks=1}",
    ]
    both = ['backbone.name=["tiny@64", "tiny_other@64"]', 'finetune.backbones=["tiny"]', "frozen.fit=linear"]
    found = {}
    for learned in ("auto", "original"):
        recipe = Recipe().with_settings([*views, *both, f"frozen.views={learned}"])
        prepared = prepare(ask_for_training(session_colours, recipe, Output(session_colours.parent / "run")))
        found[learned] = estimate(prepared)
    train, widths = prepared.num("train"), [network.features for network in prepared.networks]
    assert [one.features_seconds for one in found.values()] == [2 * 42, 2 * 42]
    # Those of the network that is not fine-tuned are computed for the head alone.
    assert [one.views_seconds for one in found.values()] == [2 * train, 0]
    assert found["auto"].features_bytes - found["original"].features_bytes == 2 * train * sum(widths) * 4
    assert [one.finetuning[0].views_seconds for one in found.values()] == [2 * train, 0.25 * 2 * train]
    assert [one.head_seconds for one in found.values()] == [
        3 * train * 2 * sum(widths),
        train * 2 * sum(widths),
    ]


@pytest.mark.usefixtures("own_cache", "tiny_backbones")
@pytest.mark.parametrize(("views", "passes"), [("3", 2), ("per-epoch", 5), ("0", 0)])
def test_estimate__views_of_a_head_by_gradient_steps(session_colours, monkeypatch, views, passes):
    monkeypatch.setattr("budwood.pipeline.dry_run.seconds_per_photo", lambda features, photos: 1.0)
    settings = ["backbone.name=tiny", "frozen.fit=gradient", "frozen.epochs=5", f"augment.views={views}"]
    recipe = Recipe().with_settings([*SMALL, *settings, "augment.horizontal_flip=true"])
    prepared = prepare(ask_for_training(session_colours, recipe, Output(session_colours.parent / "run")))
    found = estimate(prepared)
    assert found.views_seconds == passes * prepared.num("train")
    assert ("\nviews       about" in describe(prepared, found)) == bool(passes)


@pytest.mark.usefixtures("own_cache", "tiny_backbones")
def test_describe__without_phase_1_nothing_goes_through_the_whole_network(session_colours):
    settings = ["backbone.name=tiny", "frozen.epochs=0", "finetune.epochs=2", "finetune.unfreeze={blocks=1}"]
    text = planned(session_colours, *settings)
    assert "none of the whole network: there is no phase 1" in text and "photos to compute" not in text
    assert "phase 2     about" in text


@pytest.mark.usefixtures("shared_cache", "session_run")
def test_describe__gradient_head_without_test(session_colours):
    text = planned(
        session_colours, "head.hidden=[16]", "head.dropout=0.2", "head.batch_norm=true", "evaluate.test=false"
    )
    assert "dense 16, batch norm, dropout 0.2, dense 3, adam, 30 epochs at most" in text
    assert text.split("\nall ")[1].split()[2] == "0"


@pytest.mark.usefixtures("shared_cache")
def test_describe__many_classes(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(25):
        folder = tmp_path / "many" / f"class {number:02}"
        folder.mkdir(parents=True)
        for copy in range(3):
            Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(folder / f"{copy}.png")
    text = planned(tmp_path / "many")
    assert "class 18" in text and "class 19" not in text
    assert "and 6 classes more" in text


def test_describe__refuses_what_train_refuses(colours):
    with pytest.raises(BackboneError, match="mobilenet_v2"):
        planned(colours, "backbone.name=mobilnet_v2")
    for label in ("blue", "green"):
        shutil.rmtree(colours / label)
    with pytest.raises(DataError, match="two are needed"):
        planned(colours)
