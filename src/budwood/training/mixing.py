"""Mixing the photos of a batch: mixup and cutmix, on whatever the trainable part is fed with."""

import math

import numpy as np
from jaxtyping import Float32, Shaped

from budwood.config.recipe import Augment
from budwood.core.errors import RecipeError


def mix(
    features: Float32[np.ndarray, "n *shape"],
    targets: Float32[np.ndarray, "n classes"],
    augment: Augment,
    rng: np.random.Generator,
) -> tuple[Float32[np.ndarray, "n *shape"], Float32[np.ndarray, "n classes"]]:
    """Return the batch with every photo mixed with another one of it, and the shares of the classes in the
    mixtures.

    mixup (Zhang et al. 2018) adds them, a share s of the one and 1 - s of the other; cutmix (Yun et al. 2019) puts a
    rectangle of the other into the one. As there, a batch has one share, drawn from Beta(alpha, alpha). Where both are
    asked for, each batch takes one of them, by a throw of a coin.

    >>> features, targets = np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)
    >>> mixed, shares = mix(features, targets, Augment(mixup=1.0), np.random.default_rng(3))
    >>> bool(np.allclose(mixed, shares)), shares.sum(axis=1).tolist()
    (True, [1.0, 1.0])
    """
    if not augment.mixup and not augment.cutmix:
        return features, targets
    other = rng.permutation(len(features))
    cuts = bool(augment.cutmix) and (not augment.mixup or rng.random() < 0.5)
    alpha = augment.cutmix if cuts else augment.mixup
    share = float(rng.beta(alpha, alpha))
    if cuts:
        height, width = features.shape[1:3]
        top, bottom, left, right = _rectangle(height, width, 1 - share, rng)
        mixed = features.copy()
        mixed[:, top:bottom, left:right] = features[other, top:bottom, left:right]
        # At the edges less is cut than was drawn.
        share = 1 - (bottom - top) * (right - left) / (height * width)
    else:
        mixed = share * features + (1 - share) * features[other]
    return mixed, share * targets + (1 - share) * targets[other]


def refuse_bad_mixing(augment: Augment, shape: tuple[int, ...], labels: Shaped[np.ndarray, "n ..."]) -> None:
    """Raise RecipeError where what is mixed has no height and width for cutmix, or the class numbers are one
    alone."""
    if augment.cutmix and len(shape) != 3:
        raise RecipeError(
            f"augment.cutmix cuts rectangles, but the features here are {shape[0]} numbers a photo, without height "
            'and width. Take augment.mixup, or fine-tune with finetune.unfreeze = "all"'
        )
    if (augment.mixup or augment.cutmix) and labels.ndim == 1 and len(np.unique(labels)) < 2:
        name = "mixup" if augment.mixup else "cutmix"
        raise RecipeError(
            f"augment.{name} mixes classes, but all training photos are of one. Set augment.{name} = 0"
        )


def _rectangle(height: int, width: int, share: float, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of a rectangle around a random point, of that share of the area before it is
    clipped."""
    side = math.sqrt(share)
    y, x = int(rng.integers(height)), int(rng.integers(width))
    half_height, half_width = round(height * side) // 2, round(width * side) // 2
    return (
        max(0, y - half_height),
        min(height, y + half_height),
        max(0, x - half_width),
        min(width, x + half_width),
    )
