"""Which epochs of a training can be had again, by the files of its checkpoints. It needs no Keras."""

import json
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

import numpy as np

STATE = "state"
"""The entry of a checkpoint that holds JSON."""


class KeptLabels(TypedDict):
    """What the answers of an epoch need beside its weights where a photo may have several labels."""

    scale: Sequence[float]
    shift: Sequence[float]
    """Of each label's logits, by which they suit the validation photos."""
    thresholds: Sequence[float] | None
    """None where those of a label reach the wanted precision nowhere."""


def kept_labels(file: Path) -> KeptLabels | None:
    """Return what a checkpoint of an epoch says of labels; None of one class a photo, and of an older version."""
    with np.load(file, allow_pickle=False) as archive:
        found: KeptLabels | None = json.loads(archive[STATE].tobytes()).get("labels")
        return found


def kept_epochs(folder: Path) -> dict[int, Path]:
    """Return where the weights of each epoch lie that was kept, of all phases. Damaged files are left out."""
    kept = {}
    for file in sorted(folder.glob("*.npz")):
        if not file.stem.endswith("-last"):
            with (
                suppress(OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile),
                file.open("rb") as content,
                np.load(content, allow_pickle=False) as archive,
            ):
                kept[int(json.loads(archive[STATE].tobytes())["epoch"])] = file
    return kept
