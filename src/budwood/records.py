"""The tables of a run directory: who is in which split, how training went, what was predicted."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from budwood.data.check import Check
from budwood.data.manifest import Photo
from budwood.files import read_csv, sha256_of, write_csv, write_json
from budwood.training.unfreeze import LayerRow

HISTORY = [
    *["phase", "backbone", "epoch", "loss", "accuracy", "top5_accuracy"],
    *["val_loss", "val_accuracy", "val_top5_accuracy", "temperature", "learning_rate"],
]


def write_data(folder: Path, checked: Check, photos: Sequence[Photo]) -> dict[str, Any]:
    """Writes `check.json` and `split.csv`; returns what tells this `split.csv` from a damaged one."""
    write_json(folder / "check.json", checked.to_json())
    write_csv(
        folder / "split.csv",
        ["name", "label", "split", "sha256", "width", "height"],
        [[photo.name, photo.label, photo.split, photo.sha256, photo.width, photo.height] for photo in photos],
    )
    return {"sha256": sha256_of(folder / "split.csv")}


def write_history(folder: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """`history.csv`: one row per epoch of every phase, one for a linear fit; of several backbones with the one that was
    fine-tuned by itself."""
    columns = [column for column in HISTORY if any(column in row for row in history)]
    write_csv(
        folder / "history.csv", columns, [[row.get(column, "") for column in columns] for row in history]
    )


def read_history(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's `history.csv`, numbers as numbers; what an epoch did not have is left out."""
    return [
        {
            key: text if key in ("phase", "backbone") else int(text) if key == "epoch" else float(text)
            for key, text in row.items()
            if text and key in HISTORY
        }
        for row in read_csv(folder / "history.csv")
    ]


def write_layers(folder: Path, table: Sequence[LayerRow]) -> None:
    """`layers.csv`: every layer of the model, bottom first, and whether it was trained."""
    rows = [
        [row.name, row.kind, "x".join(map(str, row.shape)), row.parameters, int(row.trained), row.part]
        for row in table
    ]
    write_csv(folder / "layers.csv", ["name", "kind", "shape", "parameters", "trained", "part"], rows)


def write_predictions(
    folder: Path,
    classes: Sequence[str],
    photos: Sequence[Photo],
    probabilities: Float[np.ndarray, "n classes"],
) -> None:
    """`predictions.csv`: every validation and test photo with the probability of every class."""
    rows = []
    for photo, shares in zip(photos, probabilities, strict=True):
        predicted = classes[int(shares.argmax())]
        correct = int(predicted == photo.label)
        row = [photo.name, photo.split, photo.label, predicted, correct, f"{shares.max():.6g}"]
        rows.append(row + [f"{share:.6g}" for share in shares.tolist()])
    header = ["name", "split", "true", "predicted", "correct", "probability"]
    write_csv(folder / "predictions.csv", header + [f"p:{label}" for label in classes], rows)
