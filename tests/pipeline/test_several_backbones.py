"""Ensembles of backbones, flipped, end to end on small data."""

import keras
import numpy as np
import pytest

from budwood.config.recipe import Recipe
from budwood.core.errors import BackboneError, RecipeError
from budwood.core.files import read_csv
from budwood.core.progress.base import SILENT
from budwood.data.images import view
from budwood.pipeline.dry_run import describe, estimate
from budwood.pipeline.entry import train
from budwood.pipeline.prepare import prepare
from budwood.pipeline.request import Output, ask_for_training

NAMES = 'backbone.name=["tiny@64", "tiny_other@32"]'
SETTINGS = [
    NAMES,
    'backbone.weights={tiny_other="random"}',
    *["evaluate.resamples=200", "head.dropout=0.2", "loss.label_smoothing=0.1", "frozen.fit=linear"],
    *["finetune.epochs=2", "finetune.unfreeze={blocks=1}", "finetune.learning_rate=1e-3"],
    *["finetune.batch_size=16", "augment.views=2", "augment.horizontal_flip=true"],
]

pytestmark = pytest.mark.usefixtures("tiny_backbones", "shared_cache")


def side_by_side(data, folder, *settings, **options):
    return train(data, folder, settings=[*SETTINGS, *settings], progress=SILENT, **options)


