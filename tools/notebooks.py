"""Run the notebooks of examples/ on a few photos, and keep what they show.

    python -m tools.notebooks                    all of them
    python -m tools.notebooks A-flowers-study    one

Photos and weights are those of the folder that BUDWOOD_TEST_DATA names. What differs from the notebook's own
parameters is printed below the cell of parameters, so that a reader knows what the outputs are of.
"""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_output

import budwood

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
LITE = "efficientnet_lite0"
Parameters = dict[str, Any]


@dataclass(frozen=True)
class Extent:
    """How much a run of a notebook takes."""

    photos: int
    """Training photos of each class."""
    size: int
    epochs: int
    seeds: int

    @property
    def parameters(self) -> Parameters:
        """What every notebook but D is given of it."""
        phases = {"PHASE_1": [f"frozen.epochs={self.epochs}"], "PHASE_2": [f"finetune.epochs={self.epochs}"]}
        return {"SETTINGS": [f"data.size={self.size}"], "SEEDS": self.seeds, **phases}


TINY = Extent(photos=30, size=64, epochs=2, seeds=1)
"""For tests: seconds, and networks that have learned little."""
SHOWN = Extent(photos=100, size=128, epochs=8, seeds=2)
"""For outputs that are kept."""


def main(names: list[str]) -> int:
    """Run notebooks and write them back; return the exit status."""
    data = Path(os.environ.get("BUDWOOD_TEST_DATA", ""))
    if not (data / "datasets").is_dir():
        print("BUDWOOD_TEST_DATA names no folder with datasets/ and weights/", file=sys.stderr)
        return 1
    for name in names or list(SHORT):
        with tempfile.TemporaryDirectory() as folder:
            notebook = run(name, Path(folder), SHORT[name](data, Path(folder), SHOWN))
        keep_outputs(name, notebook)
        print(f"{name}: {(EXAMPLES / f'{name}.ipynb').stat().st_size / 1e3:.0f} kB")
    return 0


def read(name: str) -> nbformat.NotebookNode:
    """Return a notebook of examples/."""
    return nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)


