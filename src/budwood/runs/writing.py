"""The one writer of the files of a run directory; `runs.files` reads them. Every file appears whole."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from budwood.config.recipe import Recipe
from budwood.core.files import sha256_of, write_csv, write_json, write_text
from budwood.data.check import Check
from budwood.data.manifest import Photo
from budwood.data.taxonomy import Taxonomy
from budwood.data.taxonomy_table import write_taxonomy as write_table
from budwood.evaluation.task import SINGLE_LABEL, Task
from budwood.runs.figures import LinearPath, Metrics
from budwood.runs.files import TAXONOMY
from budwood.runs.info import read_info
from budwood.runs.schema import (
    CheckReport,
    EpochRow,
    RunInfo,
    SplitInfo,
)
from budwood.runs.tables import HISTORY, LAYERS, PREDICTIONS, SHARE, SPLIT

VOUCHED = (
    *("recipe.toml", "check.json", "history.csv", "layers.csv", "linear_path.json", "metrics.json"),
    *("predictions.csv", TAXONOMY),
)
"""Files whose hashes stand in the `run.json` of a complete run: a cut inside a number is seen by nothing else."""


@runtime_checkable
class LayerLike(Protocol):
    """A layer as `budwood.network` describes it, without importing Keras."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def shape(self) -> tuple[int | None, ...]: ...
    @property
    def parameters(self) -> int: ...
    @property
    def trained(self) -> bool: ...
    @property
    def part(self) -> str: ...


def checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of those files of a run that `run.json` vouches for, by their names, as they are now."""
    return {name: sha256_of(folder / name) for name in VOUCHED if (folder / name).is_file()}


def write_info(folder: Path, info: RunInfo) -> None:
    """Write `run.json`."""
    write_json(folder / "run.json", info.to_json())


def write_recipe(folder: Path, recipe: Recipe) -> None:
    """Write `recipe.toml`."""
    write_text(folder / "recipe.toml", recipe.to_toml())


def write_check(folder: Path, report: CheckReport) -> None:
    """Write `check.json`."""
    write_json(folder / "check.json", report.to_json())


def write_data(folder: Path, checked: Check, photos: Sequence[Photo]) -> SplitInfo:
    """Write `check.json` and `split.csv`; return what tells this `split.csv` from a damaged one."""
    write_check(folder, CheckReport.model_validate(checked.to_json()))
    return write_split(folder, photos)


def write_split(folder: Path, photos: Sequence[Photo]) -> SplitInfo:
    """Write `split.csv`; return what tells it from a damaged one."""
    file = folder / "split.csv"
    write_csv(
        file,
        SPLIT,
        ([p.name, p.label, p.split, p.sha256, p.width, p.height, p.group or ""] for p in photos),
    )
    return SplitInfo(sha256=sha256_of(file))


def with_own_table(recipe: Recipe) -> Recipe:
    """Return the recipe with the table of the labels' tree that the run keeps in place of the one it was read from."""
    if not recipe.data.taxonomy:
        return recipe
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"taxonomy": TAXONOMY})})


def write_taxonomy(folder: Path, taxonomy: Taxonomy) -> None:
    """Write `taxonomy.csv`: the tree of the labels, cut down to the classes that the run knows."""
    write_table(folder / TAXONOMY, taxonomy)


def write_metrics(folder: Path, metrics: Metrics) -> None:
    """Write `metrics.json`."""
    write_json(folder / "metrics.json", metrics.to_json())


def write_linear_path(folder: Path, path: LinearPath) -> None:
    """Write `linear_path.json`."""
    write_json(folder / "linear_path.json", path.to_json())


def write_history(folder: Path, history: Sequence[EpochRow] | Sequence[Mapping[str, object]]) -> None:
    """Write `history.csv`: one row per epoch of every phase, one for a linear probe; of several backbones with the one
    that was fine-tuned by itself."""
    columns = [column for column in HISTORY if any(column in row for row in history)]
    write_csv(
        folder / "history.csv", columns, [[row.get(column, "") for column in columns] for row in history]
    )


def write_layers(folder: Path, table: Sequence[LayerLike]) -> None:
    """Write `layers.csv`: every layer of the model, bottom first, and whether it was trained."""
    rows = [
        [row.name, row.kind, "x".join(map(str, row.shape)), row.parameters, int(row.trained), row.part]
        for row in table
    ]
    write_csv(folder / "layers.csv", LAYERS, rows)


def write_predictions(
    folder: Path,
    classes: Sequence[str],
    photos: Sequence[Photo],
    probabilities: Float[np.ndarray, "n classes"],
    task: Task = SINGLE_LABEL,
) -> None:
    """Write `predictions.csv`: every validation, test and calibration photo with the probability of every class."""
    pairs = list(zip(photos, probabilities, strict=True))
    answers = task.answers(probabilities, classes)
    right = task.correct(probabilities, task.encode([photo.label for photo in photos], classes)).astype(int)
    rows = (
        [photo.name, photo.split, photo.label, predicted, correct, f"{shares.max():.6g}"]
        + [f"{share:.6g}" for share in shares.tolist()]
        for (photo, shares), predicted, correct in zip(pairs, answers, right, strict=True)
    )
    header = [*PREDICTIONS, *(f"{SHARE}{label}" for label in classes)]
    write_csv(folder / "predictions.csv", header, rows)


def mark_unsaved(folder: Path) -> None:
    """Note in `run.json` that the run keeps no model, unless it says so already."""
    info = read_info(folder)
    if info.saved:
        write_info(folder, info.model_copy(update={"saved": False}))
