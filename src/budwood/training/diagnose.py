"""The spike at the start of fine-tuning: the network has got clearly worse in its first epoch, and why.

The reasons are tried in the order of their likelihood, each by undoing it and looking again: the rate is too high
(the weights are put back), BatchNorm has moved (its statistics are put back), or nothing was trained at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
from jaxtyping import Float64
from keras import ops

CLEARLY = 2.0
"""A loss counts as worse beyond this many standard errors of the mean paired difference."""
NOTABLY = 0.1
"""It has to be worse by this share of the loss before, too."""
UNDONE = 0.5
"""The share of the rise that must go when its reason is undone."""
HEAD = "head_"
"""Layers whose name begins so are the head's."""


@dataclass(frozen=True)
class LossSpike:
    """Why a phase began badly."""

    cause: Literal["rate", "batch_norm", "both", "compile"]
    before: float
    """Validation loss."""
    after: float
    undone: float | None = None
    """Validation loss with the cause undone, where that was measured."""

    @property
    def words(self) -> str:
        """Return what to tell the user."""
        if self.cause == "compile":
            return (
                "no weight of the unfrozen layers has changed in the first epoch of fine-tuning: either the model was "
                "not compiled after `trainable` was set, or finetune.learning_rate is too low to be felt. What "
                f"validation loss did meanwhile ({self.before:.3f}, then {self.after:.3f}) is not their doing"
            )
        rise = f"validation loss rose from {self.before:.3f} to {self.after:.3f} in the first epoch of fine-tuning"
        slower = (
            "The likeliest reason is a rate that is too high: lower finetune.learning_rate by a factor of 10. Label "
            "smoothing, mixing and views that phase 1 did not have cost some at first, too"
        )
        if self.cause == "rate":
            return (
                f"{rise}, and it is the trained weights: with them put back it is {self.undone:.3f}. {slower}"
            )
        if self.cause == "batch_norm":
            return (
                f"{rise}, because the statistics of BatchNorm have moved: with them put back it is "
                f'{self.undone:.3f}. Take finetune.batch_norm = "frozen"'
            )
        return (
            f"{rise}. Neither the weights put back alone nor the statistics of BatchNorm alone undo it: both have gone "
            f"too far together. {slower}"
        )


def find_loss_spike(
    model: keras.Model,
    start: Sequence[np.ndarray],
    losses_before: Float64[np.ndarray, "n"],
    losses_after: Float64[np.ndarray, "n"],
    validate: Callable[[], Float64[np.ndarray, "n"]],
) -> LossSpike | None:
    """Return what went wrong in the first epoch of fine-tuning, or None where nothing did.

    Args:
        model: as it is after the epoch; it is left so.
        start: its weights before, in the order of `model.weights`.
        losses_before, losses_after: the loss of each validation photo.
        validate: measures the losses of the model as it is.
    """
    before, after = float(losses_before.mean()), float(losses_after.mean())
    now = [ops.convert_to_numpy(weight) for weight in model.weights]
    stuck = _nothing_trained(model, start, now)
    if not _clearly_worse(losses_before, losses_after):
        return LossSpike("compile", before, after) if stuck else None

    trained = {id(weight) for weight in model.trainable_weights}
    is_trained = [id(weight) in trained for weight in model.weights]

    def loss_with(weights: bool, statistics: bool) -> float:
        """Return the validation loss with the trained weights, or everything else, as they were before."""
        for weight, old, new, own in zip(model.weights, start, now, is_trained, strict=True):
            weight.assign(old if (weights if own else statistics) else new)
        try:
            return float(validate().mean())
        finally:
            for weight, new in zip(model.weights, now, strict=True):
                weight.assign(new)

    enough = after - UNDONE * (after - before)
    undone = loss_with(weights=True, statistics=False)
    if undone <= enough:
        return LossSpike("rate", before, after, undone)
    undone = loss_with(weights=False, statistics=True)
    if undone <= enough:
        return LossSpike("batch_norm", before, after, undone)
    return LossSpike("compile" if stuck else "both", before, after)


def _clearly_worse(before: np.ndarray, after: np.ndarray) -> bool:
    difference = after - before
    error = difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else np.inf
    return bool(difference.mean() > max(CLEARLY * error, NOTABLY * before.mean()))


def _nothing_trained(model: keras.Model, start: Sequence[np.ndarray], now: Sequence[np.ndarray]) -> bool:
    """Return whether there are layers below the head that should train, and no weight of theirs has
    changed."""
    should = {
        id(weight)
        for layer in model.layers
        if not layer.name.startswith(HEAD)
        for weight in layer.trainable_weights
    }
    changed = {
        id(weight)
        for weight, old, new in zip(model.weights, start, now, strict=True)
        if not np.array_equal(old, new)
    }
    return bool(should) and not should & changed
