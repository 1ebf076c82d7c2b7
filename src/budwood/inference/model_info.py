"""The schema of `model.json`: what goes into a saved model and what comes out. It needs neither NumPy nor Keras."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class ModelInput(BaseModel):
    """What the model takes: `(None, size, size, 3)` raw pixels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    resize: str
    channels: Literal["RGB"] = "RGB"
    dtype: Literal["float32"] = "float32"
    range: tuple[float, float] = (0, 255)
    levels: tuple[float, float] | None = None
    """The values that are black and white in pictures of more than 8 bits; None where the training had none of them."""


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
    versions: dict[str, str]
    fingerprints: dict[str, str]
    """"frozen" of the feature extractor; the SHA-256 of `model.keras` as "model", of `reference.npz` as "reference"."""

    @property
    def sha256(self) -> str:
        """SHA-256 of `model.keras` as it was saved."""
        return self.fingerprints["model"]

    @property
    def reference_sha256(self) -> str | None:
        """SHA-256 of `reference.npz` as it was saved; None for a model that was saved without one."""
        return self.fingerprints.get("reference")
