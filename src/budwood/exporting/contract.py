"""contract.json beside an exported model: what goes in, what comes out, and what its answers mean."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from budwood.evaluation.ood import ACCEPTANCE
from budwood.exporting.network import DISTANCE, PIXELS, PROBABILITIES
from budwood.inference.model_info import Filter, ModelInfo


class ExportedInput(BaseModel):
    """What the model takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = PIXELS
    shape: tuple[None, int, int, int]
    """Pictures, rows, columns, channels; any number of pictures."""
    dtype: Literal["float32"] = "float32"
    channels: Literal["RGB"] = "RGB"
    range: tuple[float, float] = (0, 255)
    """Raw pixels: nothing is to be scaled or normalised outside of the model."""
    resize: str
    """How a picture becomes a square: "crop" takes its middle, "stretch" changes both sides, "pad" adds grey (127)."""
    filter: Filter
    levels: tuple[float, float] | None
    """The values that are 0 and 255 in pictures of more than 8 bits; null where the training had none of them."""


class ExportedOutput(BaseModel):
    """What the model gives."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = PROBABILITIES
    shape: tuple[None, int]
    """Pictures, classes: calibrated probabilities in [0, 1]."""
    meaning: Literal["probabilities that sum to 1", "a probability a label"]


class ExportedDistance(BaseModel):
    """The second output: how far a picture lies from known photos."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = DISTANCE
    shape: tuple[None, Literal[1]] = (None, 1)
    threshold: float
    """A picture further away shows none of the classes."""
    acceptance: float = ACCEPTANCE
    """The share of new photos of the classes that lie within it."""


class Contract(BaseModel):
    """The content of contract.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    exported_as: str
    classes: tuple[str, ...]
    """In the order of the outputs."""
    thresholds: tuple[float, ...] | None
    """The probability from which a picture has each label; null where one class is right."""
    input: ExportedInput
    output: ExportedOutput
    distance: ExportedDistance | None
    """Null where the run cannot tell what is none of its classes."""
    model_sha256: str
    """Of model.keras, which was exported."""
    files: Mapping[str, str]
    """SHA-256 of each file of the model, by its path in this folder."""
    versions: Mapping[str, str]

    @classmethod
    def of(
        cls,
        info: ModelInfo,
        *,
        exported_as: str,
        threshold: float | None,
        files: Mapping[str, str],
        versions: Mapping[str, str],
    ) -> "Contract":
        """Return the contract of a saved model that was exported.

        Args:
            info: what model.json says.
            exported_as: the name of the format.
            threshold: of the distance; None where it is no output.
            files: SHA-256 of each file of the model.
            versions: of what exported it.
        """
        size, classes = info.input.size, len(info.classes)
        return cls(
            exported_as=exported_as,
            classes=info.classes,
            thresholds=info.thresholds,
            input=ExportedInput(
                shape=(None, size, size, 3),
                resize=info.input.resize,
                filter=info.input.filter,
                levels=info.input.levels,
            ),
            output=ExportedOutput(
                shape=(None, classes),
                meaning="a probability a label" if info.multi_label else "probabilities that sum to 1",
            ),
            distance=None if threshold is None else ExportedDistance(threshold=threshold),
            model_sha256=info.sha256,
            files=files,
            versions=versions,
        )
