"""The tables of a run directory: who is in which split, how training went, what was predicted."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from budwood.core.errors import RunError
from budwood.core.files import read_csv, read_json, sha256_of, write_csv, write_json
from budwood.data.check import Check
from budwood.data.manifest import Photo

if TYPE_CHECKING:
    from budwood.network.unfreeze import LayerRow

SHOWN_CHANGES = 3
HISTORY = [
    *["phase", "backbone", "epoch", "loss", "accuracy", "top5_accuracy"],
    *["val_loss", "val_accuracy", "val_top5_accuracy", "temperature", "learning_rate"],
]


def write_data(folder: Path, checked: Check, photos: Sequence[Photo]) -> dict[str, Any]:
    """Writes `check.json` and `split.csv`; returns what tells this `split.csv` from a damaged one."""
    write_json(folder / "check.json", checked.to_json())
    write_split(folder, photos)
    return {"sha256": sha256_of(folder / "split.csv")}


def write_split(folder: Path, photos: Sequence[Photo]) -> None:
    """`split.csv`: who is in which split."""
    write_csv(
        folder / "split.csv",
        ["name", "label", "split", "sha256", "width", "height"],
        [[photo.name, photo.label, photo.split, photo.sha256, photo.width, photo.height] for photo in photos],
    )


def refuse_other_photos(folder: Path, photos: Sequence[Photo]) -> None:
    """Raises RunError where the interrupted run in a folder has learned from other photos than these; says which.

    Nothing is compared, nor touched, where no phase had begun, or where `split.csv` is not the one it began with.
    """
    # Here, so that a trial of a linear fit writes its tables without Keras.
    from budwood.training.checkpoints import read

    last = next(iter(sorted(folder.glob("checkpoints/*-last.npz"))), None)
    table = folder / "split.csv"
    if last is None or not table.is_file():
        return
    try:
        begun = read(last)[0]["identity"]["photos"]
        # A photo may fail after the check, and does so again.
        failed = {problem["path"] for problem in read_json(folder / "check.json")["problems"]}
    except (RunError, OSError, ValueError, KeyError, TypeError):
        return
    if begun != sha256_of(table):
        return
    before = {row["name"]: row for row in read_csv(table)}
    now = {photo.name: photo for photo in photos}
    both = [photo for name, photo in now.items() if name in before]
    changes = [
        *(f"{name} is gone" for name in before if name not in now),
        *(f"{name} is new" for name in now if name not in before and name not in failed),
        *(
            f"{photo.name} is another picture"
            for photo in both
            if photo.sha256 != before[photo.name]["sha256"]
        ),
    ]
    # Where photos come and go, others change their split with them.
    changes = changes or [
        f"{photo.name} is of another {key}"
        for photo in both
        for key in ("label", "split")
        if getattr(photo, key) != before[photo.name][key]
    ]
    if changes:
        more = f" and {len(changes) - SHOWN_CHANGES} more" if len(changes) > SHOWN_CHANGES else ""
        raise RunError(
            f"the run in {folder} was begun with other photos: {'; '.join(changes[:SHOWN_CHANGES])}{more}. "
            "Put that back and resume, or train anew with --overwrite or in another directory"
        )


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


def write_layers(folder: Path, table: "Sequence[LayerRow]") -> None:
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