def run(name: str, folder: Path, given: Parameters) -> nbformat.NotebookNode:
    """Return the notebook with its outputs, run in `folder` with other parameters. A cell that fails raises.

    The parameters are set in a cell of their own, marked with the tag "injected-parameters", as papermill does.
    """
    notebook = read(name)
    at = next(n for n, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
    source = "\n".join(f"{key} = {value!r}" for key, value in given.items())
    injected = new_code_cell(source, metadata={"tags": ["injected-parameters"]})
    notebook.cells.insert(at + 1, injected)
    return execute(notebook, folder)


def execute(notebook: nbformat.NotebookNode, folder: Path, timeout: float = 900) -> nbformat.NotebookNode:
    """Return the notebook with its outputs, run in `folder` with the sources of this checkout."""
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


def keep_outputs(name: str, executed: nbformat.NotebookNode) -> None:
    """Write the outputs of a run into the notebook, with a line that says what they are of."""
    kept = read(name)
    outputs = {cell.id: cell.get("outputs", []) for cell in executed.cells}
    injected = next(cell for cell in executed.cells if "injected-parameters" in cell.metadata.get("tags", []))
    for cell in kept.cells:
        if cell.cell_type == "code":
            cell.outputs = [one for one in outputs[cell.id] if one.get("name") != "stderr"]
            cell.execution_count = None
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = None
        if "parameters" in cell.metadata.get("tags", []):
            text = f"The outputs below are of a short run on a few photos, with\n\n{injected.source}\n"
            cell.outputs = [new_output("stream", name="stdout", text=text)]
    nbformat.write(kept, EXAMPLES / f"{name}.ipynb")


def take(source: Path, target: Path, number: int, skip: int = 0) -> None:
    """Copy so many photos of a folder into a folder of their own."""
    target.mkdir(parents=True)
    for file in sorted(source.glob("*.jpg"))[skip : skip + number]:
        shutil.copy(file, target)


def take_flowers(data: Path, folder: Path, extent: Extent) -> str:
    """Copy photos of three flowers; return the name of their folder."""
    for label in ("daisy", "roses", "tulips"):
        take(data / "datasets" / "flower_photos" / label, folder / "flowers" / label, extent.photos)
    return "flowers"


def take_twelve(data: Path, folder: Path, extent: Extent) -> str:
    """Copy photos of twelve flowers, with a test part of their own, in place of birds and dogs."""
    source = data / "datasets" / "oxford_flowers12"
    for label in sorted(one.name for one in (source / "train").iterdir()):
        take(source / "train" / label, folder / "twelve" / "train" / label, max(12, extent.photos // 3))
        take(source / "test" / label, folder / "twelve" / "test" / label, max(5, extent.photos // 10))
    return "twelve"


def take_mobilenet_v2(data: Path, folder: Path) -> list[str]:
    """Copy the weights of MobileNetV2; return the setting that names them."""
    shutil.copy(
        data / "weights" / "mobilenet_v2_1.0_224_no_top.weights.h5", folder / "mobilenet_v2.weights.h5"
    )
    return ['backbone.weights="mobilenet_v2.weights.h5"']


def short_flowers(data: Path, folder: Path, extent: Extent) -> Parameters:
    """Prepare notebook A."""
    given = {"DATA": take_flowers(data, folder, extent), "BACKBONE": LITE, "LARGER": "efficientnet_lite1"}
    return {**given, "RUNS": "runs", **extent.parameters}


def short_cats_and_dogs(data: Path, folder: Path, extent: Extent) -> Parameters:
    """Prepare notebook B."""
    for part, number in (("train", extent.photos), ("validation", extent.photos // 2)):
        for label in ("cats", "dogs"):
            take(data / "datasets" / "cats_and_dogs" / part / label, folder / "pets" / part / label, number)
    return {
        "DATA": "pets",
        "FLOWERS": take_flowers(data, folder, extent),
        "RUNS": "runs",
        "FLOWERS_BACKBONE": LITE,
        "SWAPPED": [LITE, "efficientnet_lite1"],
        "WEIGHTS": take_mobilenet_v2(data, folder),
        **extent.parameters,
    }


def short_birds(data: Path, folder: Path, extent: Extent) -> Parameters:
    """Prepare notebook C."""
    take(data / "datasets" / "oxford_flowers12" / "test" / "iris", folder / "loose", 4, skip=8)
    return {
        "DATA": take_twelve(data, folder, extent),
        "LOOSE": "loose",
        "RUNS": "runs",
        "BACKBONE": LITE,
        **extent.parameters,
    }


def short_unfreezing(data: Path, folder: Path, extent: Extent) -> Parameters:
    """Prepare notebook D."""
    return {
        "DATA": take_flowers(data, folder, extent),
        "RUNS": "runs",
        "LARGE": LITE,
        "SMALL_WEIGHTS": take_mobilenet_v2(data, folder),
        "EPOCHS": [f"frozen.epochs={extent.epochs}", f"finetune.epochs={extent.epochs}"],
        "SETTINGS": [f"data.size={extent.size}"],
        "SEEDS": extent.seeds,
    }


def short_dogs(data: Path, folder: Path, extent: Extent) -> Parameters:
    """Prepare notebook E."""
    given = {"DATA": take_twelve(data, folder, extent), "RUNS": "runs", "BACKBONE": LITE, **extent.parameters}
    few = {
        "PHASE_2": ["finetune.epochs=1"],
        "SEARCH": ["frozen.epochs=1"],
        "CELLS": [(1e-2, 0.0), (1e-4, 0.01)],
    }
    return {**given, **few}


SHORT: dict[str, Callable[[Path, Path, Extent], Parameters]] = {
    "A-flowers-study": short_flowers,
    "B-cats-and-dogs": short_cats_and_dogs,
    "C-four-bird-models": short_birds,
    "D-backbones-and-unfreezing": short_unfreezing,
    "E-dogs": short_dogs,
}
"""What prepares a short run of each notebook: photos in a folder, and the parameters."""

IMPORTS = re.compile(r"^\s*(?:from|import) (budwood[\w.]*)(?: import (.*))?$", re.MULTILINE)


def internals(code: str) -> list[str]:
    """Return what code imports of Budwood beyond its public names.

    >>> internals("import budwood\\nfrom budwood import show, load\\nfrom budwood.data.images import view")
    ['budwood.data.images view']
    """
    public = {*budwood.__all__, "show"}
    return [
        f"{module} {names}".strip()
        for module, names in IMPORTS.findall(code)
        if module != "budwood" or not {name.strip() for name in names.split(",") if name} <= public
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
