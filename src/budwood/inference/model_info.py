"""The schema of `model.json`: what goes into a saved model and what comes out. It needs neither NumPy nor Keras."""

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from budwood.core.scaling import Scaling


Filter = Literal["bicubic, antialiased"]
"""How pixels are weighted where a picture is resized: as Pillow's `BICUBIC` does, over all of those that shrink into
one."""


class ModelInput(BaseModel):
    """What the model takes: `(None, size, size, 3)` raw pixels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    resize: str
    filter: Filter = "bicubic, antialiased"
    """An older run does not name it: there has been no other."""
    channels: Literal["RGB"] = "RGB"
    dtype: Literal["float32"] = "float32"
    range: tuple[float, float] = (0, 255)
    levels: tuple[float, float] | None = None
    """The values that are black and white in pictures of more than 8 bits; None where the training had none of them."""


class ScalingInfo(BaseModel):
    """What each label's logits were multiplied by, and what was added, see `budwood.core.scaling.LabelScaling`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: tuple[float, ...]
    shift: tuple[float, ...]


class ModelInfo(BaseModel):
    """The content of `model.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    classes: tuple[str, ...]
    """In the order of the outputs."""
    input: ModelInput
    output: Literal["probabilities"] = "probabilities"
    backbone: str | tuple[str, ...]
    boundary: str
    """The layer at which the feature extractor ends and the head begins."""
    temperature: float
    """The number that divides the logits, within the weights of the model; 1 where each label has a scaling."""
    scaling: ScalingInfo | None = None
    """The scaling of each label's logits, within the weights of the model; None where one class is right."""
    thresholds: tuple[float, ...] | None = None
    """The probability from which a photo has each label; None where one class is right."""
    versions: dict[str, str]
    fingerprints: dict[str, str]
    """"frozen" of the feature extractor; the SHA-256 of `model.keras` as "model", of `reference.npz` as "reference"."""

    @property
    def calibration(self) -> "Scaling":
        """Return by what the logits were calibrated."""
        from budwood.core.scaling import LabelScaling

        own = self.scaling
        return self.temperature if own is None else LabelScaling(own.scale, own.shift)

    @property
    def multi_label(self) -> bool:
        """Return whether a photo may have several labels."""
        return self.thresholds is not None

    def to_json(self) -> dict[str, object]:
        """Return the content of `model.json`; what concerns several labels a photo only where there are several."""
        single = set() if self.multi_label else {"scaling", "thresholds"}
        return self.model_dump(mode="json", exclude=single)

    @property
    def sha256(self) -> str:
        """SHA-256 of `model.keras` as it was saved."""
        return self.fingerprints["model"]

    @property
    def reference_sha256(self) -> str | None:
        """SHA-256 of `reference.npz` as it was saved; None for a model that was saved without one."""
        return self.fingerprints.get("reference")
