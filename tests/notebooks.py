"""What notebooks leave when they were run."""

import nbformat

from tools.notebooks import execute

__all__ = ["execute", "outputs"]


def outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Return all outputs, in order."""
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]
