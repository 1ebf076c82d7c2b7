"""Would more photos help? A figure by the number of training photos, and what more of them would give."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from budwood.core.files import JsonObject
from budwood.core.text import count, percent, shown
from budwood.evaluation.groups import MIN_GROUPS
from budwood.evaluation.statistics import mean_interval
from budwood.studies.figure import ACCURACY, Figure
from budwood.studies.forecast import FEWEST, Forecast, Needed, forecast


@dataclass(frozen=True)
class Point:
    """One number of training photos."""

    photos: int
    value: float
    low: float | None
    """End of the 95 % interval, like `high`; None where none can be stated."""
    high: float | None
    trials: int


@dataclass(frozen=True)
class Curve:
    """A figure in [0, 1] by the number of training photos, and its continuation."""

    name: str
    points: list[Point]
    next_photos: int | None
    """Twice the largest number."""
    expected: float | None
    """The figure there, where the curve could be laid."""
    low: float | None
    """End of its 95 % interval, like `high`."""
    high: float | None
    forecast: Forecast | None
    """What more photos would give; None where that cannot be told."""
    words: str
    figure: str = ACCURACY.key
    """By its key, by which its values stand in files."""
    few_groups: int | None = None
    """How many groups the measured photos are where these are too few for an interval: then every `low` and `high` is
    the end of a range for which no confidence level holds."""

    def to_json(self) -> JsonObject:
        """Return the curve as results.json has it."""
        return _named(asdict(self), self.figure)


def _named(found: Any, key: str) -> Any:
    """Return the same with the name of the figure in place of "value"."""
    if isinstance(found, dict):
        return {key if name == "value" else name: _named(one, key) for name, one in found.items()}
    return [_named(one, key) for one in found] if isinstance(found, list) else found


def fit_curve(
    name: str,
    values: Mapping[int, Sequence[float]],
    intervals: Mapping[int, tuple[float, float] | None] | None = None,
    *,
    figure: Figure = ACCURACY,
    target: float | None = None,
    measured: int | float | None = None,
    spread: float | None = None,
    few_groups: int | None = None,
    seed: int = 0,
) -> Curve:
    """Return a figure by the number of photos and its continuation, `budwood.studies.forecast`.

    Args:
        name: of the configuration.
        values: by number of training photos, of each trial.
        intervals: of their means, where they are known better than by Student's t over independent trials; None where
            none can be stated.
        figure: what the values are of.
        target: the value whose photos are asked for; by default the next round one.
        measured, spread: as in `forecast`. Without either, nothing is forecast of another figure than accuracy: its
            interval would leave out how few photos it was measured on.
        few_groups: how many groups the measured photos are, where these are too few for an interval.
        seed: decides the resamples.

    >>> fit_curve("head", {100: [0.8, 0.8], 200: [0.85, 0.85], 400: [0.8875, 0.8875]}).words
    'head: 88.8 % with 400 training photos; about 91.6 % with 800 (95 % interval 88.8 to 93.7). 90 % would take about \
530 photos (95 % interval 460 to beyond 1,600).'
    """
    points = []
    for number in sorted(values):
        mean, *own = mean_interval(list(values[number]))
        ends = (intervals or {}).get(number, (own[0], own[1]))
        low = None if ends is None else max(0.0, ends[0])
        high = None if ends is None else min(1.0, ends[1])
        points.append(Point(number, mean, low, high, len(values[number])))
    last = points[-1]
    of = "" if figure == ACCURACY else f"{figure.name} "
    reached = f"{shown(name)}: {of}{percent(last.value)} with {last.photos:,} training photos"
    unknown = figure != ACCURACY and measured is None and spread is None
    found = None if unknown else forecast(values, target=target, measured=measured, spread=spread, seed=seed)
    if found is None:
        words = f"{reached}; to say more takes " + (
            f"an interval of the {figure.name}, and none can be stated of these photos."
            if unknown
            else f"{FEWEST} numbers of photos, the largest at least twice the smallest, and some errors."
        )
        return Curve(name, points, None, None, None, None, None, _plain(words), figure.key, few_groups)
    kind = "95 % interval" if few_groups is None else "range"
    ahead, needed = found.expected[0], _needed(found.needed, found.reach, kind)
    if target is not None and found.needed is None:
        needed = f"{of[:1].upper()}{of[1:]}{100 * target:g} % is reached already. "
    words = (
        f"{reached}; about {percent(ahead.value)} with {ahead.photos:,} ({kind} {100 * ahead.low:.1f} to "
        f"{100 * ahead.high:.1f}). {needed}{_hindcast(found)}"
    )
    if few_groups is not None:
        words = (
            f"{words.strip()} The photos it is measured on belong together in {count(few_groups, 'group')}, and "
            f"{MIN_GROUPS} or more are needed for an interval: the ranges are none, but as if each group were one "
            "photo."
        )
    twice = (ahead.photos, ahead.value, ahead.low, ahead.high)
    return Curve(name, points, *twice, found, _plain(words), figure.key, few_groups)


def _plain(words: str) -> str:
    return words.replace("\u00a0", " ").strip()


def _needed(needed: Needed | None, reach: int, kind: str) -> str:
    """Return how many photos a value would take, and nothing beyond what the curve carries."""
    if needed is None:
        return ""
    what, beyond = f"{100 * needed.value:g} %", f"beyond {reach:,}"
    if needed.low is None:
        return f"{what} would take more than {reach:,} photos, and how many more cannot be told. "
    interval = f"{kind} {needed.low:,} to {beyond if needed.high is None else f'{needed.high:,}'}"
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
