"""Would more photos help? Accuracy by the number of training photos, and what twice as many would give."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float

from budwood.core.files import JsonObject
from budwood.core.text import percent, shown
from budwood.evaluation.statistics import mean_interval

RESAMPLES = 1_000
FEWEST = 3
"""Numbers of photos through which a curve can be laid."""


@dataclass(frozen=True)
class Point:
    """One number of training photos."""

    photos: int
    accuracy: float
    low: float
    high: float
    trials: int


@dataclass(frozen=True)
class Curve:
    """Accuracy in [0, 1] by the number of training photos, and its continuation."""

    name: str
    points: list[Point]
    next_photos: int | None
    """Twice the largest number."""
    expected: float | None
    """Accuracy there, where the curve could be laid."""
    low: float | None
    high: float | None
    words: str

    def to_json(self) -> JsonObject:
        return asdict(self)


def fit_curve(
    name: str,
    accuracies: Mapping[int, Sequence[float]],
    intervals: Mapping[int, tuple[float, float]] | None = None,
    *,
    seed: int = 0,
) -> Curve:
    """Return the error as a power of the number of photos (Hestness et al. 2017), laid through three numbers
    or more.

    The error is b * n^-c, least squares on logarithms, each number of photos counting alike. The interval is the
    percentile one of 1,000 resamples of the trials of each number: it knows of how they differ, and nothing of whether
    the power law goes on.

    Args:
        name: of the configuration.
        accuracies: by number of training photos, of each trial.
        intervals: of their means, where they are known better than by Student's t over independent trials.
        seed: decides the resamples.

    >>> fit_curve("head", {100: [0.8, 0.8], 200: [0.85, 0.85], 400: [0.8875, 0.8875]}).words
    'head: 88.8 % with 400 training photos; about 91.6 % with 800, if it goes on so (by the trials alone 91.6 to 91.6).'
    """
    points = []
    for number in sorted(accuracies):
        mean, low, high = mean_interval(list(accuracies[number]))
        low, high = (intervals or {}).get(number, (low, high))
        points.append(Point(number, mean, max(0.0, low), min(1.0, high), len(accuracies[number])))
    last = points[-1]
    reached = f"{shown(name)}: {percent(last.accuracy)} with {last.photos:,} training photos"
    if len(points) < FEWEST or last.accuracy >= 1:
        words = f"{reached}; {FEWEST} numbers of photos and some errors are needed to say more."
        return Curve(name, points, None, None, None, None, words.replace("\u00a0", " "))
    numbers, values = [point.photos for point in points], [np.asarray(accuracies[p.photos]) for p in points]
    (expected,) = _continue(
        numbers, np.array([[point.accuracy for point in points]]), 2 * last.photos
    ).tolist()
    rng = np.random.default_rng(seed)
    drawn = np.array(
        [[some[rng.integers(len(some), size=len(some))].mean() for some in values] for _ in range(RESAMPLES)]
    )
    ends = np.quantile(_continue(numbers, drawn, 2 * last.photos), [0.025, 0.975])
    low, high = (float(end) for end in ends)
    words = (
        f"{reached}; about {percent(expected)} with {2 * last.photos:,}, if it goes on so "
        f"(by the trials alone {100 * low:.1f} to {100 * high:.1f})."
    )
    return Curve(name, points, 2 * last.photos, expected, low, high, words.replace("\u00a0", " "))


def _continue(
    numbers: Sequence[int], accuracies: Float[np.ndarray, "rows n"], at: int
) -> Float[np.ndarray, "rows"]:
    errors = np.log(np.maximum(1 - accuracies, 1e-4))
    slopes, heights = np.polyfit(np.log(numbers), errors.T, 1)
    # More photos do no harm.
    return np.where(slopes < 0, 1 - np.exp(heights + slopes * np.log(at)), accuracies[:, -1])
