"""Labels of held-out photos that may be the mistake, where a photo has several."""

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np

from budwood.core import text as words
from budwood.core.label_text import labels_in_words
from budwood.evaluation.label_issues import find_wrong_values
from budwood.report.label_sections import LabelMistakes
from budwood.report.summary import Contents
from budwood.report.thumbnails import LARGE, Thumbnails

SUSPECTS = 24
"""Labels in doubt that are shown."""
HELD_OUT = ("validation", "test")


@dataclass(frozen=True)
class LabelInDoubt:
    """A photo that is said to have a label and looks as if it had not, or the other way round."""

    photo: str
    split: str
    label: str
    given: bool
    """Whether the photo is said to have it."""
    probability: float
    true: str
    """The labels that the photo has, in words."""


@dataclass(frozen=True)
class LabelSuspects:
    """The labels in doubt that do not stand among the worst mistakes, and how many there are in all."""

    num_suspects: int
    num_values: int
    """Known labels of held-out photos, one by one."""
    num_photos: int
    num_above: int
    """Shown among the worst mistakes."""
    num_others: int
    shown: Sequence[LabelInDoubt]
    cells: Set[tuple[str, str]]
    """All of them, each by its photo and its label."""
    splits: str


def label_suspects(contents: Contents, thumbnails: Thumbnails, mistakes: LabelMistakes) -> LabelSuspects:
    """Return the labels of validation and test photos that may be wrong, by confident learning, the likeliest first."""
    held = contents.files.label_predictions
    rows = [place for place, split in enumerate(held.splits) if split in HELD_OUT]
    targets, shares = held.targets[rows], held.probabilities[rows]
    found = [
        LabelInDoubt(
            held.names[rows[one.index]],
            held.splits[rows[one.index]],
            held.labels[one.label],
            one.given,
            float(shares[one.index, one.label]),
            labels_in_words(held.true[rows[one.index]]),
        )
        for one in find_wrong_values(targets, shares)
    ]
    above = {(one.photo, one.label) for one in (*mistakes.misses, *mistakes.alarms)}
    others = [one for one in found if (one.photo, one.label) not in above]
    for one in others[:SUSPECTS]:
        thumbnails.want(one.photo, LARGE)
    return LabelSuspects(
        num_suspects=len(found),
        num_values=int((~np.isnan(targets)).sum()),
        num_photos=len(rows),
        num_above=len(found) - len(others),
        num_others=len(others),
        shown=others[:SUSPECTS],
        cells={(one.photo, one.label) for one in found},
        splits=words.listing(list(HELD_OUT if contents.has_test else HELD_OUT[:1])),
    )
