"""Photos checked and divided, backbones built: nothing is written."""

import shutil
from dataclasses import replace

import pytest

from budwood.config.recipe import Recipe
from budwood.core.errors import DataError, WeightsError
from budwood.pipeline import prepare as module
from budwood.pipeline.prepare import check_photos, prepare, split_photos
from budwood.pipeline.request import Output, ask_for_training

pytestmark = pytest.mark.usefixtures("shared_cache")


def ask(data, folder, *settings, **options):
    recipe = Recipe.load("frozen-linear").with_settings(["data.size=64", *settings])
    return ask_for_training(data, recipe, Output(folder), **options)


def test_prepare__everything_that_a_training_needs_and_nothing_on_disk(colours, tmp_path):
    (colours / "red" / "cut.jpg").write_bytes(b"no picture")
    prepared = prepare(ask(colours, tmp_path / "run"))
    assert prepared.classes == ("blue", "green", "red") and prepared.num_features == 1280
    assert sum(prepared.num(split) for split in ("train", "validation", "test")) == 42
    assert [network.name for network in prepared.networks] == ["efficientnet_lite0"]
    assert prepared.head == () and prepared.boundaries == {} and prepared.teacher is None
    assert prepared.resolved[0].frozen.fit == "linear"
    assert [note.kind for note in prepared.warnings] == ["data"]
    stages = [stage.name for stage in prepared.request.directory.info.stages]
    assert stages == ["check", "backbone"]
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_prepare__of_a_run_keeps_its_head_and_its_split(session_run, session_colours, tmp_path):
    from budwood.runs.files import read_run

    request = ask(session_colours, tmp_path / "run", "finetune.epochs=1", "split_seed=9", start=session_run)
    prepared = prepare(request)
    before = {row.sha256: row.split for row in read_run(session_run).split}
    assert {photo.sha256: photo.split for photo in prepared.photos} == before
    assert [layer.name for layer in prepared.head] == ["head_logits", "probabilities"]
    assert list(prepared.boundaries) == ["efficientnet_lite0"]
    assert [note.kind for note in prepared.warnings] == ["split"]


def test_check_photos__classes_that_the_run_does_not_know(session_run, session_colours, colours, tmp_path):
    request = ask(session_colours, tmp_path / "run", "finetune.epochs=1", start=session_run)
    (colours / "red").rename(colours / "violet")
    other = ask(colours, tmp_path / "run")
    with pytest.raises(DataError, match="blue, green, violet.*train without --from"):
        check_photos(replace(request, manifest=other.manifest))


def test_split_photos__is_a_step_after_the_check(session_colours, tmp_path):
    request = ask(session_colours, tmp_path / "run")
    checked = check_photos(request)
    assert {photo.split for photo in checked.photos} == {None}
    photos = split_photos(request, checked)
    assert {photo.split for photo in photos} == {"train", "validation", "test"}
    assert [photo.name for photo in photos] == [photo.name for photo in checked.photos]


@pytest.mark.parametrize("rule", ["grouped", "shuffled"])
def test_split_photos__no_backbone_size_or_engine_changes_the_split(session_colours, tmp_path, rule):
    others = (
        ("backbone.engine=keras", "data.size=96"),
        ("backbone.name=mobilenet_v3_small", "backbone.weights=random", "data.size=32", "seed=7"),
        ('backbone.name=["mobilenet_v3_small", "efficientnet_lite0"]', "backbone.weights=random"),
        ("data.resize=pad", "augment.views=3", "backbone.precision=bf16"),
    )
    splits = []
    for number, settings in enumerate([(), *others]):
        request = ask(session_colours, tmp_path / str(number), f"data.split_rule={rule}", *settings)
        photos = split_photos(request, check_photos(request))
        splits.append([(photo.name, photo.split, photo.group) for photo in photos])
    assert all(split == splits[0] for split in splits[1:])


def test_prepare__weights_that_cannot_be_fetched_come_before_the_photos_are_read(
    session_colours, tmp_path, monkeypatch
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("BUDWOOD_WEIGHTS", raising=False)
    monkeypatch.setattr(module, "check", lambda *given, **options: pytest.fail("the photos were read"))

    def offline(*given, **options):
        raise OSError("no network")

    monkeypatch.setattr("keras.utils.get_file", offline)
    monkeypatch.setattr("urllib.request.urlopen", offline)
    with pytest.raises(WeightsError, match="could not be downloaded"):
        prepare(ask(session_colours, tmp_path / "run", "backbone.name=mobilenet_v2"))
    assert not (tmp_path / "run").exists()


def test_prepare__says_what_hints_at_groups_unless_they_are_given(tmp_path, session_colours):
    folder = tmp_path / "photos"
    files = sorted(file for file in session_colours.rglob("*.*") if file.is_file())
    for number, file in enumerate(files):
        label = file.parent.name
        place = folder / label / f"scene{number // 3:03}" / f"{number}{file.suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)

    def hints(name, *settings):
        warnings = prepare(ask(folder, tmp_path / name, *settings)).warnings
        return [note.text for note in warnings if note.kind == "groups"]

    assert len(hints("a")) == 1 and "--group 'pattern:scene" in hints("a2")[0]
    assert hints("b", "data.group=none") == hints("c", "data.group=parent") == []
