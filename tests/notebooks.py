"""Runs notebooks in a kernel of their own."""

import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient

import budwood


def execute(notebook: nbformat.NotebookNode, folder: Path, timeout: float = 900) -> nbformat.NotebookNode:
    """The notebook with its outputs, run in `folder` with the sources of these tests; a cell that fails raises."""
    own = {
        "PYTHONPATH": str(Path(budwood.__file__).parents[1]),
        "IPYTHONDIR": str(folder / ".ipython"),
        "JUPYTER_CONFIG_DIR": str(folder / ".jupyter"),
        "JUPYTER_DATA_DIR": str(folder / ".jupyter"),
        "JUPYTER_RUNTIME_DIR": str(folder / ".jupyter"),
    }
    client = NotebookClient(
        notebook, timeout=timeout, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env={**os.environ, **own})
    return notebook


def outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """All outputs, in order."""
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]
