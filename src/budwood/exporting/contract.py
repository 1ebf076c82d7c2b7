"""contract.json beside an exported model: what goes in, what comes out, and what its answers mean."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from budwood.inference.model_info import Filter, ModelInfo


class ExportedInput(BaseModel):
    """What the model takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    shape: tuple[None, int, int, int]
    """Pictures, rows, columns, channels; any number of pictures."""
    dtype: Literal["float32"] = "float32"
    channels: Literal["RGB"] = "RGB"
    range: tuple[float, float] = (0, 255)
    """Raw pixels: nothing is to be scaled or normalised outside of the model."""
    resize: str
    """How a picture becomes a square: "crop" takes its middle, "stretch" changes both sides, "pad" adds grey (127)."""
    filter: Filter


class ExportedOutput(BaseModel):
    """What the model gives."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    shape: tuple[None, int]
    """Pictures, classes: calibrated probabilities in [0, 1]."""
    meaning: Literal["probabilities that sum to 1", "a probability a label"]


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
        names: tuple[str, str],
        files: Mapping[str, str],
        versions: Mapping[str, str],
    ) -> "Contract":
        """Return the contract of a saved model that was exported.

        Args:
            info: what model.json says.
            exported_as: the name of the format.
            names: of the input and of the output, as the runtime of the format calls them.
            files: SHA-256 of each file of the model.
            versions: of what exported it.
        """
        size, classes = info.input.size, len(info.classes)
        return cls(
            exported_as=exported_as,
            classes=info.classes,
            thresholds=info.thresholds,
            input=ExportedInput(
                name=names[0],
                shape=(None, size, size, 3),
                resize=info.input.resize,
                filter=info.input.filter,
            ),
            output=ExportedOutput(
                name=names[1],
                shape=(None, classes),
                meaning="a probability a label" if info.multi_label else "probabilities that sum to 1",
            ),
            model_sha256=info.sha256,
            files=files,
            versions=versions,
        )
