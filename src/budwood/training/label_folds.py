"""Folds of photos with several labels: each label has its share of positives in every fold, as far as it can."""

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Bool, Float32, Int


def assign_label_folds(
    targets: Float32[np.ndarray, "n labels"],
    folds: int,
    seed: int,
    groups: Sequence[Hashable] | None = None,
) -> Int[np.ndarray, "n"]:
    """Return the fold that holds out each photo, 0 to `folds` - 1, or -1 where the others could not do without it.

    Iterative stratification (Sechidis et al. 2011): photos with the same labels are spread evenly; what is left over,
    the rarest label first, goes to the fold that has fewest of its labels. The rest of the photos always have a
    positive and a negative of every label: a label's only positive is never held out.

    Args:
        targets: 1, 0, or NaN where it is unknown.
        folds: their number.
        seed: decides between photos of the same labels.
        groups: of each photo what it shares with those that belong with it: they are held out together. None or ""
            for a photo that stands alone.

    >>> folds = assign_label_folds(np.array([[1, 0], [0, 1], [1, 1], [0, 0]], np.float32), 2, seed=0)
    >>> sorted(folds.tolist())
    [0, 0, 1, 1]
    """
    rng = np.random.default_rng(seed)
    has, lacks = targets == 1, targets == 0
    counts = np.hstack([has, lacks])
    units = _units(len(targets), groups)
    fold_of = np.full(len(targets), -1)
    dealing = _Dealing(folds, counts.sum(axis=0))
    left = []
    for alike in _of_the_same_labels(counts, units):
        members = rng.permutation(alike)
        even = len(members) - len(members) % folds
        for place, unit in enumerate(members[:even].tolist()):
            fold_of[units[unit]] = place % folds
        dealing.held += counts[[units[unit][0] for unit in members[:even:folds]]].sum(axis=0)
        left += members[even:].tolist()
    rarity = 1 / np.maximum(counts.sum(axis=0), 1)
    sums = {unit: counts[units[unit]].sum(axis=0) for unit in left}
    # Large groups first, and of single photos those of the rarest label.
    for unit in sorted(left, key=lambda unit: (-len(units[unit]), -np.max(rarity * (sums[unit] > 0)))):
        fold = dealing.fold_for(sums[unit])
        if fold is not None:
            fold_of[units[unit]] = fold
    return fold_of


class _Dealing:
    """How much each fold has of every label's positives, and of its negatives."""

    def __init__(self, folds: int, totals: Int[np.ndarray, "k"]):
        self.totals = totals
        self.held = np.zeros((folds, len(totals)), np.int64)

    def fold_for(self, sums: Int[np.ndarray, "k"]) -> int | None:
        """Return the fold that takes photos with so much of each, and give it them; None where none may."""
        # A fold may not hold out all of a label's positives, nor of its negatives.
        left = np.where(sums > 0, self.totals - self.held - sums, 1)
        allowed = np.flatnonzero(left.min(axis=1) > 0)
        if not len(allowed):
            return None
        full = (self.held[allowed] / np.maximum(self.totals, 1)) @ sums
        sizes = self.held[allowed].sum(axis=1)
        fold = int(allowed[np.lexsort((sizes, full))[0]])
        self.held[fold] += sums
        return fold


def _units(n: int, groups: Sequence[Hashable] | None) -> list[list[int]]:
    """Return the places of what is held out together."""
    if groups is None or not any(groups):
        return [[place] for place in range(n)]
    members: dict[Hashable, list[int]] = defaultdict(list)
    for place, group in enumerate(groups):
        members[("group", group) if group else ("photo", place)].append(place)
    return list(members.values())


def _of_the_same_labels(counts: Bool[np.ndarray, "n sides"], units: list[list[int]]) -> list[list[int]]:
    """Return the numbers of units in parts: photos that stand alone by their labels, every group by itself."""
    alike: dict[bytes, list[int]] = defaultdict(list)
    packed = np.packbits(counts, axis=1)
    for number, unit in enumerate(units):
        if len(unit) == 1:
            alike[packed[unit[0]].tobytes()].append(number)
    together = [[number] for number, unit in enumerate(units) if len(unit) > 1]
    return [*together, *(alike[key] for key in sorted(alike))]
