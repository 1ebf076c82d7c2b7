"""How much each class counts in what is learned."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int

from budwood.config.learning import Loss
from budwood.core.errors import RecipeError, did_you_mean

NOTHING_TO_LEARN = (
    "loss.class_weights gives every class of the training photos the weight 0, so there is nothing to learn. "
    "Give at least one of them a weight above 0"
)


def class_weights(
    loss: Loss, labels: Int[np.ndarray, "n"], classes: Sequence[str]
) -> Float64[np.ndarray, "classes"]:
    """The weight of each class, whose mean over the training photos is 1.

    Args:
        loss: of it `class_weights`. "balanced" gives n / (classes * count), as scikit-learn does.
        labels: class numbers of the training photos.
        classes: their names, in order.

    Raises:
        RecipeError: a class that is not among the data's, or nothing but weights of 0.

    >>> class_weights(Loss(class_weights="balanced"), np.array([0, 0, 0, 1]), ["daisy", "tulip"]).round(2).tolist()
    [0.67, 2.0]
    """
    refuse_unknown_classes(loss, classes)
    counts = np.bincount(labels, minlength=len(classes))
    if loss.class_weights == "none":
        return np.ones(len(classes))
    if loss.class_weights == "balanced":
        # A class without a photo has no say, whatever its weight.
        weights = 1 / np.maximum(counts, 1)
    else:
        weights = np.array([loss.class_weights.get(name, 1.0) for name in classes])
    total = weights @ counts
    if not total:
        raise RecipeError(NOTHING_TO_LEARN)
    return weights * counts.sum() / total


def refuse_unknown_classes(loss: Loss, classes: Sequence[str]) -> None:
    """Raises RecipeError where `loss.class_weights` names a class that the data do not have."""
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
