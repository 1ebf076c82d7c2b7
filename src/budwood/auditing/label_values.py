"""Several labels a photo: values that may be wrong, and confused labels, by heads that did not learn from the photo.

Each label is a question with two answers, to which confident learning applies as to classes
(`budwood.auditing.labels`). There is one round: a second one that learns nothing from the suspects orders values no
better, and lets a photo decide by a detour what its own head learns. Measured on planted errors by
`benchmarks/auditing.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from budwood.auditing.findings import AlikeClasses, DoubtfulValue, Shown, ValueKind
from budwood.auditing.labels import ALIKE, FEWEST_ALIKE, FOLDS, SURE
from budwood.core.progress.base import SILENT, Progress
from budwood.data.label_sets import unknown_cells
from budwood.data.manifest import Photo
from budwood.evaluation.groups import Grouping, share_interval
from budwood.evaluation.label_issues import SuspectValue, find_probable_values, find_wrong_values
from budwood.training.label_folds import assign_label_folds
from budwood.training.label_probe import fit_labels
from budwood.training.probe_size import linear_fits

_EXAMPLES = 6
_HALF = 0.5

Rows = Callable[[Sequence[int]], Float[np.ndarray, "n features"]]
Targets = Float32[np.ndarray, "n labels"]


@dataclass(frozen=True)
class LabelOpinions:
    """What heads that did not learn from a photo say of its labels."""

    probabilities: Float[np.ndarray, "n labels"]
    """NaN where no head was without the photo, or the label could not be learned."""
    suspects: tuple[SuspectValue, ...]
    """Values that may be wrong, the surest first."""
    strengths: Mapping[str, float]
    """By label, of the L2 penalty; of several parts of the photos the first one's."""
    folds: int = FOLDS

    @property
    def asked(self) -> Bool[np.ndarray, "n labels"]:
        """Return of which values something is said."""
        return np.isfinite(self.probabilities)


def targets_of(photos: Sequence[Photo], labels: Sequence[str]) -> Targets:
    """Return 1 where a photo has a label, 0 where it has not, NaN where that is unknown."""
    found = np.array([[label in set(photo.each_label) for label in labels] for photo in photos], np.float32)
    found = found.reshape(len(photos), len(labels))
    if len(photos) and len(labels):
        found[unknown_cells(photos, labels)] = np.nan
    return found


