"""How much each class, and each photo, counts in what is learned."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float64, Int

from budwood.config.learning import Loss
from budwood.core.errors import DataError, RecipeError, did_you_mean

NOTHING_TO_LEARN = (
    "loss.class_weights gives every class of the training photos the weight 0, so there is nothing to learn. "
    "Give at least one of them a weight above 0"
)


def class_weights(
    loss: Loss,
    labels: Int[np.ndarray, "n"],
    classes: Sequence[str],
    own: Float[np.ndarray, "n"] | None = None,
) -> Float64[np.ndarray, "classes"]:
    """Return the weight of each class, whose mean over the training photos is 1.

    Args:
        loss: of it `class_weights`. "balanced" gives n / (classes * count), as scikit-learn does.
        labels: class numbers of the training photos.
        classes: their names, in order.
        own: weights of the photos themselves, with which they are counted; by default each counts 1.

    Raises:
        RecipeError: a class that is not among the data's, or nothing but weights of 0.

    >>> class_weights(Loss(class_weights="balanced"), np.array([0, 0, 0, 1]), ["daisy", "tulip"]).round(2).tolist()
    [0.67, 2.0]
    """
    refuse_unknown_classes(loss, classes)
    counts = np.bincount(labels, own, minlength=len(classes))
    if loss.class_weights == "none":
        return np.ones(len(classes))
    if loss.class_weights == "balanced":
        # A class without a photo has no say, whatever its weight.
        weights = np.divide(1, counts, out=np.zeros(len(classes)), where=counts > 0)
    else:
        weights = np.array([loss.class_weights.get(name, 1.0) for name in classes])
    total = weights @ counts
    if not total:
        raise RecipeError(NOTHING_TO_LEARN)
    return weights * counts.sum() / total


def photo_weights(
    loss: Loss,
    labels: Int[np.ndarray, "n"],
    classes: Sequence[str],
    own: Float[np.ndarray, "n"] | None = None,
) -> Float64[np.ndarray, "n"] | None:
    """Return the weight of each training photo, that of its class times its own, whose mean is 1; None where
    all are alike.

    Args:
        loss, labels, classes: as `class_weights` takes them.
        own: what the data say of each photo, from 0 up; only their ratios matter. By default all are alike.

    Raises:
        RecipeError: as `class_weights` does.
        DataError: every photo weighs 0.

    >>> photo_weights(Loss(), np.array([0, 0, 1]), ["daisy", "tulip"], np.array([1.0, 3.0, 2.0])).tolist()
    [0.5, 1.5, 1.0]
    """
    own = relative(own)
    weights = class_weights(loss, labels, classes, own)[labels]
    if own is not None:
        return weights * own
    return None if loss.class_weights == "none" else weights


def relative(own: Float[np.ndarray, "n"] | None) -> Float64[np.ndarray, "n"] | None:
    """Return the photos' own weights with a mean of 1; None where all are alike. Raise DataError where every
    one is 0."""
    if own is None or not len(own):
        return None
    if not own.any():
        raise DataError(
            "every training photo has the weight 0, so there is nothing to learn. Give at least one of them a weight "
            "above 0, or leave the column of weights out"
        )
    return None if (own == own[0]).all() else np.asarray(own, np.float64) / np.mean(own)


def refuse_unknown_classes(loss: Loss, classes: Sequence[str]) -> None:
    """Raise RecipeError where `loss.class_weights` names a class that the data do not have."""
    if isinstance(loss.class_weights, str):
        return
    for name in loss.class_weights:
        if name not in classes:
            raise RecipeError(
                f"loss.class_weights names a class `{name}` that the data do not have."
                f"{did_you_mean(name, classes)} The classes are: {', '.join(classes)}"
            )
    if all(loss.class_weights.get(name, 1.0) == 0 for name in classes):
        raise RecipeError(NOTHING_TO_LEARN)
