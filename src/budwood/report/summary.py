"""The files of a run directory, read for the report."""

import csv
import math
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from budwood.core import files
from budwood.core.errors import RunError

START = "start"
"""The name of what a run went on from, among its phases."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One row of `split.csv`."""

    name: str
    label: str
    split: str
    sha256: str = ""
    """Of its content, hexadecimal."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One row of `predictions.csv`; the probabilities are in [0, 1]."""

    name: str
    split: str
    true: str
    predicted: str
    probability: float
    true_probability: float


@dataclass(frozen=True, slots=True)
class Layer:
    """One row of `layers.csv`."""

    name: str
    kind: str
    shape: str
    parameters: int
    trained: bool
    part: str
    """"frozen" or "trainable"."""


@dataclass(frozen=True)
class Contents:
    """What one training left behind."""

    folder: Path
    run: dict
    recipe: dict
    recipe_text: str
    check: dict
    metrics: dict
    classes: list[str]
    photos: list[Listed]
    predictions: list[Prediction]
    history: list[dict[str, Any]]
    path: list[dict[str, Any]]
    """Points of the strength path (`strength`, `loss`, `loss_se`, `accuracy`); empty for a gradient fit."""
    chosen: float | None
    """The strength that was chosen; None for a gradient fit."""
    layers: list[Layer]
    """Every layer, bottom first; empty for a run that did not list them."""

    @property
    def has_test(self) -> bool:
        return self.metrics.get("test") is not None

    @property
    def judged(self) -> str:
        """The split whose figures the report shows: "test", or "validation" where no test was asked for."""
        return "test" if self.has_test else "validation"

    @property
    def phases(self) -> dict[str, dict[str, Any]]:
        """What `metrics.json` says of each phase, by its name, in their order."""
        return {phase["name"]: phase for phase in self.metrics.get("phases", [])}

    @property
    def kept(self) -> str:
        """The phase whose model was kept."""
        return self.metrics.get("chosen_phase", "frozen")

    def epochs(self, phase: str) -> list[dict[str, Any]]:
        """The rows of `history.csv` that belong to a phase; to "start" those of the run that this one went on from."""
        if START in self.phases:
            before = len(self.history) - self.phases["finetune"]["epochs"]
            return self.history[:before] if phase == START else self.history[before:]
        return [row for row in self.history if row["phase"] == phase]

    def best_epoch(self, phase: str) -> int:
        """The epoch of a phase whose weights were kept; 0 where nothing tells."""
        if (best := self.phases.get(phase, {}).get("best_epoch")) is not None:
            return int(best)
        losses = [(row.get("val_loss", math.nan), row["epoch"]) for row in self.epochs(phase)]
        return min((pair for pair in losses if math.isfinite(pair[0])), default=(0.0, 0))[1]

    def best_epochs(self, phase: str) -> dict[int, str]:
        """Likewise, with the backbone whose weights they are where several were trained one after the other."""
        apart = self.phases.get(phase, {}).get("backbones") or []
        return {one["best_epoch"]: one["name"] for one in apart} or {self.best_epoch(phase): ""}


def read_run(folder: Path) -> Contents:
    """The files of the run directory `folder`.

    Raises RunError where one that every run has is missing or damaged.
    """
    try:
        classes, predictions = read_predictions(folder / "predictions.csv")
        recipe_text = (folder / "recipe.toml").read_text(encoding="utf-8")
        path, chosen = _read_path(folder / "linear_path.json")
        metrics = files.read_json(folder / "metrics.json")
        _refuse_lost_rows(predictions, metrics)
        return Contents(
            folder=folder,
            run=files.read_json(folder / "run.json"),
            recipe=tomllib.loads(recipe_text),
            recipe_text=recipe_text,
            check=files.read_json(folder / "check.json"),
            metrics=metrics,
            classes=classes,
            photos=[
                Listed(row["name"], row["label"], row["split"], row.get("sha256") or "")
                for row in files.read_csv(folder / "split.csv")
            ],
            predictions=predictions,
            history=_read_history(folder / "history.csv"),
            path=path,
            chosen=chosen,
            layers=_read_layers(folder / "layers.csv"),
        )
    except FileNotFoundError as error:
        missing = Path(error.filename).name
        raise RunError(
            f"{folder} has no {missing}, which every complete run has. Give a folder written by `budwood train`"
        ) from error
    except (ValueError, KeyError) as error:
        raise RunError(
            f"{folder} holds a damaged file ({type(error).__name__}: {error}). Train again, or restore the run"
        ) from error


def _refuse_lost_rows(predictions: Sequence[Prediction], metrics: Mapping[str, Any]) -> None:
    """Raises ValueError where predictions.csv has not as many photos as the figures are of: it was cut short."""
    rows = Counter(one.split for one in predictions)
    for split in ("validation", "test"):
        expected = (metrics.get(split) or {}).get("n", 0)
        if rows[split] != expected:
            raise ValueError(
                f"predictions.csv has {rows[split]:,} {split} photos, and metrics.json is about {expected:,}"
            )


def read_predictions(path: Path) -> tuple[list[str], list[Prediction]]:
    """The classes and the rows of a `predictions.csv`."""
    # Not read_csv: with hundreds of classes, a dict of every probability of every photo takes gigabytes.
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        at = {column: position for position, column in enumerate(header)}
        name, split, true, predicted = (at[column] for column in ("name", "split", "true", "predicted"))
        predictions = [
            Prediction(
                name=row[name],
                split=row[split],
                true=row[true],
                predicted=row[predicted],
                probability=float(row[at["p:" + row[predicted]]]),
                true_probability=float(row[at["p:" + row[true]]]),
            )
            for row in rows
        ]
    return [column.removeprefix("p:") for column in header if column.startswith("p:")], predictions


def _read_history(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for row in files.read_csv(path):
        words = ("phase", "backbone")
        figures = {key: _number(text) for key, text in row.items() if key not in (*words, "epoch")}
        told = {key: row[key] for key in words if row.get(key)}
        rows.append({**told, "epoch": int(float(row["epoch"])), **figures})
    return rows


def _number(text: str | None) -> float:
    return float(text) if text else math.nan


def _read_path(path: Path) -> tuple[list[dict[str, Any]], float | None]:
    if not path.exists():
        return [], None
    content = files.read_json(path)
    return content["path"], float(content["chosen"])


def _read_layers(path: Path) -> list[Layer]:
    if not path.exists():
        return []
    return [
        Layer(
            row["name"],
            row["kind"],
            row["shape"],
            int(row["parameters"]),
            bool(int(row["trained"])),
            row["part"],
        )
        for row in files.read_csv(path)
    ]
