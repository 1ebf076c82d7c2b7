"""How much it counts that a photo has a label, and that it has not."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32, Float64

from budwood.config.learning import Loss
from budwood.core.errors import DataError, RecipeError
from budwood.training.class_weights import refuse_unknown_classes

Targets = Float32[np.ndarray, "n labels"]


def label_weights(
    loss: Loss,
    targets: Targets,
    labels: Sequence[str],
    own: Float[np.ndarray, "n"] | None = None,
) -> Float64[np.ndarray, "2 labels"]:
    """Return the weights of each label's negatives, and of its positives, whose mean over its known photos is 1.

    Args:
        loss: of it `class_weights`. "balanced" lets positives and negatives of a label count alike, n / (2 * count), as
            scikit-learn does; a table has the weight of a label's positives beside negatives of weight 1.
        targets: of the training photos: 1, 0, or NaN where it is unknown.
        labels: their names, in order.
        own: weights of the photos themselves, with which they are counted; by default each counts 1.

    Raises:
        RecipeError: a label that is not among the data's, or a weight of 0.
        DataError: a label without a positive or without a negative.

    >>> targets = np.array([[1], [0], [0], [0]], np.float32)
    >>> label_weights(Loss(class_weights="balanced"), targets, ["sea"]).round(2).tolist()
    [[0.67], [2.0]]
    """
    refuse_unlearnable(targets, labels, own)
    weights = np.ones((2, len(labels)))
    if loss.class_weights == "none":
        return weights
    counts = _counts(targets, own)
    if loss.class_weights == "balanced":
        weights /= counts
    else:
        refuse_unknown_classes(loss, labels)
        weights[1] = [loss.class_weights.get(name, 1.0) for name in labels]
        if not weights.all():
            name = labels[int(np.argmin(weights[1]))]
            raise RecipeError(
                f"loss.class_weights gives the photos with the label {name} the weight 0, so nothing is left of it to "
                "learn. Give it a weight above 0, or leave the label out of the data"
            )
    return weights * counts.sum(axis=0) / (weights * counts).sum(axis=0)


def cell_weights(
    weights: Float[np.ndarray, "2 labels"],
    targets: Targets,
    own: Float[np.ndarray, "n"] | None = None,
) -> Float64[np.ndarray, "n labels"]:
    """Return how much each label of each photo counts, 0 where it is unknown.

    Args:
        weights: as `label_weights` gives them.
        targets: 1, 0, or NaN where it is unknown.
        own: weights of the photos themselves.
    """
    found = np.where(targets == 1, weights[1], weights[0]) * ~np.isnan(targets)
    return found if own is None else found * own[:, None]


def refuse_unlearnable(
    targets: Targets, labels: Sequence[str], own: Float[np.ndarray, "n"] | None = None
) -> None:
    """Raise DataError where a label has no positive, or no negative, among the photos that count."""
    counts = _counts(targets, own)
    for name, lacks, has in zip(labels, *counts.tolist(), strict=True):
        if lacks and has:
            continue
        some = "photos that count" if own is not None else "photos"
        if not lacks and not has:
            fault = f"is unknown in all training {some}"
        else:
            fault = f"is on {'all' if has else 'none'} of the training {some} in which it is known"
        raise DataError(
            f"the label {name!r} {fault}, so there is nothing to learn of it. Expected photos with it and photos "
            "without it: add some, or leave the label out"
        )


def _counts(targets: Targets, own: Float[np.ndarray, "n"] | None) -> Float64[np.ndarray, "2 labels"]:
    """Return how many photos lack each label, and how many have it, by their own weights."""
    sides = np.stack([targets == 0, targets == 1]).astype(np.float64)
    return sides.sum(axis=1) if own is None else np.einsum("snk,n->sk", sides, own)
