"""What more training photos would give: a learning curve continued, with how far off such forecasts were.

The error is a + b * n^-c, a power of the number of photos above an asymptote (Hestness et al. 2017), least squares on
logarithms. Without it too much is promised: in hindcasts on three data sets forecasts were off by 0.8, 1.1 and
1.1 points in the median at 2, 4 and 8 times the photos, towards too accurate; with it by 0.2, 0.5 and 0.7, to both
sides (`python -m benchmarks.forecasts`).

The interval has three parts: how trials differ (their bootstrap), how few photos were measured on, and that real curves
leave the fitted form: in hindcasts the logarithm of the error was off by a standard deviation of 0.1 for each doubling,
and 0.15 is taken. Nothing is said beyond 8 times the photos, nor further than the sizes that were tried are apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

FEWEST = 3
"""Numbers of photos through which a curve can be laid."""
REACH = 8.0
"""So many times the photos a forecast goes at most."""
LEAVES = 0.15
"""Standard deviation by which the logarithm of the error leaves the fitted form, for each doubling."""
TARGETS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
DRAWS = 1_000
_SMALLEST = 1e-4
_ASYMPTOTES = np.linspace(0.0, 0.98, 50)
_TIMES = (2, 4, 8)
_STEPS = 200


@dataclass(frozen=True)
class Expected:
    """The figure with more photos."""

    photos: int
    value: float
    low: float
    """End of the 95 % interval, like `high`."""
    high: float


@dataclass(frozen=True)
class Needed:
    """How many photos a figure of such a value would take; None where that lies beyond the reach."""

    value: float
    photos: int | None
    low: int | None
    high: int | None


@dataclass(frozen=True)
class Hindcast:
    """How far off the forecaster was on the smaller sizes, forecasting the larger ones."""

    times: int
    """The larger size is about so many times the largest that was fitted."""
    forecasts: int
    off: float
    """Median of the absolute differences, in the figure."""
    bias: float
    """Median of the differences: above 0, too much was promised."""


@dataclass(frozen=True)
class Forecast:
    """What more photos would give."""

    reach: int
    """Photos up to which anything is said."""
    expected: list[Expected]
    """At 2, 4 and 8 times the photos, within the reach."""
    needed: Needed | None
    """Of the value asked for, by default the next round one; None where it is reached already."""
    hindcasts: list[Hindcast]
    """Empty where there are no more sizes than have to be fitted."""

    def hindcast_at(self, times: float) -> Hindcast | None:
        """Return the hindcast whose distance is nearest to so many times the photos; None without any."""
        return min(self.hindcasts, key=lambda one: abs(np.log(one.times / times)), default=None)


def forecast(
    values: Mapping[int, Sequence[float]],
    *,
    target: float | None = None,
    measured: int | float | None = None,
    spread: float | None = None,
    seed: int = 0,
) -> Forecast | None:
    """Return what more photos would give; None for fewer than three sizes, no error left, or sizes that are near.

    Args:
        values: by number of training photos, of each trial its accuracy, or another figure of which 1 is the best.
        target: the value whose photos are asked for.
        measured: of a share of photos, different photos that the trials were measured on, of photos that belong
            together as many independent ones as say as much; by default the interval leaves that out.
        spread: of another figure, its standard error by the photos that the trials with most training photos were
            measured on.
        seed: decides the draws.

    >>> found = forecast({n: [1 - n**-0.5] * 3 for n in (25, 50, 100, 200)}, target=0.95)
    >>> found.needed.photos, found.reach, round(found.expected[0].value, 3)
    (400, 1600, 0.95)
    """
    numbers = sorted(values)
    means = np.array([1 - np.mean(values[number]) for number in numbers])
    last = numbers[-1]
    reach = int(last * min(REACH, last / numbers[0]))
    if len(numbers) < FEWEST or means[-1] <= 0 or reach < 2 * last:
        return None
    rng = np.random.default_rng(seed)
    drawn = np.stack([_resampled(1 - np.asarray(values[number], float), rng) for number in numbers], axis=1)
    grid = last * np.geomspace(1, reach / last, _STEPS)
    middle = _never_rising(_continue(numbers, means[None], grid))[0]
    paths = _continue(numbers, drawn, grid)
    leaves = rng.normal(0, LEAVES, DRAWS)[:, None] * np.log2(grid / last)
    if measured:
        error = max(float(means[-1]), 1 / measured)
        leaves = leaves + rng.normal(0, np.sqrt((1 - error) / (error * measured)), DRAWS)[:, None]
    elif spread:
        leaves = leaves + rng.normal(0, spread / float(means[-1]), DRAWS)[:, None]
    paths = _never_rising(paths * np.exp(leaves))
    times = [one for one in _TIMES if one * last <= reach * (1 + 1e-9)]
    return Forecast(
        reach,
        [_expected(one * last, grid, middle, paths) for one in times],
        _needed(1 - float(means[-1]), target, grid, middle, paths),
        hindcasts(numbers, means),
    )


def hindcasts(numbers: Sequence[int], errors: Float[np.ndarray, "n"]) -> list[Hindcast]:
    """Return how far off forecasts from the smaller sizes are on the larger ones, by how far apart these are."""
    found: dict[int, list[float]] = {}
    for fitted in range(FEWEST, len(numbers)):
        ahead = [
            place for place in range(fitted, len(numbers)) if numbers[place] >= 1.4 * numbers[fitted - 1]
        ]
        at = np.array([float(numbers[place]) for place in ahead])
        told = _never_rising(_continue(numbers[:fitted], errors[None, :fitted], at))[0] if ahead else []
        for place, error in zip(ahead, told, strict=True):
            times = 2 ** round(np.log2(numbers[place] / numbers[fitted - 1]))
            found.setdefault(max(times, 2), []).append(float(errors[place] - error))
    return [
        Hindcast(times, len(some), float(np.median(np.abs(some))), float(np.median(some)))
        for times, some in sorted(found.items())
        if times <= REACH
    ]


def _resampled(errors: Float[np.ndarray, "n"], rng: np.random.Generator) -> Float[np.ndarray, "rows"]:
    return errors[rng.integers(len(errors), size=(DRAWS, len(errors)))].mean(axis=1)


def _continue(
    numbers: Sequence[int], errors: Float[np.ndarray, "rows n"], at: Float[np.ndarray, "m"]
) -> Float[np.ndarray, "rows m"]:
    """Return the errors at other numbers of photos by the curve through each row; of one that does not fall, its last
    error."""
    errors = np.maximum(errors, _SMALLEST)
    x = np.log(np.array(numbers, float))
    asymptotes = _ASYMPTOTES * errors.min(axis=1, keepdims=True)  # (rows, asymptotes)
    y = np.log(errors[:, None, :] - asymptotes[:, :, None])
    centred = x - x.mean()
    slopes = (y * centred).sum(axis=2) / (centred**2).sum()
    heights = y.mean(axis=2) - slopes * x.mean()
    laid = asymptotes[:, :, None] + np.exp(heights[:, :, None] + slopes[:, :, None] * x)
    misfit = ((np.log(laid) - np.log(errors)[:, None, :]) ** 2).sum(axis=2)
    # Of asymptotes that fit alike the lowest.
    best = np.where(slopes < 0, misfit + 1e-12 * np.arange(len(_ASYMPTOTES)), np.inf).argmin(axis=1)
    rows = np.arange(len(errors))
    asymptote, height, slope = asymptotes[rows, best], heights[rows, best], slopes[rows, best]
    told = asymptote[:, None] + np.exp(height[:, None] + slope[:, None] * np.log(at))
    return np.where((slopes < 0).any(axis=1)[:, None], told, errors[:, -1:])


def _never_rising(errors: Float[np.ndarray, "rows m"]) -> Float[np.ndarray, "rows m"]:
    """Return errors along numbers of photos that more photos never raise."""
    return np.minimum(np.minimum.accumulate(errors, axis=1), 1.0)


def _expected(
    photos: int,
    grid: Float[np.ndarray, "m"],
    middle: Float[np.ndarray, "m"],
    paths: Float[np.ndarray, "rows m"],
) -> Expected:
    place = int(np.abs(np.log(grid / photos)).argmin())
    high, low = np.quantile(paths[:, place], [0.025, 0.975])
    value = float(middle[place])
    return Expected(photos, 1 - value, 1 - max(float(low), value), 1 - min(float(high), value))


def _needed(
    reached: float,
    target: float | None,
    grid: Float[np.ndarray, "m"],
    middle: Float[np.ndarray, "m"],
    paths: Float[np.ndarray, "rows m"],
) -> Needed | None:
    if target is None:
        target = next((one for one in TARGETS if one > reached), None)
    if target is None or target <= reached:
        return None

    def first(errors: Float[np.ndarray, "m"]) -> float:
        there = np.flatnonzero(errors <= 1 - target + 1e-9)
        return float(grid[there[0]]) if len(there) else np.inf

    photos = first(middle)
    low, high = np.quantile([first(path) for path in paths], [0.025, 0.975], method="nearest")
    ends = (photos, min(low, photos), max(high, photos))
    return Needed(target, *(_rounded(end) if np.isfinite(end) else None for end in ends))


def _rounded(number: float) -> int:
    """Return a number of photos in two digits: no more of it is known.

    >>> _rounded(8963.2), _rounded(41.7)
    (9000, 42)
    """
    return int(float(f"{number:.2g}"))
