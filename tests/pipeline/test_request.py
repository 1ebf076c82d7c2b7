"""What is refused before Keras is loaded, each by itself and in the order of what it costs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest

from budwood.config.recipe import Recipe
from budwood.core.errors import BackboneError, DataError, RecipeError, RunError, WeightsError
from budwood.core.progress.base import Silent
from budwood.pipeline.request import (
    Output,
    ask_for_training,
    free_or_begun,
    like,
    read_recipe,
    refuse_other_network,
    with_recipe,
)

NOTHING = Path("no photos")


def ask(data, folder, *settings, recipe="frozen-linear", start=None, **output):
    asked = read_recipe(recipe, settings, start=start is not None)
    return ask_for_training(data, asked, Output(folder, **output), start=start)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        (["backbone.name=mobilnet_v2"], BackboneError, "Did you mean mobilenet_v2"),
        (["backbone.weights=absent.h5"], WeightsError, "no weights file absent.h5"),
        (["backbone.name=efficientnet_lite0@8"], RecipeError, "from 32 to 1024 px"),
        (["data.size=64", "backbone.name=efficientnet_lite0@96"], RecipeError, "sees 96 px"),
        (["frozen.epochs=0"], RecipeError, "no phase 2"),
    ],
)
def test_ask_for_training__a_recipe_that_cannot_be_comes_before_all_else(tmp_path, settings, error, words):
    (tmp_path / "run").write_text("in the way")
    with pytest.raises(error, match=words):
        ask(NOTHING, tmp_path / "run", *settings)


def test_ask_for_training__a_directory_in_the_way_comes_before_runs_and_photos(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="is not empty"):
        ask(NOTHING, tmp_path / "run", start=tmp_path / "no run")
    with pytest.raises(RunError, match=r"not a run of Budwood \(it holds notes.txt\)"):
        ask(NOTHING, tmp_path / "run", overwrite=True)


@pytest.mark.parametrize("key", ["start", "distill.run"])
def test_ask_for_training__what_is_no_complete_run_comes_before_photos(tmp_path, key):
    def asked(run):
        if key == "start":
            return ask(NOTHING, tmp_path / "run", "finetune.epochs=1", start=run)
        return ask(NOTHING, tmp_path / "run", f"distill.run={json.dumps(str(run))}")

    (tmp_path / "other").mkdir()
    with pytest.raises(RunError, match="is not a run"):
        asked(tmp_path / "other")
    with pytest.raises(RunError, match="is the run"):
        asked(tmp_path / "run")


def test_ask_for_training__photos_that_are_not_there_leave_nothing_behind(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        ask(tmp_path / "nothing", tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "damage", [lambda run: (run / "model" / "model.keras").write_bytes(b"cut"), None], ids=["model", "phase"]
)
def test_ask_for_training__a_run_to_go_on_from(session_run, session_colours, tmp_path, damage):
    import shutil

    run = shutil.copytree(session_run, tmp_path / "first")
    if damage:
        damage(run)
        with pytest.raises(RunError, match="damaged"):
            ask(session_colours, tmp_path / "run", "finetune.epochs=1", start=run)
        return
    with pytest.raises(RecipeError, match="--from goes on with phase 2"):
        ask(session_colours, tmp_path / "run", start=run)
    with pytest.raises(RecipeError, match="Give --backbone efficientnet_lite0"):
        ask(session_colours, tmp_path / "run", "finetune.epochs=1", "backbone.name=mobilenet_v2", start=run)
    request = ask(session_colours, tmp_path / "run", "finetune.epochs=1", start=run)
    # The sizes are those of the run, not of the backbone.
    assert request.recipe.data.size == 64 and request.sizes == (64,)
    assert request.directory.info.requested.from_ == request.previous.model.sha256


def test_ask_for_training__lists_the_photos_once(colours, tmp_path, monkeypatch):
    from budwood.pipeline import request as module

    listed = []
    real = module.read_source
    monkeypatch.setattr(
        module, "read_source", lambda *given, **options: listed.append(1) or real(*given, **options)
    )
    request = ask(colours, tmp_path / "run")
    assert len(request.manifest.photos) == 42 and listed == [1]
    # A manifest is taken as it is.
    again = ask_for_training(request.manifest, request.recipe, Output(tmp_path / "run"))
    assert again.manifest is request.manifest and again.name == "photos"
    assert not (tmp_path / "run").exists()


def test_ask_for_training__asked_again_with_another_recipe(colours, tmp_path):
    request = ask(colours, tmp_path / "run")
    with pytest.raises(KeyboardInterrupt), request.directory.running():
        raise KeyboardInterrupt
    with pytest.raises(RunError, match="seed was 0 and is now 1"):
        ask(colours, tmp_path / "run", "seed=1", resume=True)
    assert ask(colours, tmp_path / "run", resume=True).output.goes_on


def test_free_or_begun(tmp_path):
    assert (
        free_or_begun("cats", False, tmp_path) == free_or_begun("cats", True, tmp_path) == tmp_path / "cats-1"
    )
    (tmp_path / "cats-1").mkdir()
    (tmp_path / "cats-1" / "run.json").write_text('{"state": "failed"}')
    assert free_or_begun("cats", False, tmp_path) == tmp_path / "cats-2"
    assert free_or_begun("cats", True, tmp_path) == tmp_path / "cats-1"
    (tmp_path / "cats-1" / "run.json").write_text('{"state": "complete"}')
    assert free_or_begun("cats", True, tmp_path) == tmp_path / "cats-2"


@pytest.mark.parametrize(
    ("settings", "phase"),
    [
        ([], []),
        (["finetune.epochs=1"], ["views", "finetune"]),
        (
            [
                'backbone.name=["mobilenet", "efficientnet_lite0"]',
                "finetune.epochs=1",
                'finetune.backbones=["mobilenet"]',
            ],
            ["views of mobilenet", "finetune mobilenet"],
        ),
    ],
)
def test_steps__are_the_stages_to_come(colours, tmp_path, settings, phase):
    request = ask(colours, tmp_path / "run", *settings)
    assert request.steps == [
        *("check", "backbone", "features", "copies", "head"),
        *phase,
        *(["calibrate"] if phase else []),
        *("evaluate", "save", "report"),
    ]


def test_steps__a_trial_of_int8_is_one(colours, tmp_path):
    request = ask(colours, tmp_path / "run", "backbone.precision=int8")
    assert request.steps[:4] == ["check", "backbone", "int8", "features"]


def test_like__keeps_split_backbones_and_sizes_of_the_run():
    before = Recipe().with_settings(["split_seed=3", "backbone.name=mobilenet_v2", "data.size=96"])
    found = like(before, Recipe().with_settings(["seed=5", "finetune.epochs=2"]))
    assert (found.split_seed, found.backbone.name, found.data.size) == (3, "mobilenet_v2", 96)
    assert (found.seed, found.finetune.epochs) == (5, 2)


@pytest.mark.parametrize(
    ("of_the_run", "asked", "expected"),
    [
        ([], [], None),
        (["data.range=[0,4095]"], [], (0, 4095)),
        # Of pictures of 8 bits a run has none, and the deeper ones that come now may have theirs.
        ([], ["data.range=[0,4095]"], (0, 4095)),
        ([], ["data.bit_depth=12"], (0, 4095)),
        (["data.range=[0,4095]"], ["data.bit_depth=12"], (0, 4095)),
    ],
)
def test_like__range_of_values(of_the_run, asked, expected):
    before, recipe = (
        Recipe().with_settings(["finetune.epochs=1", *settings]) for settings in (of_the_run, asked)
    )
    refuse_other_network(recipe, SimpleNamespace(folder="r", recipe=before))
    assert like(before, recipe).data.levels == expected


@pytest.mark.parametrize("setting", ["data.range=[0,65535]", "data.bit_depth=16"])
def test_refuse_other_network__another_range_of_values(setting):
    before, recipe = (
        Recipe().with_settings(["finetune.epochs=1", own]) for own in ("data.range=[0,4095]", setting)
    )
    with pytest.raises(RecipeError) as caught:
        refuse_other_network(recipe, SimpleNamespace(folder="r", recipe=before))
    assert str(caught.value) == (
        "the run r was trained with values from 0 to 4095, and this recipe has 0 to 65535. "
        f"Leave {setting.partition('=')[0]} out: the range of the run is taken"
    )


def test_read_recipe__sizes_of_a_recipe_by_name_give_way_to_those_of_the_run():
    assert read_recipe("best").backbone.sized[0][1] is not None
    assert read_recipe("best", start=True).backbone.sized[0][1] is None
    asked = Recipe().with_settings(["data.size=96"])
    assert read_recipe(asked, start=True).data.size == 96


def test_ask_for_training__needs_no_keras(session_run, session_colours, tmp_path):
    code = f"""
