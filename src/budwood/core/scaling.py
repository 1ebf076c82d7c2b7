"""What makes calibrated logits of logits: one temperature for all, or a scale and a shift for each label.

Both are linear, so that they go into the weights of the layer that gives the logits.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class LabelScaling:
    """The logits of label k times `scale[k]`, plus `shift[k]` (Platt 1999).

    >>> LabelScaling(scale=(2.0, 1.0), shift=(0.0, -1.0)).apply(np.array([[1.0, 1.0]]))
    array([[2., 0.]])
    """

    scale: tuple[float, ...]
    """Factor of each label, above 0, so that the order of photos by a label does not change."""
    shift: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.scale) != len(self.shift) or not all(scale > 0 for scale in self.scale):
            raise ValueError(
                f"a scale above 0 and a shift for each label are needed, not {self.scale} and {self.shift}"
            )

    def apply(self, logits: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """Return calibrated logits."""
        return logits * np.array(self.scale, logits.dtype) + np.array(self.shift, logits.dtype)

    def fold(
        self, kernel: Float[np.ndarray, "features k"], bias: Float[np.ndarray, "k"]
    ) -> tuple[Float[np.ndarray, "features k"], Float[np.ndarray, "k"]]:
        """Return the weights of a dense layer that gives calibrated logits."""
        scale = np.array(self.scale, kernel.dtype)
        return kernel * scale, bias * scale + np.array(self.shift, bias.dtype)

    def inverse(self) -> "LabelScaling":
        """Return what makes the former logits of calibrated ones.

        >>> LabelScaling((2.0,), (1.0,)).inverse()
        LabelScaling(scale=(0.5,), shift=(-0.5,))
        """
        pairs = zip(self.scale, self.shift, strict=True)
        return LabelScaling(tuple(1 / scale for scale in self.scale), tuple(-b / a for a, b in pairs))


Scaling = float | LabelScaling
"""A float is a temperature: all logits are divided by it (Guo et al. 2017)."""


def scaled(logits: Float[np.ndarray, "n k"], scaling: Scaling) -> Float[np.ndarray, "n k"]:
    """Return calibrated logits.

    >>> scaled(np.array([[4.0, 2.0]]), 2.0)
    array([[2., 1.]])
    """
    return scaling.apply(logits) if isinstance(scaling, LabelScaling) else logits / scaling


def folded(
    kernel: Float[np.ndarray, "features k"], bias: Float[np.ndarray, "k"], scaling: Scaling
) -> tuple[Float[np.ndarray, "features k"], Float[np.ndarray, "k"]]:
    """Return the weights of a dense layer that gives calibrated logits.

    >>> folded(np.ones((1, 2), np.float32), np.ones(2, np.float32), 2.0)[1]
    array([0.5, 0.5], dtype=float32)
    """
    if isinstance(scaling, LabelScaling):
        return scaling.fold(kernel, bias)
    return kernel / np.float32(scaling), bias / np.float32(scaling)


def inverse(scaling: Scaling) -> Scaling:
    """Return what undoes a scaling.

    >>> inverse(2.0)
    0.5
    """
    return scaling.inverse() if isinstance(scaling, LabelScaling) else 1 / scaling
