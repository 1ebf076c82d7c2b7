"""Optimizers: any of Keras's by name, with the recipe's schedule, and rates of their own for some layers."""

import inspect
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from budwood.config.learning import Finetune, Frozen
from budwood.core.errors import RecipeError, did_you_mean

NOT_DECAYED = [r"(^|/)(bias|gamma|beta)(:\d+)?$", r"_layer_scale/"]
"""Variables without weight decay: what shifts and scales, rather than weighs; on TensorFlow `layer/bias:0`.

ConvNeXt's scales are kernels of depthwise convolutions here."""


def make_optimizer(
    settings: Frozen | Finetune,
    steps_per_epoch: int,
    model: keras.Model | None = None,
    rates: Mapping[str, float] = {},
) -> keras.optimizers.Optimizer:
    """Return the optimizer that the recipe's [frozen] or [finetune] names, with its schedule. Biases and
    norms do not decay.

    Args:
        settings: of them optimizer, learning rate, schedule, warm-up, momentum, weight decay, clipping and average.
        steps_per_epoch: gradient steps in an epoch, which the schedule counts in.
        model, rates: the layers of the model that learn at a rate of their own, a multiple of the recipe's.

    Raises:
        RecipeError: an unknown name, or a setting that the optimizer does not take.

    >>> make_optimizer(Frozen(optimizer="sgd", momentum=0.9), steps_per_epoch=10).momentum
    0.9
    """
    classes = optimizers()
    kind = classes.get(settings.optimizer.lower())
    if kind is None:
        raise RecipeError(
            f"unknown optimizer `{settings.optimizer}`.{did_you_mean(settings.optimizer.lower(), classes)} "
            f"{_section(settings)}.optimizer is one of: {', '.join(classes)}"
        )
    multiple = {
        id(variable): rates.get(layer.name, 1.0)
        for layer in (model.layers if model else [])
        for variable in layer.trainable_variables
    }
    if set(multiple.values()) <= {1.0}:
        return _make_one(kind, settings, steps_per_epoch, 1.0, clip_norm=settings.clip_norm)
    return ByLayer(
        {
            value: _make_one(kind, settings, steps_per_epoch, value)
            for value in sorted(set(multiple.values()), reverse=True)
        },
        multiple,
        settings.clip_norm,
    )


def optimizers() -> dict[str, type[keras.optimizers.Optimizer]]:
    """Return Keras's optimizers by name, in lower case."""
    # These two wrap others.
    wrappers = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer"}
    return {
        name.lower(): kind
        for name, kind in sorted(vars(keras.optimizers).items())
        if inspect.isclass(kind) and issubclass(kind, keras.optimizers.Optimizer) and name not in wrappers
    }


def current_rate(optimizer: keras.optimizers.Optimizer) -> float:
    """Return the learning rate of the next step, as the shortest number that float32 takes for it."""
    return float(str(np.float32(ops.convert_to_numpy(optimizer.learning_rate))))


class ByLayer(keras.optimizers.MultiOptimizer):
    """One optimizer for each multiple of the learning rate, behind the face of a single one.

    Unlike Keras's own it has a `learning_rate`, the one that the multiples are of, so that callbacks can read and set
    it; and it clips all gradients by their norm together, not each group by its own.

    Args:
        by_multiple: the optimizers.
        multiple: of each variable, by its `id`.
        clip_norm: largest norm of all gradients together; 0 clips nothing.
    """

    def __init__(
        self,
        by_multiple: Mapping[float, keras.optimizers.Optimizer],
        multiple: Mapping[int, float],
        clip_norm: float = 0.0,
    ):
        super().__init__(lambda variable: by_multiple[multiple[id(variable)]], name="by_layer")
        self.by_multiple, self.clip_norm = by_multiple, clip_norm

    @property
    def learning_rate(self) -> Any:
        multiple, optimizer = next(iter(self.by_multiple.items()))
        return optimizer.learning_rate / multiple

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        for multiple, optimizer in self.by_multiple.items():
            optimizer.learning_rate = rate * multiple

    def apply(self, grads, trainable_variables=None):
        if self.clip_norm:
            norm = ops.sqrt(sum(ops.sum(ops.square(grad)) for grad in grads if grad is not None))
            share = self.clip_norm / ops.maximum(norm, self.clip_norm)
            grads = [grad if grad is None else grad * share for grad in grads]
        super().apply(grads, trainable_variables)


def _make_one(
    kind: type[keras.optimizers.Optimizer],
    settings: Frozen | Finetune,
    steps_per_epoch: int,
    multiple: float,
    clip_norm: float = 0.0,
) -> keras.optimizers.Optimizer:
    options: dict[str, Any] = {"learning_rate": _learning_rate(settings, steps_per_epoch, multiple)}
    accepted = inspect.signature(kind).parameters
    for key in ("momentum", "weight_decay"):
        value = getattr(settings, key)
        if key in accepted:
            options[key] = value
        elif value:
            raise RecipeError(
                f"the optimizer {settings.optimizer} takes no {key}. "
                f"Leave out {_section(settings)}.{key}, or choose another optimizer"
            )
    if clip_norm:
        options["global_clipnorm"] = clip_norm
    if settings.ema:
        options |= {"use_ema": True, "ema_momentum": settings.ema}
    optimizer = kind(**options)
    if settings.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
    return optimizer


def _learning_rate(settings: Frozen | Finetune, steps_per_epoch: int, multiple: float):
    section = _section(settings)
    rate = settings.learning_rate * multiple
    warmup = round(settings.warmup_epochs * steps_per_epoch)
    steps = settings.epochs * steps_per_epoch
    if settings.schedule == "reduce_on_plateau" and warmup:
        raise RecipeError(
            f'{section}.warmup_epochs goes with schedule = "constant" or "cosine". '
            'Set it to 0, or choose another schedule than "reduce_on_plateau"'
        )
    if warmup and warmup >= steps:
        raise RecipeError(
            f"{section}.warmup_epochs = {settings.warmup_epochs:g} leaves none of the {settings.epochs} epochs. "
            f"Give fewer than {section}.epochs"
        )
    if settings.schedule == "cosine" or warmup:
        return keras.optimizers.schedules.CosineDecay(
            # The first step moves already.
            rate / warmup if warmup else rate,
            decay_steps=steps - warmup,
            # A decay to 1 is a constant.
            alpha=0.0 if settings.schedule == "cosine" else 1.0,
            warmup_target=rate if warmup else None,
            warmup_steps=warmup,
        )
    return rate


def _section(settings: Frozen | Finetune) -> str:
    return "frozen" if isinstance(settings, Frozen) else "finetune"
