"""Pictures of more than 8 bits, from the check to the predictions: one range of values, kept with the run."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from budwood.config.recipe import Recipe
from budwood.core.errors import DataError, RecipeError
from budwood.core.progress.base import SILENT
from budwood.data.sources import read_source
from budwood.pipeline.entry import train
from budwood.pipeline.prepare import prepare, with_data
from budwood.pipeline.request import Output, ask_for_training
from budwood.run import load

SMALL = ["backbone.name=tiny", "data.size=64", "evaluate.resamples=200"]

pytestmark = pytest.mark.usefixtures("tiny_backbones", "shared_cache")


def grey(label: str, index: int) -> np.ndarray:
    """Values of 0 to 4,095: stripes across or along."""
    rng = np.random.default_rng(index + 100 * (label == "along"))
    stripes = np.sin(np.arange(80) * 0.4 + 6 * rng.random())[None].repeat(60, axis=0)
    if label == "along":
        stripes = np.sin(np.arange(60) * 0.4 + 6 * rng.random())[:, None].repeat(80, axis=1)
    values = 2000 + 600 * stripes + 200 * rng.standard_normal((60, 80))
    return np.clip(values, 0, 4095).astype(np.uint16)


@pytest.fixture(scope="module")
def scans(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "scans"
    for label in ("across", "along"):
        (folder / label).mkdir(parents=True)
        for index in range(12):
            Image.fromarray(grey(label, index)).save(folder / label / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def run(tiny_backbones, scans, tmp_path_factory, session_cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUDWOOD_CACHE", str(session_cache))
        folder = tmp_path_factory.mktemp("runs") / "scans"
        return train(scans, folder, recipe="frozen-linear", settings=SMALL, progress=SILENT)


def test_train__decides_the_range_once_and_keeps_it(run):
    assert Recipe.load(run.folder / "recipe.toml").data.range == [0.0, 4095.0]
    assert json.loads((run.folder / "model" / "model.json").read_text())["input"]["levels"] == [0.0, 4095.0]
    assert json.loads((run.folder / "check.json").read_text())["values"] == {
        "range": [0.0, 4095.0],
        "photos": 24,
    }
    told = [note["text"] for note in json.loads((run.folder / "run.json").read_text())["warnings"]]
    assert any("24 pictures of uint16" in line and "12 bits" in line for line in told)


def test_predict__uses_the_range_of_the_run(run, scans, tmp_path):
    path = scans / "across" / "3.png"
    as_seen = np.round(np.asarray(Image.open(path)) * (255 / 4095)).astype(np.uint8)
    deep, shallow = load(run.folder).predict([path, as_seen])
    assert deep.error is None
    np.testing.assert_allclose(
        list(deep.probabilities.values()), list(shallow.probabilities.values()), atol=0.02
    )


def test_evaluate__uses_the_range_of_the_run(run, scans):
    result = load(run.folder).evaluate(scans, split="test")
    assert result["accuracy"] == run.metrics["test"]["accuracy"]


def test_predict__a_run_of_8_bits_knows_no_range(session_run, scans, tmp_path):
    Image.fromarray(grey("across", 1) * 16).save(tmp_path / "full.png")
    unclear, clear = load(session_run).predict([scans / "across" / "1.png", tmp_path / "full.png"])
    assert "can be read in several ways" in unclear.error
    assert clear.error is None


def prepared(scans, folder, *settings):
    recipe = Recipe.load("frozen-linear").with_settings([*SMALL, *settings])
    return prepare(ask_for_training(scans, recipe, Output(folder), progress=SILENT))


@pytest.mark.parametrize(
    ("setting", "levels"),
    [("data.bit_depth=14", (0.0, 16383.0)), ("data.range=[1000,3000]", (1000.0, 3000.0))],
)
def test_prepare__the_recipe_decides_before_the_photos(scans, tmp_path, setting, levels):
    found = prepared(scans, tmp_path / "run", setting)
    assert found.recipe.data.levels == levels
    assert any("as data.range says" in note.text for note in found.warnings)


def test_prepare__a_range_that_nothing_needs_is_told(session_colours, tmp_path):
    found = prepared(session_colours, tmp_path / "run", "data.bit_depth=12")
    assert any("have no effect" in note.text for note in found.warnings)
    assert with_data(found.request, found.check) == found.request


def test_prepare__a_plan_for_some_minutes_keeps_the_range_that_the_photos_decided(scans, tmp_path):
    plain, planned = (prepared(scans, tmp_path / "run", *limit) for limit in ((), ("budget.minutes=600",)))
    assert planned.recipe.data.levels == plain.recipe.data.levels is not None


def test_prepare__floats_beside_whole_numbers_are_refused(scans, tmp_path):
    mixed = tmp_path / "mixed"
    for label in ("across", "along"):
        (mixed / label).mkdir(parents=True)
        for index in range(6):
            values = grey(label, index)
            Image.fromarray(values if index else values.astype(np.float32) / 4095).save(
                mixed / label / f"{index}.tif"
            )
    with pytest.raises(DataError, match="one range of values cannot suit both"):
        prepared(mixed, tmp_path / "run")
    assert prepared(mixed, tmp_path / "run", "data.range=[0,4095]").recipe.data.levels == (0.0, 4095.0)


def test_prepare__a_crop_that_loses_most_is_told_once(tmp_path):
    for label in ("across", "along"):
        (tmp_path / "wide" / label).mkdir(parents=True)
        for index in range(6):
            pixels = np.random.default_rng(index).integers(0, 256, (40, 130, 3), dtype=np.uint8)
            Image.fromarray(pixels).rotate(90 * (label == "along")).save(
                tmp_path / "wide" / label / f"{index}.png"
            )
    found = prepared(tmp_path / "wide", tmp_path / "run")
    assert sum("data.resize" in note.text for note in found.warnings) == 1
    assert not any(
        "data.resize" in note.text
        for note in prepared(tmp_path / "wide", tmp_path / "r", "data.resize=pad").warnings
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["data.range=[5,5]"], "is empty"),
        (["data.range=[1,2,3]"], "data.range"),
        (["data.bit_depth=7"], "data.bit_depth"),
        (["data.bit_depth=12", "data.range=[0,9]"], "say the same thing"),
    ],
)
def test_recipe__bad_ranges(settings, words):
    with pytest.raises(RecipeError, match=words):
        Recipe.load("frozen-linear").with_settings(settings)


def test_read_source__decodes_nothing(scans):
    assert len(read_source(scans).photos) == 24
