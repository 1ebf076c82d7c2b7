"""The CSV tables of a run directory: their columns, and how history.csv and predictions.csv are read."""

import csv
from pathlib import Path

import numpy as np
from jaxtyping import Float

from budwood.core.files import read_csv
from budwood.runs.schema import EpochRow, PredictionRow

SPLIT = ["name", "label", "split", "sha256", "width", "height", "group"]
HISTORY = [
    *["phase", "backbone", "epoch", "loss", "accuracy", "top5_accuracy", "label_accuracy"],
    *["mean_average_precision", "val_loss", "val_accuracy", "val_top5_accuracy", "val_label_accuracy"],
    *["val_mean_average_precision", "temperature", "learning_rate"],
]
LAYERS = ["name", "kind", "shape", "parameters", "trained", "part"]
PREDICTIONS = ["name", "split", "true", "predicted", "correct", "probability"]
SHARE = "p:"
"""Before a class's name: the column of its probability."""


def read_history(file: Path) -> list[EpochRow]:
    """Return the rows of a `history.csv`, numbers as numbers; what an epoch did not have is left out.

    Raise ValueError where a row is no epoch of a phase.
    """
    rows: list[EpochRow] = []
    for number, cells in enumerate(read_csv(file), 1):
        row: dict[str, str | int | float] = {
            key: text if key in ("phase", "backbone") else int(text) if key == "epoch" else float(text)
            for key, text in cells.items()
            if key in HISTORY and text
        }
        if not row.keys() >= {"phase", "epoch"}:
            raise ValueError(f"row {number} is no epoch of a phase")
        rows.append(EpochRow(**row))  # type: ignore[typeddict-item]
    return rows


def read_predictions(file: Path) -> tuple[list[str], list[PredictionRow]]:
    """Return the classes and the rows of a `predictions.csv`."""
    # Not read_csv: with hundreds of classes, a dict of every probability of every photo takes gigabytes.
    with file.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
        rows = csv.reader(lines)
        header = next(rows, [])
        at = {column: position for position, column in enumerate(header)}
        name, split, true, predicted = (at[column] for column in ("name", "split", "true", "predicted"))
        predictions = []
        for row in rows:
            if len(row) != len(header):
                raise ValueError(f"a row has {len(row)} cells in place of {len(header)}")
            predictions.append(
                PredictionRow(
                    name=row[name],
                    split=row[split],
                    true=row[true],
                    predicted=row[predicted],
                    probability=float(row[at[SHARE + row[predicted]]]),
                    true_probability=float(row[at[SHARE + row[true]]]),
                )
            )
    return [column.removeprefix(SHARE) for column in header if column.startswith(SHARE)], predictions


def read_shares(file: Path, classes: int) -> Float[np.ndarray, "n classes"]:
    """Return the probabilities of a `predictions.csv`, whose last columns they are."""
    with file.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
        rows = csv.reader(lines)
        next(rows, None)
        return np.array([row[-classes:] for row in rows], dtype=np.float64).reshape(-1, classes)
