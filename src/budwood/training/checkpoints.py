"""Checkpoints: what a killed training goes on from, and the weights of epochs, as NumPy archives without pickles.

<phase>-last.npz    everything that the next epoch depends on
<phase>-best.npz    weights of the best epoch so far, `<layer>/<number>`
<phase>-0007.npz    weights of epoch 7: the latest one, and where all are kept those before it
"""

import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict, cast

import keras
import numpy as np
from keras import ops

from budwood.core.errors import RunError
from budwood.core.files import JsonObject, whole_file
from budwood.training.kept_epochs import STATE, KeptLabels

Arrays = dict[str, np.ndarray]
Row = dict[str, int | float]
"""Of an epoch: its number, its figures and the learning rate, by the columns of history.csv."""


class EpochState(TypedDict):
    """What the weights of an epoch say of themselves."""

    phase: str
    epoch: int
    row: Row
    labels: KeptLabels | None


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one phase of a training.

    Args:
        folder: where they lie; made when the first one is written.
        phase: its name begins those of the files.
        identity: what must be the same for a training to go on from a checkpoint, such as recipe, data and versions.
        keep: "all" keeps the weights of every epoch, "best" of the best and of the latest one alone.
    """

    folder: Path
    phase: str
    identity: Mapping[str, str]
    keep: Literal["best", "all"] = "best"

    def path(self, epoch: int | Literal["last", "best"]) -> Path:
        """Return where a checkpoint lies.

        >>> Checkpoints(Path("checkpoints"), "finetune", {}).path(7).name
        'finetune-0007.npz'
        """
        name = epoch if isinstance(epoch, str) else f"{epoch:04}"
        return self.folder / f"{self.phase}-{name}.npz"

    def write_weights(
        self, model: keras.Model, epoch: int, row: Row, is_best: bool, labels: KeptLabels | None = None
    ) -> None:
        """Keep the model's weights as those of the epoch, whose row of the history they carry along, and what belongs
        to its labels."""
        state: JsonObject = {
            **{"phase": self.phase, "epoch": epoch, "row": dict(row), "identity": dict(self.identity)},
            **({"labels": labels} if labels else {}),
        }
        if is_best:
            _write(self.path("best"), state, layer_weights(model))
        _write(self.path(epoch), state, layer_weights(model))
        if self.keep == "best":
            self.path(epoch - 1).unlink(missing_ok=True)

    def write_last(self, state: Mapping[str, object], arrays: Arrays) -> None:
        """Keep what the next epoch depends on, in place of the last one's."""
        _write(self.path("last"), {**state, "identity": dict(self.identity)}, arrays)

    def read_last(self, note: Callable[[str], None] = lambda line: None) -> tuple[JsonObject, Arrays] | None:
        """Return what `write_last` kept, or None where there is none, or none that can be read: `note` is
        told of that.

        Raise RunError where it is of a training with another identity.
        """
        path = self.path("last")
        # What a killed process was writing.
        for left in self.folder.glob(".*.part.npz"):
            left.unlink(missing_ok=True)
        if not path.exists():
            return None
        try:
            state, arrays = read(path)
            found = _identity(state)
        except (RunError, KeyError, ValueError) as error:
            note(
                f"the checkpoint {path.name} is damaged ({error.__cause__ or error}): phase {self.phase} starts anew"
            )
            return None
        if found != dict(self.identity):
            raise RunError(
                f"the checkpoint {path} is of another training: {_differences(found, self.identity)}. "
                "Put that back and resume, or train anew with --overwrite or in another directory"
            )
        return state, arrays


def part_of(phase: str, backbone: str | None) -> str:
    """Return what names the checkpoints of a phase, and those of one of several backbones that it trains by
    itself."""
    return f"{phase}-{backbone}" if backbone else phase


def layer_weights(model: keras.Model) -> Arrays:
    """Return every weight of a flat model by `<layer>/<number>`, statistics included."""
    return {
        f"{layer.name}/{number}": ops.convert_to_numpy(weight)
        for layer in model.layers
        for number, weight in enumerate(layer.weights)
    }


def apply_weights(model: keras.Model, file: Path) -> EpochState:
    """Set weights of the model to those of an epoch, layer by layer by name; layers that the file lacks stay.

    Returns:
        What the file says of itself.

    Raises:
        RunError: the file cannot be read, or is another network's. The model is then as it was.
    """
    state, arrays = read(file)
    weights = {
        f"{layer.name}/{number}": weight
        for layer in model.layers
        for number, weight in enumerate(layer.weights)
    }
    for name, array in arrays.items():
        if name not in weights or tuple(weights[name].shape) != array.shape:
            here = f"shape {tuple(weights[name].shape)}" if name in weights else "none of that name"
            raise RunError(
                f"{file} does not fit the model: it holds {name} of shape {array.shape}, the model has {here}. "
                "Give a checkpoint of a training with this backbone and head"
            )
    for name, array in arrays.items():
        weights[name].assign(array)
    return cast(EpochState, {key: state.get(key) for key in EpochState.__annotations__})


def read(file: Path) -> tuple[JsonObject, Arrays]:
    """State and arrays of a checkpoint. Raise RunError where it is missing or damaged."""
    try:
        with file.open("rb") as content, np.load(content, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        state = json.loads(arrays.pop(STATE).tobytes())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(
            f"cannot read the checkpoint {file}: {error}. Give another one, or train again"
        ) from error
    return state, arrays


def identity_of(file: Path) -> dict[str, str]:
    """Return what must be the same for a training to go on from a checkpoint. Raise RunError as `read` does."""
    return _identity(read(file)[0])


def _identity(state: JsonObject) -> dict[str, str]:
    found = state["identity"]
    if not isinstance(found, dict):
        raise ValueError("its identity is no object")
    return found


def _write(path: Path, state: Mapping[str, object], arrays: Arrays) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = np.frombuffer(json.dumps(state).encode(), np.uint8)
    with whole_file(path) as aside, aside.open("wb") as file:
        np.savez(file, allow_pickle=False, **{STATE: text}, **arrays)


def _differences(found: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    keys = [key for key in {**found, **wanted} if found.get(key) != wanted.get(key)]
    return "; ".join(
        f"{key} was {found.get(key, 'not there')}, now it is {wanted.get(key, 'not there')}" for key in keys
    )
