"""The worst mistakes, and the photos whose label may be the mistake."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from budwood.core import text as words
from budwood.evaluation.label_issues import find_wrong_labels
from budwood.report.summary import Contents
from budwood.report.thumbnails import LARGE, Thumbnails
from budwood.runs.schema import PredictionRow

MISTAKES = 24
SUSPECTS = 24


@dataclass(frozen=True)
class WrongLabels:
    """The photos of validation and test whose label may be wrong."""

    suspects: list[PredictionRow]
    """The likeliest first."""
    num_photos: int
    """Held-out photos, all of them."""


@dataclass(frozen=True)
class Mistakes:
    """The photos most confidently taken for something else."""

    split: str
    num_wrong: int
    photos: Sequence[tuple[PredictionRow, bool]]
    """Those that are shown, each with whether its label is suspected."""

    @property
    def num_suspected(self) -> int:
        return sum(suspected for _, suspected in self.photos)


@dataclass(frozen=True)
class Suspects:
    """The suspected labels that do not stand among the worst mistakes, and how many there are in all."""

    num_suspects: int
    num_photos: int
    num_above: int
    """Shown among the worst mistakes."""
    num_others: int
    photos: Sequence[PredictionRow]
    splits: str


def suspect_labels(contents: Contents) -> WrongLabels:
    """Return the likely wrong labels by confident learning, from the photos that the network did not learn from."""
    places = {name: place for place, name in enumerate(contents.classes)}
    held_out = [one for one in contents.predictions if one.split in ("validation", "test")]
    found = find_wrong_labels(
        np.array([places[one.true] for one in held_out], dtype=np.int64),
        np.array([places[one.predicted] for one in held_out], dtype=np.int64),
        np.array([one.true_probability for one in held_out], dtype=np.float64),
        np.array([one.probability for one in held_out], dtype=np.float64),
    )
    return WrongLabels([held_out[one.index] for one in found], len(held_out))


def show_mistakes(contents: Contents, thumbnails: Thumbnails, wrong_labels: WrongLabels) -> Mistakes:
    """Return the worst mistakes, the surest first."""
    wrong = [
        one
        for one in contents.predictions
        if one.split == contents.evaluated_split and one.predicted != one.true
    ]
    wrong.sort(key=lambda one: (-one.probability, one.name))
    suspected = {one.name for one in wrong_labels.suspects}
    shown = wrong[:MISTAKES]
    for one in shown:
        thumbnails.want(one.name, LARGE)
    return Mistakes(contents.evaluated_split, len(wrong), [(one, one.name in suspected) for one in shown])


def show_suspects(
    contents: Contents, thumbnails: Thumbnails, wrong_labels: WrongLabels, mistakes: Mistakes
) -> Suspects:
    """Return the likeliest wrong labels beside those of the worst mistakes."""
    above = {one.name for one, _ in mistakes.photos}
    others = [one for one in wrong_labels.suspects if one.name not in above]
    for one in others[:SUSPECTS]:
        thumbnails.want(one.name, LARGE)
    return Suspects(
        num_suspects=len(wrong_labels.suspects),
        num_photos=wrong_labels.num_photos,
        num_above=mistakes.num_suspected,
        num_others=len(others),
        photos=others[:SUSPECTS],
        splits=words.listing(["validation", "test"] if contents.has_test else ["validation"]),
    )
