"""Wrong labels and classes that look alike, by what linear heads say of photos that they did not learn from.

Confident learning (Northcutt, Jiang and Chuang 2021) in two rounds. How many labels are wrong is counted by thresholds
of the classes; which they are is told by how little is left for the label (self-confidence). In the second round the
heads do not learn from the suspects of the first, so that wrong labels do not vouch for one another. Copies and photos
of one group are held out together. Measured on planted errors by `benchmarks/auditing.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from budwood.auditing.findings import AlikeClasses, Shown, WrongLabel
from budwood.core.progress.base import SILENT, Progress
from budwood.data.manifest import Photo
from budwood.evaluation.groups import Grouping, share_interval
from budwood.evaluation.label_issues import find_wrong_labels
from budwood.training.cross_validation import OutOfFold, assign_folds
from budwood.training.probe_size import linear_fits

FOLDS = 5
SURE = 0.9
"""Probability of another class that is enough to suspect a label, however sure that class is of its own photos."""
ALIKE = 0.05
"""Share of the photos of two classes from which on they are called alike."""
FEWEST_ALIKE = 3
"""Photos taken for the other class below which nothing is said."""
_EXAMPLES = 6

Rows = Callable[[Sequence[int]], Float[np.ndarray, "n features"]]


@dataclass(frozen=True)
class Opinions:
    """What heads that did not learn from a photo say of it."""

    probabilities: Float[np.ndarray, "n classes"]
    """NaN where no head was without the photo, such as the only one of its class."""
    suspects: Int[np.ndarray, "m"]
    """Places of the photos whose labels may be wrong, the surest first."""
    strength: float
    """Of the L2 penalty; of several parts of the photos the first one's."""
    folds: int = FOLDS

    @property
    def asked(self) -> Bool[np.ndarray, "n"]:
        """Return of which photos something is said."""
        return np.isfinite(self.probabilities[:, 0])


