"""The photos that were measured on beside the training photos that show nearly the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from budwood.report.summary import Contents
from budwood.report.thumbnails import LARGE, Thumbnails
from budwood.runs.figures import TwinPair, WithoutTwins

PAIRS = 12


@dataclass(frozen=True)
class NearTwins:
    """Pairs of near twins, and what the accuracy is without them."""

    split: str
    found: WithoutTwins
    figure: str
    """What is compared: "accuracy", or of several labels "exact match"."""
    accuracy: float
    """With them."""
    pairs: Sequence[TwinPair]
    """Those that are shown: of both kinds, if there are both."""


def show_twins(contents: Contents, thumbnails: Thumbnails) -> NearTwins | None:
    """Return the near twins of the split that the report is about; None where there are none, or none is named."""
    found = contents.figures.without_twins
    if found is None or not found.pairs:
        return None
    by_features = [pair for pair in found.pairs if pair.by == "features"]
    by_hash = [pair for pair in found.pairs if pair.by == "hash"]
    of_hash = min(len(by_hash), max(PAIRS // 2, PAIRS - len(by_features)))
    pairs = [*by_features[: PAIRS - of_hash], *by_hash[:of_hash]]
    for pair in pairs:
        thumbnails.want(pair.photo, LARGE)
        thumbnails.want(pair.known, LARGE)
    figure = "exact match" if contents.multi_label else "accuracy"
    return NearTwins(contents.evaluated_split, found, figure, contents.figures.share_right, pairs)
