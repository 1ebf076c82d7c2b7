"""The notebooks of examples/: valid, with their outputs; in the slow tests, run from top to bottom on a few real photos
and with networks that are here."""

import ast
import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from budwood.config.loading import shipped_recipes
from budwood.run import load
from tests.notebooks import outputs
from tools.notebooks import EXAMPLES, SHORT, TINY, internals, keep_outputs, read, run

NAMES = sorted(file.stem for file in EXAMPLES.glob("*.ipynb"))
EVERY = pytest.mark.parametrize("name", NAMES)


def code_of(name: str) -> str:
    return "\n\n".join(cell.source for cell in read(name).cells if cell.cell_type == "code")


def test_examples__one_for_each_write_up():
    assert [name[:2] for name in NAMES] == ["A-", "B-", "C-", "D-", "E-"]
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"({name}.ipynb)" in readme for name in NAMES)


@EVERY
def test_notebook__is_valid_and_small(name):
    notebook = read(name)
    nbformat.validate(notebook)
    assert [cell.id for cell in notebook.cells] == [
        f"{name[0].lower()}-{number:02}" for number in range(len(notebook.cells))
    ]
    assert notebook.cells[0].cell_type == "markdown"
    assert (EXAMPLES / f"{name}.ipynb").stat().st_size < 1_000_000


@EVERY
def test_notebook__its_outputs_are_kept_and_name_no_machine(name):
    first, *_ = found = outputs(read(name))
    assert "a short run" in first.text
    assert {output.output_type for output in found} <= {"display_data", "execute_result", "stream"}
    assert len([output for output in found if "text/html" in output.get("data", {})]) > 5
    assert str(Path.home()) not in str(found) and "/tmp/" not in str(found)


@EVERY
def test_notebook__imports_public_names_alone(name):
    assert internals(code_of(name)) == []


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


def run_notebook(name: str, test_data: Path, folder: Path) -> list[nbformat.NotebookNode]:
    """Run a notebook on a few photos; every cell must succeed, and standard error says only that they are few."""
    given = SHORT[name](test_data, folder, TINY)
    assert set(given) <= set(parameters(name))
    found = outputs(run(name, folder, given))
    said = [output.text for output in found if output.get("name") == "stderr"]
    assert [text for text in said if "FewPhotosWarning: " not in text] == []
    return found


def printed(found: list[nbformat.NotebookNode]) -> str:
    return "".join(output.text for output in found if output.get("name") == "stdout")


def accuracies(folder: Path) -> dict[str, float]:
    """Test accuracy of every run in a folder; studies beside them are left out."""
    return {
        file.parent.name: load(file.parent).metrics["test"]["accuracy"]
        for file in sorted(folder.glob("*/run.json"))
    }


@pytest.mark.slow
def test_a__flowers_study(test_data, shared_cache, tmp_path):
    found = run_notebook("A-flowers-study", test_data, tmp_path)
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
    found = run_notebook("B-cats-and-dogs", test_data, tmp_path)
    assert set(accuracies(tmp_path / "runs")) == {"head", "both", "spike", "flowers"}
    assert "1,281 parameters were trained" in printed(found)
    assert load(tmp_path / "runs" / "both").metrics["phases"][-1]["trainable_parameters"] == 1_840_897
    assert load(tmp_path / "runs" / "spike").metrics["chosen_phase"] != "finetune"


@pytest.mark.slow
def test_c__four_bird_models(test_data, shared_cache, tmp_path):
    found = run_notebook("C-four-bird-models", test_data, tmp_path)
    runs = accuracies(tmp_path / "runs")
    assert set(runs) == {"model-1", "model-2", "model-3", "model-4", "interrupted", "unpacked"}
    assert runs["interrupted"] == runs["model-1"] and runs["unpacked"] == runs["model-3"]
    assert printed(found).count("True") == 2 and "interrupted\n" in printed(found)
    assert printed(found).count("of 12 validation photos") == 2


@pytest.mark.slow
def test_d__backbones_and_unfreezing(test_data, shared_cache, tmp_path):
    found = run_notebook("D-backbones-and-unfreezing", test_data, tmp_path)
    runs = accuracies(tmp_path / "runs")
    assert set(runs) == {"small-layers", "small-blocks", "large-layers", "large-blocks"}
    assert "hidden=[256, 64]" in printed(found)
    mistakes = re.findall(r"(.*?) +\d+% of \d+ test photos", printed(found))
    assert mistakes == ["as they are", "pale", "scaled twice"]


@pytest.mark.slow
def test_e__dogs(test_data, shared_cache, tmp_path):
    found = run_notebook("E-dogs", test_data, tmp_path)
    runs = accuracies(tmp_path / "runs")
    assert set(runs) == {"scratch", "frozen", "finetuned"}
    assert "top5_accuracy" in printed(found)
    scratch = load(tmp_path / "runs" / "scratch").metrics["phases"]
    assert [phase["name"] for phase in scratch] == ["finetune"]


def test_internals__finds_what_is_not_public():
    assert internals("import budwood\nfrom budwood import show, load\nimport numpy as np") == []
    assert internals("from budwood.data.images import view") == ["budwood.data.images view"]
    assert internals("from budwood import run") == ["budwood run"]


def test_keep_outputs__says_what_they_are_of_and_drops_standard_error(tmp_path, monkeypatch):
    monkeypatch.setattr("tools.notebooks.EXAMPLES", tmp_path)
    cells = [
        new_code_cell("DATA = 'all'", id="x-00", metadata={"tags": ["parameters"]}),
        new_code_cell("DATA = 'few'", id="x-01", metadata={"tags": ["injected-parameters"]}),
        new_code_cell("DATA", id="x-02"),
    ]
    nbformat.write(new_notebook(cells=[cells[0], cells[2]]), tmp_path / "X.ipynb")
    cells[2].outputs = [
        new_output("stream", name="stderr", text="a warning"),
        new_output("execute_result", data={"text/plain": "'few'"}, execution_count=3),
    ]
    keep_outputs("X", new_notebook(cells=cells))
    note, result = outputs(nbformat.read(tmp_path / "X.ipynb", as_version=4))
    assert "DATA = 'few'" in note.text
    assert (result.data["text/plain"], result.execution_count) == ("'few'", None)
