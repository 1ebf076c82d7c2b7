"""The notebooks of examples/: valid, without outputs; in the slow tests, run from top to bottom on a few real photos
and with networks that are here."""

import ast
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from budwood.config.loading import shipped_recipes
from budwood.run import load
from tests.notebooks import execute, outputs

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(file.stem for file in EXAMPLES.glob("*.ipynb"))
EVERY = pytest.mark.parametrize("name", NAMES)


def read(name: str) -> nbformat.NotebookNode:
    return nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)


def code_of(name: str) -> str:
    return "\n\n".join(cell.source for cell in read(name).cells if cell.cell_type == "code")


def test_examples__one_for_each_write_up():
    assert [name[:2] for name in NAMES] == ["A-", "B-", "C-", "D-", "E-"]
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"({name}.ipynb)" in readme for name in NAMES)


@EVERY
def test_notebook__is_valid_and_holds_no_outputs(name):
    notebook = read(name)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.outputs for cell in cells] == [[]] * len(cells)
    assert {cell.execution_count for cell in cells} == {None}
    assert [cell.id for cell in notebook.cells] == [
        f"{name[0].lower()}-{number:02}" for number in range(len(notebook.cells))
    ]
    assert notebook.cells[0].cell_type == "markdown"


@EVERY
def test_notebook__every_recipe_that_it_names_exists(name):
    text = (EXAMPLES / f"{name}.ipynb").read_text(encoding="utf-8")
    families = {recipe.partition("-")[0] for recipe in shipped_recipes() if "-" in recipe}
    quoted = set(re.findall(r'\\"([a-z]+-[a-z0-9-]+)\\"', text))
    recipes = {word for word in quoted if word.partition("-")[0] in families}
    assert recipes and recipes <= set(shipped_recipes())


def test_notebooks__name_every_recipe_of_the_write_ups():
    text = "".join((EXAMPLES / f"{name}.ipynb").read_text(encoding="utf-8") for name in NAMES)
    of_write_ups = [name for name in shipped_recipes() if re.match("flowers-|cats-|birds-|dogs-", name)]
    assert len(of_write_ups) > 15
    assert [recipe for recipe in of_write_ups if f'\\"{recipe}\\"' not in text] == []


def parameters(name: str) -> dict[str, object]:
    """What the first code cell sets."""
    cell = next(cell for cell in read(name).cells if "parameters" in cell.metadata.get("tags", []))
    return {line.targets[0].id: ast.literal_eval(line.value) for line in ast.parse(cell.source).body}


@EVERY
def test_notebook__parameters_stand_in_front_and_are_used(name):
    first = next(cell for cell in read(name).cells if cell.cell_type == "code")
    assert first.metadata.tags == ["parameters"]
    rest = code_of(name).removeprefix(first.source)
    assert [key for key in parameters(name) if not re.search(rf"\b{key}\b", rest)] == []


FLOWERS = ["daisy", "roses", "tulips"]
QUICK = {"SETTINGS": ["data.size=64", "evaluate.resamples=200"], "SEEDS": 2}
EPOCHS = {"PHASE_1": ["frozen.epochs=2"], "PHASE_2": ["finetune.epochs=2"]}
ONE = {**QUICK, **EPOCHS, "SEEDS": 1}
LITE = "efficientnet_lite0"


def take(source: Path, target: Path, number: int, skip: int = 0) -> Path:
    """So many files of a folder, as a folder of their own."""
    target.mkdir(parents=True)
    for file in sorted(source.glob("*.jpg"))[skip : skip + number]:
        shutil.copy(file, target)
    return target


def take_flowers(datasets: Path, target: Path) -> str:
    for label in FLOWERS:
        take(datasets / "flower_photos" / label, target / label, 30)
    return str(target)