import sys
from pathlib import Path
from typing import ClassVar
from budwood.core.errors import BudwoodError
from budwood.core.progress.base import Silent
from budwood.pipeline.request import Output, ask_for_training, read_recipe

def refused(data, folder, *settings, start=None):
    try:
        recipe = read_recipe("frozen-linear", settings, start=start is not None)
        ask_for_training(data, recipe, Output(Path(folder)), start=start)
    except BudwoodError:
        return True
    return False

data, run, new = {str(session_colours)!r}, {str(session_run)!r}, {str(tmp_path / "new")!r}
assert refused(data, new, "backbone.name=mobilnet")
assert refused(data, new, "backbone.weights=absent.h5")
assert refused(data, run)
assert refused(data, new, "finetune.epochs=1", start=data)
assert refused("nothing", new)
assert not refused(data, new, "finetune.epochs=1", start=run)
assert not {{"keras", "tensorflow", "openvino", "sklearn"}} & set(sys.modules), "something heavy was loaded"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr


def test_steps__are_the_stages_that_a_run_records(session_run, session_colours, tmp_path):
    recorded = json.loads((session_run / "run.json").read_text("utf-8"))["stages"]
    request = ask(session_colours, tmp_path / "run", "data.size=64")
    assert request.steps == [stage["name"] for stage in recorded]


def test_ask_for_training__says_what_it_understood_before_anything_is_computed(colours, tmp_path):
    (colours / "red" / "1.NEF").write_bytes(b"raw")

    class Said(Silent):
        lines: ClassVar[list[str]] = []

        def stage(self, name, total=None, unit="photos"):
            pytest.fail(f"{name} began")

        def say(self, line):
            self.lines.append(line)

    said = Said()
    ask_for_training(colours, read_recipe("frozen-linear", []), Output(tmp_path / "run"), progress=said)
    assert said.lines[0] == "read as a folder for each class"
    assert said.lines[-1].startswith("not read: 1 .nef file in 'red'")
    assert [line.split() for line in said.lines[1:3]] == [["class", "photos"], ["blue", "14"]]


def test_with_recipe__the_run_records_what_was_asked_for(session_colours, tmp_path):
    request = ask(session_colours, tmp_path / "run")
    planned = with_recipe(request, Recipe.load("best").model_copy(update={"adapt": False}))
    assert planned.recipe.data.size == 260 and planned.asked.data.size == "auto"
    assert planned.directory.info.requested == request.directory.info.requested