def ask_heads(
    rows: Rows,
    num_features: int,
    labels: Int[np.ndarray, "n"],
    num_classes: int,
    *,
    groups: Sequence[Any] | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Opinions:
    """Return what linear heads say of each photo that they did not learn from.

    Memory: three times the features of as many photos as `linear_fits` allows, 3 GiB at most; of more photos equal
    parts are asked one after the other, each by itself.

    Args:
        rows: gives the features of photos by their places.
        num_features: their length.
        labels: class numbers, 0 to `num_classes` - 1.
        num_classes: number of classes, 2 or more.
        groups: of each photo what it shares with those that belong with it; None or "" for none.
        seed: decides the folds.
        progress: told of every fit.
    """
    n, parts = len(labels), 1
    while not linear_fits(-(-n // parts), num_features, num_classes) and n // parts > 10 * num_classes:
        parts += 1
    part_of = assign_folds(labels, parts, seed, groups) if parts > 1 else np.zeros(n, np.int64)
    probabilities = np.full((n, num_classes), np.nan, np.float32)
    suspects: list[Int[np.ndarray, m]] = []
    strength = 0.0
    for part in range(parts):
        # A class's only group goes with the first.
        places = np.flatnonzero((part_of == part) | ((part_of < 0) & (part == 0)))
        classes, own = np.unique(labels[places], return_inverse=True)
        if len(classes) < 2:
            continue
        some = None if groups is None else [groups[place] for place in places.tolist()]
        heads = OutOfFold(
            rows(places.tolist()), own, len(classes), folds=FOLDS, seed=seed, groups=some, progress=progress
        )
        found, chosen, used = _in_two_rounds(heads, own)
        probabilities[places] = np.where(np.isfinite(found[:, :1]), 0.0, np.nan)
        probabilities[places[:, None], classes[None]] = found
        suspects.append(places[chosen])
        strength = strength or used
    every = np.concatenate(suspects) if suspects else np.zeros(0, np.int64)
    confidence = probabilities[every, labels[every]]
    return Opinions(probabilities, every[np.lexsort((every, confidence))], strength)


def find_suspects(
    labels: Int[np.ndarray, "n"], probabilities: Float[np.ndarray, "n classes"]
) -> Int[np.ndarray, "m"]:
    """Return the places of photos whose labels may be wrong, the surest first.

    There are as many as confident learning counts: photos of which another class is as sure as it is of its own. They
    are those that leave least probability to their label.

    >>> shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.02, 0.98], [0.1, 0.9], [0.3, 0.7]])
    >>> find_suspects(np.array([0, 0, 0, 1, 1]), shares)
    array([2])
    """
    predicted, places = probabilities.argmax(axis=1), np.arange(len(labels))
    own = probabilities[places, labels]
    number = len(find_wrong_labels(labels, predicted, own, probabilities[places, predicted], SURE))
    order = np.lexsort((places, own))
    return order[predicted[order] != labels[order]][:number]


def describe_wrong_labels(
    opinions: Opinions, photos: Sequence[Photo], labels: Int[np.ndarray, "n"], classes: Sequence[str]
) -> list[WrongLabel]:
    """Return a finding for each suspect, the surest first."""
    found = []
    for rank, place in enumerate(opinions.suspects.tolist(), 1):
        photo, shares = photos[place], opinions.probabilities[place]
        found.append(
            WrongLabel(
                photo=Shown(photo.name, photo.label, photo.split or ""),
                suggested=classes[int(shares.argmax())],
                of_label=round(float(shares[labels[place]]), 4),
                of_suggested=round(float(shares.max()), 4),
                rank=rank,
            )
        )
    return found


def find_alike_classes(
    opinions: Opinions, photos: Sequence[Photo], labels: Int[np.ndarray, "n"], classes: Sequence[str]
) -> list[AlikeClasses]:
    """Return pairs of classes that are taken for one another, those with most photos first.

    Photos whose labels are suspected count too: of two classes that cannot be told apart, half the labels are.
    """
    predicted = np.where(opinions.asked, np.nan_to_num(opinions.probabilities).argmax(axis=1), labels)
    names = [photo.group or "" for photo in photos]
    wrong = np.flatnonzero(predicted != labels)
    pairs = np.unique(np.sort(np.stack([labels[wrong], predicted[wrong]], axis=1), axis=1), axis=0)
    found = []
    for a, b in pairs.tolist():
        of_a, of_b = (labels == a) & opinions.asked, (labels == b) & opinions.asked
        as_b, as_a = of_a & (predicted == b), of_b & (predicted == a)
        total = int(as_a.sum() + as_b.sum())
        chosen = of_a | of_b
        share = total / max(int(chosen.sum()), 1)
        if total < FEWEST_ALIKE or share < ALIKE:
            continue
        grouping = Grouping.of([names[place] for place in np.flatnonzero(chosen)])
        interval = share_interval((as_a | as_b)[chosen], grouping)
        places = np.flatnonzero(as_a | as_b)
        own = opinions.probabilities[places, labels[places]]
        examples = places[np.lexsort((places, own))][:_EXAMPLES].tolist()
        found.append(
            AlikeClasses(
                first=classes[a],
                second=classes[b],
                first_as_second=int(as_b.sum()),
                second_as_first=int(as_a.sum()),
                num_first=int(of_a.sum()),
                num_second=int(of_b.sum()),
                share=round(share, 4),
                interval=None if interval is None else (round(interval[0], 4), round(interval[1], 4)),
                examples=tuple(
                    Shown(photos[one].name, photos[one].label, photos[one].split or "") for one in examples
                ),
            )
        )
    return sorted(found, key=lambda one: (-one.share, one.first, one.second))


def _in_two_rounds(
    heads: OutOfFold, labels: Int[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "n classes"], Int[np.ndarray, "m"], float]:
    logits, strength = heads.logits()
    shares = _softmax(logits)
    suspects = _suspects_of(shares, labels)
    if not len(suspects):
        return shares, suspects, strength
    learned = np.ones(len(labels))
    learned[suspects] = 0
    for label in np.unique(labels[suspects]):
        # What is left of a class has to be learned from, whichever fold is held out.
        if len(np.unique(heads.fold_of[(labels == label) & (learned > 0)])) < 2:
            learned[labels == label] = 1
    # Without them less noise is in the labels, so the penalty is the same or weaker.
    logits, strength = heads.logits(weights=learned * len(labels) / learned.sum(), near=strength)
    shares = _softmax(logits)
    return shares, _suspects_of(shares, labels), strength


def _suspects_of(
    shares: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, "n"]
) -> Int[np.ndarray, "m"]:
    asked = np.flatnonzero(np.isfinite(shares[:, 0]))
    return asked[find_suspects(labels[asked], shares[asked])]


def _softmax(logits: Float[np.ndarray, "n classes"]) -> Float[np.ndarray, "n classes"]:
    from scipy.special import softmax

    return softmax(logits, axis=1)
