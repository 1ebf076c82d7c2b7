"""Labels that may be wrong, by confident learning (Northcutt, Jiang and Chuang 2021), from out-of-sample predictions.

A class's own threshold is the mean probability that its photos get of it: so a class of which the network is never
sure asks for less than one of which it always is.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped


@dataclass(frozen=True)
class Suspect:
    """A photo that looks like another class than its label says."""

    index: int
    """Its place among the photos that were given."""
    margin: float
    """Probability of the class that it looks like, minus that of its label, in (0, 1]."""


def find_wrong_labels(
    labels: Int[np.ndarray, "n"],
    predicted: Int[np.ndarray, "n"],
    of_label: Float[np.ndarray, "n"],
    of_predicted: Float[np.ndarray, "n"],
    highest: float = 1.0,
) -> list[Suspect]:
    """Return the photos of which another class is as sure as it is of its own photos, the widest margin
    first.

    A photo is listed where the most probable class is not its label and reaches that class's threshold: the mean
    probability of the class over the photos that have it as label. That makes a suspicion, not a finding: hard photos
    are listed too, and a label is not listed where the network errs the way the labeller did.

    Args:
        labels: class number of each photo as labelled, of photos that the network did not learn from.
        predicted: the most probable class.
        of_label, of_predicted: their probabilities, in [0, 1].
        highest: what a class's threshold is at most: where classes are easy to tell apart, half of a class's photos are
            below its mean, however sure the network is of them.

    >>> labels, predicted = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 0])
    >>> of_label, of_predicted = np.array([0.9, 0.8, 0.05, 0.9, 0.45]), np.array([0.9, 0.8, 0.95, 0.9, 0.55])
    >>> [(one.index, round(one.margin, 2)) for one in find_wrong_labels(labels, predicted, of_label, of_predicted)]
    [(2, 0.9)]
    """
    if not len(labels):
        return []
    num_classes = int(max(labels.max(), predicted.max())) + 1
    photos = np.bincount(labels, minlength=num_classes)
    sums = np.bincount(labels, weights=of_label, minlength=num_classes)
    # Of a class without a photo of its own nothing tells how sure it usually is.
    thresholds = np.where(photos > 0, np.minimum(sums / np.maximum(photos, 1), highest), np.inf)
    margins = of_predicted - of_label
    listed = np.flatnonzero((predicted != labels) & (of_predicted >= thresholds[predicted]) & (margins > 0))
    order = listed[np.lexsort((listed, -margins[listed]))]
    return [Suspect(int(index), float(margins[index])) for index in order]


@dataclass(frozen=True)
class SuspectValue:
    """A photo that looks as if it had a label that it is said not to have, or the other way round."""

    index: int
    """Its place among the photos that were given."""
    label: int
    """The column."""
    given: bool
    """Whether it is said to have the label."""
    margin: float
    """Probability of the contrary minus that of what is given, in (0, 1]."""


def find_wrong_values(
    targets: Shaped[np.ndarray, "n k"], probabilities: Float[np.ndarray, "n k"], highest: float = 1.0
) -> list[SuspectValue]:
    """Return where photos with several labels are as surely the contrary of what is given as photos of that kind are
    what they are, the widest margin first.

    Each label is a question with two answers, to which `find_wrong_labels` applies.

    Args:
        targets: 1, 0, or NaN where it is unknown: that is never listed.
        probabilities: of having each label, of photos that the network did not learn from.
        highest: what the threshold of having a label, or not, is at most.

    >>> targets, chance = np.array([[1, 1, 1, 0, 0, 0]]).T, np.array([[0.9, 0.8, 0.05, 0.1, 0.2, 0.95]]).T
    >>> [(one.index, one.given, round(one.margin, 2)) for one in find_wrong_values(targets, chance)]
    [(2, True, 0.9), (5, False, 0.9)]
    """
    found = []
    for label in range(targets.shape[1]):
        known = np.flatnonzero(~np.isnan(targets[:, label]))
        given, chance = targets[known, label].astype(np.int64), probabilities[known, label]
        predicted = (chance > 0.5).astype(np.int64)
        suspects = find_wrong_labels(
            given,
            predicted,
            np.where(given == 1, chance, 1 - chance),
            np.where(predicted == 1, chance, 1 - chance),
            highest,
        )
        found += [
            SuspectValue(int(known[one.index]), label, bool(given[one.index]), one.margin) for one in suspects
        ]
    return sorted(found, key=lambda one: (-one.margin, one.index, one.label))


def find_probable_values(
    targets: Shaped[np.ndarray, "n k"], probabilities: Float[np.ndarray, "n k"], highest: float = 1.0
) -> list[tuple[int, int]]:
    """Return where it is unknown whether a photo has a label, and it is as probable as it is on photos that have it.

    The threshold of a label is the mean probability of the photos that have it: the most probable values come first, as
    the photo's place and the label's column.

    Args:
        targets: 1, 0, or NaN where it is unknown.
        probabilities: of having each label, of photos that the network did not learn from; NaN where it is not known.
        highest: what the threshold is at most.

    >>> targets, chance = np.array([[1, 1, 0, np.nan, np.nan]]).T, np.array([[0.9, 0.7, 0.1, 0.85, 0.6]]).T
    >>> find_probable_values(targets, chance)
    [(3, 0)]
    """
    said = np.isfinite(probabilities)
    of_label = np.where((targets == 1) & said, probabilities, 0.0).sum(axis=0)
    photos = ((targets == 1) & said).sum(axis=0)
    thresholds = np.where(photos > 0, np.minimum(of_label / np.maximum(photos, 1), highest), np.inf)
    listed = np.argwhere(np.isnan(targets) & said & (np.nan_to_num(probabilities) >= thresholds))
    order = np.argsort(-probabilities[listed[:, 0], listed[:, 1]], kind="stable")
    return [(index, label) for index, label in listed[order].tolist()]
