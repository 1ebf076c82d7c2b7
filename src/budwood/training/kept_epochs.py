"""Which epochs of a training can be had again, by the files of its checkpoints. It needs no Keras."""

import json
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np

STATE = "state"
"""The entry of a checkpoint that holds JSON."""


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
