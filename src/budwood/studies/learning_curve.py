"""Would more photos help? Accuracy by the number of training photos, and what more of them would give."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from budwood.core.files import JsonObject
from budwood.core.text import count, percent, shown
from budwood.evaluation.statistics import mean_interval
from budwood.studies.forecast import FEWEST, Forecast, Needed, forecast


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
    """End of its 95 % interval, like `high`."""
    high: float | None
    forecast: Forecast | None
    """What more photos would give; None where that cannot be told."""
    words: str

    def to_json(self) -> JsonObject:
        return asdict(self)


def fit_curve(
    name: str,
    accuracies: Mapping[int, Sequence[float]],
    intervals: Mapping[int, tuple[float, float]] | None = None,
    *,
    target: float | None = None,
    measured: int | None = None,
    seed: int = 0,
) -> Curve:
    """Return the accuracy by the number of photos and its continuation, `budwood.studies.forecast`.

    Args:
        name: of the configuration.
        accuracies: by number of training photos, of each trial.
        intervals: of their means, where they are known better than by Student's t over independent trials.
        target: the accuracy whose photos are asked for; by default the next round one.
        measured: different photos that the trials were measured on.
        seed: decides the resamples.

    >>> fit_curve("head", {100: [0.8, 0.8], 200: [0.85, 0.85], 400: [0.8875, 0.8875]}).words
    'head: 88.8 % with 400 training photos; about 91.6 % with 800 (95 % interval 88.8 to 93.7). 90 % would take about \
530 photos (95 % interval 460 to beyond 1,600).'
    """
    points = []
    for number in sorted(accuracies):
        mean, low, high = mean_interval(list(accuracies[number]))
        low, high = (intervals or {}).get(number, (low, high))
        points.append(Point(number, mean, max(0.0, low), min(1.0, high), len(accuracies[number])))
    last = points[-1]
    reached = f"{shown(name)}: {percent(last.accuracy)} with {last.photos:,} training photos"
    found = forecast(accuracies, target=target, measured=measured, seed=seed)
    if found is None:
        words = (
            f"{reached}; to say more takes {FEWEST} numbers of photos, the largest at least twice the smallest, and "
            "some errors."
        )
        return Curve(name, points, None, None, None, None, None, words.replace("\u00a0", " "))
    ahead, needed = found.expected[0], _needed(found.needed, found.reach)
    if target is not None and found.needed is None:
        needed = f"{100 * target:g} % is reached already. "
    words = (
        f"{reached}; about {percent(ahead.accuracy)} with {ahead.photos:,} (95 % interval {100 * ahead.low:.1f} to "
        f"{100 * ahead.high:.1f}). {needed}{_hindcast(found)}"
    )
    return Curve(name, points, ahead.photos, ahead.accuracy, ahead.low, ahead.high, found, _plain(words))


def _plain(words: str) -> str:
    return words.replace("\u00a0", " ").strip()


def _needed(needed: Needed | None, reach: int) -> str:
    """Return how many photos an accuracy would take, and nothing beyond what the curve carries."""
    if needed is None:
        return ""
    what, beyond = f"{100 * needed.accuracy:g} %", f"beyond {reach:,}"
    if needed.low is None:
        return f"{what} would take more than {reach:,} photos, and how many more cannot be told. "
    interval = f"95 % interval {needed.low:,} to {beyond if needed.high is None else f'{needed.high:,}'}"
    if needed.photos is None:
        return f"{what} would take more than {reach:,} photos, if they do it at all ({interval}). "
    return f"{what} would take about {needed.photos:,} photos ({interval}). "


def _hindcast(found: Forecast) -> str:
    """Return how far off the forecaster was on the sizes at hand, at the distance nearest to what is asked."""
    if not found.hindcasts:
        return ""
    last = found.expected[0].photos / 2
    times = found.needed.photos / last if found.needed and found.needed.photos else found.reach / last
    known = found.hindcast_at(max(times, 2.0))
    assert known is not None
    return (
        f"At {known.times} times the photos this forecaster was off by {100 * known.off:.1f} points in the median here "
        f"({count(known.forecasts, 'forecast')})."
    )
