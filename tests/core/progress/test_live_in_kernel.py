"""A training in a real kernel: what a saved notebook then holds."""

import json
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests.notebooks import execute, outputs


@pytest.mark.slow
def test_train__in_a_notebook_leaves_one_readable_display_and_shows_itself(colours, tmp_path):
    settings = ["data.size=64", "evaluate.resamples=200"]
    notebook = new_notebook(
        cells=[
            new_code_cell("import budwood"),
            new_code_cell(
                f"budwood.train({str(colours)!r}, 'run', recipe='frozen-linear', settings={settings!r})"
            ),
        ]
    )
    execute(notebook, tmp_path)
    nbformat.validate(notebook)
    progress, shown = outputs(notebook)
    assert progress.output_type == "display_data"
    lines = progress.data["text/plain"].splitlines()
    assert lines[0] == "read as a folder for each class"
    lines = lines[next(number for number, line in enumerate(lines) if line.startswith("check: ")) :]
    assert all(re.fullmatch(r"\w+: done in [\d.]+ s( \(\d+ \w+\))?", line) for line in lines), lines
    assert {line.partition(":")[0] for line in lines} >= {"check", "features", "head"}
    assert "<progress" not in progress.data["text/html"]
    assert shown.output_type == "execute_result"
    assert shown.data["text/plain"] == "Run('run')"
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert f"On {metrics['test']['n']} test photos" in shown.data["text/html"]
