"""The worst mistakes, and the photos whose label may be the mistake."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from budwood.core import text as words
from budwood.evaluation.label_issues import find_wrong_labels
from budwood.report.summary import Contents
from budwood.report.thumbnails import LARGE, Album
from budwood.runs.schema import PredictionRow

MISTAKES = 24
SUSPECTS = 24


@dataclass(frozen=True)
class WrongLabels:
    """The photos of validation and test whose label may be wrong."""

    suspects: list[PredictionRow]
    """The likeliest first."""
    num_photos: int
    """That were looked at."""


def suspect_labels(contents: Contents) -> WrongLabels:
    """By confident learning, from the photos that the network did not learn from."""
    places = {name: place for place, name in enumerate(contents.classes)}
    held_out = [one for one in contents.predictions if one.split in ("validation", "test")]
    found = find_wrong_labels(
        np.array([places[one.true] for one in held_out], dtype=np.int64),
        np.array([places[one.predicted] for one in held_out], dtype=np.int64),
        np.array([one.true_probability for one in held_out], dtype=np.float64),
        np.array([one.probability for one in held_out], dtype=np.float64),
    )
    return WrongLabels([held_out[one.index] for one in found], len(held_out))


def show_mistakes(contents: Contents, album: Album, wrong_labels: WrongLabels) -> dict[str, Any]:
    """The photos most confidently taken for something else, each with whether its label is suspected."""
    wrong = [
        one for one in contents.predictions if one.split == contents.judged and one.predicted != one.true
    ]
    wrong.sort(key=lambda one: (-one.probability, one.name))
    suspected = {one.name for one in wrong_labels.suspects}
    shown = wrong[:MISTAKES]
    for one in shown:
        album.want(one.name, LARGE)
    return {
        "split": contents.judged,
        "num_wrong": len(wrong),
        "photos": [(one, one.name in suspected) for one in shown],
        "num_suspected": sum(one.name in suspected for one in shown),
    }


def show_suspects(
    contents: Contents, album: Album, wrong_labels: WrongLabels, mistakes: dict[str, Any]
) -> dict[str, Any]:
    """The suspected labels that do not stand among the worst mistakes, and how many there are in all."""
    above = {one.name for one, _ in mistakes["photos"]}
    others = [one for one in wrong_labels.suspects if one.name not in above]
    for one in others[:SUSPECTS]:
        album.want(one.name, LARGE)
    return {
        "num_suspects": len(wrong_labels.suspects),
        "num_photos": wrong_labels.num_photos,
        "num_above": mistakes["num_suspected"],
        "num_others": len(others),
        "photos": others[:SUSPECTS],
        "splits": words.listing(["validation", "test"] if contents.has_test else ["validation"]),
    }