def ask_label_heads(
    rows: Rows,
    num_features: int,
    targets: Targets,
    labels: Sequence[str],
    *,
    groups: Sequence[Any] | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> LabelOpinions:
    """Return what linear heads say of the labels of each photo that they did not learn from.

    Memory: as `budwood.auditing.labels.ask_heads`; of more photos equal parts are asked one after the other.

    Args:
        rows: gives the features of photos by their places.
        num_features: their length.
        targets: 1, 0, or NaN where it is unknown.
        labels: their names.
        groups: of each photo what it shares with those that belong with it; None or "" for none.
        seed: decides the folds.
        progress: told of every fit, as stage "labels".
    """
    from scipy.special import expit

    n, parts = len(targets), 1
    while not linear_fits(-(-n // parts), num_features, len(labels)) and n // parts > 10 * len(labels):
        parts += 1
    part_of = assign_label_folds(targets, parts, seed, groups) if parts > 1 else np.zeros(n, np.int64)
    probabilities = np.full(targets.shape, np.nan)
    strengths: dict[str, float] = {}
    for part in range(parts):
        # A label's only positives go with the first.
        places = np.flatnonzero((part_of == part) | ((part_of < 0) & (part == 0)))
        own = targets[places]
        columns = np.flatnonzero(((own == 1).sum(axis=0) > 1) & ((own == 0).sum(axis=0) > 1))
        if not len(columns):
            continue
        names = [labels[column] for column in columns.tolist()]
        some = None if groups is None else [groups[place] for place in places.tolist()]
        fit = fit_labels(
            rows(places.tolist()),
            own[:, columns],
            names,
            folds=FOLDS,
            seed=seed,
            groups=some,
            progress=progress,
            stage_name="labels",
        )
        tuned = [bool(path) for path in fit.path]
        probabilities[np.ix_(places, columns[tuned])] = expit(fit.held_out.astype(np.float64)[:, tuned])
        used = zip(names, fit.strengths.tolist(), tuned, strict=True)
        strengths = {label: strength for label, strength, known in used if known} | strengths
    suspects = find_wrong_values(np.where(np.isfinite(probabilities), targets, np.nan), probabilities, SURE)
    return LabelOpinions(probabilities, tuple(suspects), strengths)


def describe_values(
    opinions: LabelOpinions, photos: Sequence[Photo], targets: Targets, labels: Sequence[str]
) -> list[DoubtfulValue]:
    """Return a finding for each value that may be wrong, and for each unknown one that is probably 1, the surest
    first."""
    kinds: dict[ValueKind, list[tuple[int, int]]] = {"missing_label": [], "extra_label": []}
    for one in opinions.suspects:
        kinds["extra_label" if one.given else "missing_label"].append((one.index, one.label))
    kinds["unknown_label"] = find_probable_values(targets, opinions.probabilities, SURE)
    return [
        DoubtfulValue(
            photo=_shown(photos[index]),
            label=labels[label],
            probability=round(float(opinions.probabilities[index, label]), 4),
            rank=rank,
            kind=kind,
            severity="note" if kind == "unknown_label" else "warning",
        )
        for kind, cells in kinds.items()
        for rank, (index, label) in enumerate(cells, 1)
    ]


def find_alike_labels(
    opinions: LabelOpinions, photos: Sequence[Photo], targets: Targets, labels: Sequence[str]
) -> list[AlikeClasses]:
    """Return pairs of labels that are taken for one another, those with the largest share first.

    Looked at are the photos that have one of the two, and not the other: taken for the other are those that are said to
    have that, and not their own.
    """
    chance = np.nan_to_num(opinions.probabilities)
    said, known = chance >= _HALF, ~np.isnan(targets) & opinions.asked
    has, lacks = (targets == 1) & known, (targets == 0) & known
    missed, false = has & ~said, lacks & said
    swapped = missed.astype(np.float32).T @ false.astype(np.float32)
    names = [photo.group or "" for photo in photos]
    found = []
    for a, b in np.argwhere(np.triu(swapped + swapped.T, 1) >= FEWEST_ALIKE).tolist():
        of_a, of_b = has[:, a] & lacks[:, b], has[:, b] & lacks[:, a]
        as_b, as_a = missed[:, a] & false[:, b], missed[:, b] & false[:, a]
        chosen, taken = of_a | of_b, as_a | as_b
        share = float(taken.sum() / chosen.sum())
        if share < ALIKE:
            continue
        interval = share_interval(
            taken[chosen], Grouping.of([names[place] for place in np.flatnonzero(chosen).tolist()])
        )
        places = np.flatnonzero(taken)
        own = np.where(as_b, chance[:, a], chance[:, b])[places]
        examples = places[np.lexsort((places, own))][:_EXAMPLES].tolist()
        found.append(
            AlikeClasses(
                first=labels[a],
                second=labels[b],
                first_as_second=int(as_b.sum()),
                second_as_first=int(as_a.sum()),
                num_first=int(of_a.sum()),
                num_second=int(of_b.sum()),
                share=round(share, 4),
                interval=None if interval is None else (round(interval[0], 4), round(interval[1], 4)),
                examples=tuple(_shown(photos[one]) for one in examples),
                kind="alike_labels",
            )
        )
    return sorted(found, key=lambda one: (-one.share, one.first, one.second))


def answered_as_given(
    opinions: LabelOpinions, targets: Targets
) -> tuple[Int[np.ndarray, "m"], Bool[np.ndarray, "m"]]:
    """Return the places of photos of which every known label that can be asked for was, and whether all answers are as
    given."""
    labels = opinions.asked.any(axis=0)
    asked, known = opinions.asked[:, labels], ~np.isnan(targets[:, labels])
    places = np.flatnonzero((asked | ~known).all(axis=1) & (asked & known).any(axis=1))
    said = np.nan_to_num(opinions.probabilities[:, labels]) >= _HALF
    right = ~((said != (targets[:, labels] > _HALF)) & known).any(axis=1)
    return places, right[places]


def _shown(photo: Photo) -> Shown:
    return Shown(photo.name, photo.label, photo.split or "")