@pytest.fixture(scope="module")
def run(tiny_backbones, session_cache, session_colours, tmp_path_factory):
    """Both backbones, fine-tuned, and mirrored."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUDWOOD_CACHE", str(session_cache))
        return side_by_side(session_colours, tmp_path_factory.mktemp("runs") / "two", "evaluate.flip=true")


def test_train__resolved_recipe_has_every_size(run):
    assert run.recipe.backbone.name == ["tiny@64", "tiny_other@32"]
    assert run.recipe.data.size == 64 and run.recipe.evaluate.flip


def test_train__one_flat_model_is_what_was_measured(run, session_colours):
    model = keras.models.load_model(run.folder / "model" / "model.keras", safe_mode=True)
    assert model.input.shape == (None, 64, 64, 3) and model.output.shape == (None, 3)
    assert not [layer for layer in model.layers if isinstance(layer, keras.Model)]
    names = {layer.name for layer in model.layers}
    assert {"tiny.stem_conv", "tiny_other.stem_conv", "tiny_other.preprocess_resize"} <= names
    rows = read_csv(run.folder / "predictions.csv")
    pixels = np.stack([view(session_colours / row["name"], 64) for row in rows]).astype(np.float32)
    found = np.array([[float(row[f"p:{label}"]) for label in run.classes] for row in rows])
    # As a user calls it, without a word about training.
    np.testing.assert_allclose(found, np.asarray(model(pixels)), atol=1e-4)
    # A picture and its mirror image are one to it.
    np.testing.assert_allclose(np.asarray(model(pixels[:, :, ::-1])), found, atol=1e-4)
    predicted = run.predict_proba([session_colours / row["name"] for row in rows])
    np.testing.assert_allclose(predicted, found, atol=1e-4)
    again = run.evaluate(session_colours, split="test")["loss"]
    assert again == pytest.approx(run.metrics["test"]["loss"], abs=1e-5)


def test_train__each_backbone_has_records_of_its_own(run):
    history = read_csv(run.folder / "history.csv")
    assert [(row["phase"], row["backbone"], row["epoch"]) for row in history] == [
        ("frozen", "", "1"),
        ("finetune", "tiny", "2"),
        ("finetune", "tiny", "3"),
        ("finetune", "tiny_other", "4"),
        ("finetune", "tiny_other", "5"),
    ]
    phase = run.metrics["phases"][1]
    assert phase["epochs"] == 4 and [one["name"] for one in phase["backbones"]] == [
        "tiny",
        "tiny_other",
    ]
    assert phase["trainable_parameters"] == sum(one["trainable_parameters"] for one in phase["backbones"])
    layers = {row["name"]: row for row in read_csv(run.folder / "layers.csv")}
    for trained in ("tiny.block4a_dwconv", "tiny_other.block4a_project_conv"):
        assert layers[trained]["trained"] == "1" and layers[trained]["part"] == "trainable"
        assert trained in phase["unfrozen_layers"]
    assert layers["tiny_other.stem_conv"]["part"] == "frozen"
    assert set(run.info["views"]) == {"tiny", "tiny_other"}
    report = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "one after the other" in report and "with horizontal-flip test-time augmentation" in report


@pytest.mark.slow
def test_evaluate__an_epoch_is_of_one_backbone_alone(run, session_colours):
    history = {int(row["epoch"]): row for row in read_csv(run.folder / "history.csv")}
    best = run.metrics["phases"][1]["backbones"][0]["best_epoch"]
    for epoch in (1, best):
        metrics = run.evaluate(session_colours, split="validation", checkpoint=epoch)
        # The history is of single pictures, the model averages each with its mirror image.
        assert metrics["loss"] == pytest.approx(float(history[epoch]["val_loss"]), rel=0.3, abs=0.05)


def test_train__a_backbone_finds_what_it_yielded_beside_another(run, session_colours, tmp_path):
    alone = train(
        session_colours,
        tmp_path / "alone",
        recipe="frozen-linear",
        settings=["backbone.name=tiny@64", "evaluate.resamples=200"],
        progress=SILENT,
    )
    assert alone.info["features"]["computed"] == 0 and alone.info["features"]["found"] == 42
    assert alone.recipe.backbone.name == "tiny" and alone.recipe.data.size == 64
    assert alone.info["features"]["fingerprint"] == run.info["features"]["fingerprint"].split("+")[0]


@pytest.mark.slow
def test_train__resumed_gives_what_an_unbroken_training_gives(run, session_colours, tmp_path):
    folder = tmp_path / "broken"

    def interrupt(epoch, logs):
        # The second epoch of the second backbone; Keras counts from 0.
        if epoch == 4:
            raise KeyboardInterrupt

    stop = keras.callbacks.LambdaCallback(on_epoch_begin=interrupt)
    with pytest.raises(KeyboardInterrupt):
        side_by_side(session_colours, folder, "evaluate.flip=true", callbacks=[stop])
    again = side_by_side(session_colours, folder, "evaluate.flip=true", resume=True)
    assert (again.folder / "history.csv").read_bytes() == (run.folder / "history.csv").read_bytes()
    assert again.metrics["test"] == run.metrics["test"]


@pytest.mark.slow
def test_train__one_of_two_is_fine_tuned_and_gone_on_from(run, session_colours, tmp_path):
    more = side_by_side(
        session_colours,
        tmp_path / "more",
        *['finetune.backbones=["tiny_other"]', "finetune.epochs=1", "finetune.warmup_epochs=0"],
        start=run.folder,
    )
    start, tuned = more.metrics["phases"]
    assert [one["name"] for one in tuned["backbones"]] == ["tiny_other"]
    assert start["name"] == "start" and start["validation_accuracy"] is not None
    model = keras.models.load_model(_of_phase(more, "finetune"), safe_mode=True)
    before = keras.models.load_model(_of_phase(run, run.metrics["chosen_phase"]), safe_mode=True)
    changed = {
        layer.name
        for layer in model.layers
        if layer.weights
        and not np.array_equal(layer.get_weights()[0], before.get_layer(layer.name).get_weights()[0])
    }
    assert changed == {
        "head_logits",
        "tiny_other.block4a_dwconv",
        "tiny_other.block4a_project_conv",
        "tiny_other.top_conv",
    }


def _of_phase(run, phase):
    if phase == run.metrics["chosen_phase"]:
        return run.folder / "model" / "model.keras"
    return run.folder / "checkpoints" / f"{phase}.keras"


@pytest.mark.slow
def test_train__one_backbone_mirrored(session_colours, tmp_path):
    settings = ["backbone.name=tiny", "data.size=64", "evaluate.resamples=200", "evaluate.flip=true"]
    run = train(session_colours, tmp_path / "run", recipe="frozen-linear", settings=settings, progress=SILENT)
    photo = session_colours / "red" / "red 00.jpg"
    pixels = view(photo, 64)[np.newaxis].astype(np.float32)
    np.testing.assert_allclose(np.asarray(run.model(pixels)), run.predict_proba([photo]), atol=1e-5)
    np.testing.assert_allclose(
        np.asarray(run.model(pixels)), np.asarray(run.model(pixels[:, :, ::-1])), atol=1e-5
    )
    plain = train(
        session_colours,
        tmp_path / "on",
        settings=[*settings[:3], "finetune.epochs=1", "finetune.warmup_epochs=0", "augment.views=1"],
        start=run.folder,
        progress=SILENT,
    )
    assert plain.metrics["phases"][0]["validation_accuracy"] is not None
    assert "stem_conv" in {layer.name for layer in plain.model.layers}


def test_describe__every_backbone_by_itself(run, session_colours, tmp_path):
    recipe = Recipe().with_settings(SETTINGS)
    prepared = prepare(ask_for_training(session_colours, recipe, Output(tmp_path / "run")))
    text = describe(prepared, estimate(prepared))
    assert "tiny, 10,800 parameters" in text and "32 px in, 64 features out" in text
    assert "0 and 0 of 42 photos to compute: the store has them all" in text
    assert "# Phase 2 of tiny\n" in text and "# Phase 2 of tiny_other" in text


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        (['backbone.name=["mobilenet", "mobilenet@64"]'], RecipeError, "mobilenet is there twice"),
        (["backbone.name=[]"], RecipeError, "at least 1 item"),
        ([NAMES, "data.size=48"], RecipeError, "tiny@64 sees 64 px.*data.size=64"),
        (["backbone.name=mobilenet@31"], RecipeError, "from 32 to 1024 px"),
        (
            ["backbone.name=mobilenet@abc"],
            BackboneError,
            "`abc` is no size in pixels. Give mobilenet@224",
        ),
        ([NAMES, "backbone.weights=some.h5"], RecipeError, r"whose it is: weights = \{tiny"),
        ([NAMES, 'backbone.weights={tiny_othr="random"}'], RecipeError, "Did you mean tiny_other"),
        ([NAMES, 'finetune.backbones=["tiny_othr"]'], RecipeError, "Did you mean tiny_other"),
    ],
)
def test_train__wrong_request(settings, error, words, session_colours, tmp_path):
    with pytest.raises(error, match=words):
        train(session_colours, tmp_path / "run", settings=settings, progress=SILENT)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_explain__two_networks_and_their_mirror_images(run, session_colours):
    rows = [row for row in run.splits if row["split"] == "test"]
    found = run.explain([session_colours / row["name"] for row in rows])
    pixels = [np.ascontiguousarray(one.picture[:, ::-1]) for one in found]
    for one, mirrored in zip(found, run.explain(pixels), strict=True):
        assert len(one.similar) == 6 and one.occlusion.shape == (64, 64)
        # A picture and its mirror image are one to the model, and so are the reasons.
        scale = max(one.grad_cam.max(), 1e-3)
        np.testing.assert_allclose(mirrored.grad_cam[:, ::-1], one.grad_cam, atol=0.02 * scale)
    assert max(one.grad_cam.max() for one in found) > 0.1