def run_notebook(name: str, folder: Path, given: dict[str, object]) -> list[nbformat.NotebookNode]:
    """Runs a notebook with other parameters; every cell must succeed, and nothing may be said on standard error."""
    notebook = read(name)
    assert set(given) <= set(parameters(name))
    at = next(n for n, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
    source = "\n".join(f"{key} = {value!r}" for key, value in given.items())
    notebook.cells.insert(at + 1, new_code_cell(source))
    execute(notebook, folder)
    nbformat.write(notebook, folder / f"{name}.ipynb")
    found = outputs(notebook)
    assert [output.text for output in found if output.get("name") == "stderr"] == []
    return found


def printed(found: list[nbformat.NotebookNode]) -> str:
    return "".join(output.text for output in found if output.output_type == "stream")


def accuracies(folder: Path) -> dict[str, float]:
    """Test accuracy of every run in a folder; studies beside them are left out."""
    return {
        file.parent.name: load(file.parent).metrics["test"]["accuracy"]
        for file in sorted(folder.glob("*/run.json"))
    }


@pytest.mark.slow
def test_a__flowers_study(test_data, shared_cache, tmp_path):
    given = {
        "DATA": take_flowers(test_data / "datasets", tmp_path / "flowers"),
        "BACKBONE": LITE,
        "LARGER": "efficientnet_lite1",
        "RUNS": "runs",
        **QUICK,
        **ONE,
    }
    found = run_notebook("A-flowers-study", tmp_path, given)
    runs = accuracies(tmp_path / "runs")
    assert set(runs) == {
        *["baseline", "optimized", "finetuned", "finetuned-moving-batch-norm", "no-smoothing", "larger"]
    }
    history = load(tmp_path / "runs" / "optimized").history
    assert len(history) == 2 and history[-1]["loss"] < history[0]["loss"]
    assert "338 of 367 = 92.10%" in printed(found)
    assert load(tmp_path / "runs" / "finetuned").metrics["verdict"]["difference"] is not None


@pytest.mark.slow
def test_b__cats_and_dogs(test_data, shared_cache, tmp_path):
    for part, number in (("train", 40), ("validation", 20)):
        for label in ("cats", "dogs"):
            source = test_data / "datasets" / "cats_and_dogs" / part / label
            take(source, tmp_path / "pets" / part / label, number)
    weights = test_data / "weights" / "mobilenet_v2_1.0_224_no_top.weights.h5"
    given = {
        "DATA": str(tmp_path / "pets"),
        "FLOWERS": take_flowers(test_data / "datasets", tmp_path / "flowers"),
        "RUNS": "runs",
        "FLOWERS_BACKBONE": LITE,
        "SWAPPED": [LITE, "efficientnet_lite1"],
        "WEIGHTS": [f'backbone.weights="{weights}"'],
        **QUICK,
        **EPOCHS,
    }
    found = run_notebook("B-cats-and-dogs", tmp_path, given)
    assert set(accuracies(tmp_path / "runs")) == {"head", "both", "spike", "flowers"}
    assert "1,281 parameters were trained" in printed(found)
    assert load(tmp_path / "runs" / "both").metrics["phases"][-1]["trainable_parameters"] == 1_840_897
    assert load(tmp_path / "runs" / "spike").metrics["chosen_phase"] != "finetune"


@pytest.fixture
def twelve(test_data, tmp_path) -> Path:
    """Flowers with a test part of their own, in place of birds and dogs."""
    source = test_data / "datasets" / "oxford_flowers12"
    for label in sorted(folder.name for folder in (source / "train").iterdir()):
        take(source / "train" / label, tmp_path / "twelve" / "train" / label, 12)
        take(source / "test" / label, tmp_path / "twelve" / "test" / label, 5)
    return tmp_path / "twelve"


@pytest.mark.slow
def test_c__four_bird_models(test_data, twelve, shared_cache, tmp_path):
    loose = take(test_data / "datasets" / "oxford_flowers12" / "test" / "iris", tmp_path / "loose", 4, skip=8)
    given = {"DATA": str(twelve), "LOOSE": str(loose), "RUNS": "runs", "BACKBONE": LITE, **ONE}
    found = run_notebook("C-four-bird-models", tmp_path, given)
    runs = accuracies(tmp_path / "runs")
    assert set(runs) == {"model-1", "model-2", "model-3", "model-4", "interrupted", "unpacked"}
    assert runs["interrupted"] == runs["model-1"] and runs["unpacked"] == runs["model-3"]
    assert printed(found).count("True") == 2 and "interrupted\n" in printed(found)
    assert printed(found).count("of 12 validation photos") == 2


@pytest.mark.slow
def test_d__backbones_and_unfreezing(test_data, shared_cache, tmp_path):
    weights = test_data / "weights" / "mobilenet_v2_1.0_224_no_top.weights.h5"
    given = {
        "DATA": take_flowers(test_data / "datasets", tmp_path / "flowers"),
        "RUNS": "runs",
        "LARGE": LITE,
        "SMALL_WEIGHTS": [f'backbone.weights="{weights}"'],
        "EPOCHS": ["frozen.epochs=2", "finetune.epochs=2"],
        **QUICK,
        "SEEDS": 1,
    }
    found = run_notebook("D-backbones-and-unfreezing", tmp_path, given)
    runs = accuracies(tmp_path / "runs")
    assert set(runs) == {"small-layers", "small-blocks", "large-layers", "large-blocks"}
    assert "hidden=[256, 64]" in printed(found)
    mistakes = re.findall(r"(.*?) +\d+% of \d+ test photos", printed(found))
    assert mistakes == ["as they are", "pale", "scaled twice"]


@pytest.mark.slow
def test_e__dogs(test_data, twelve, shared_cache, tmp_path):
    given = {"DATA": str(twelve), "RUNS": "runs", "BACKBONE": LITE, **ONE}
    given |= {
        "PHASE_2": ["finetune.epochs=1"],
        "SEARCH": ["frozen.epochs=1"],
        "CELLS": [(1e-2, 0.0), (1e-4, 0.01)],
    }
    found = run_notebook("E-dogs", tmp_path, given)
    runs = accuracies(tmp_path / "runs")
    assert set(runs) == {"scratch", "frozen", "finetuned"}
    assert "top5_accuracy" in printed(found)
    scratch = load(tmp_path / "runs" / "scratch").metrics["phases"]
    assert [phase["name"] for phase in scratch] == ["finetune"]
