"""The charts of a study's page: what was measured of the configurations, as rows, points and axes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from budwood.core import text as words
from budwood.evaluation.verdict import LEVEL
from budwood.report.svg.axes import Axis
from budwood.report.svg.intervals import Row, interval_rows
from budwood.report.svg.scatter import Course, Mark, scatter
from budwood.studies.figure import ACCURACY, Figure
from budwood.studies.figures import ListedTrial, Summary
from budwood.studies.learning_curve import Curve
from budwood.studies.outcomes import Estimate, Pair
from budwood.studies.report.names import numbers, readable, short_names
from budwood.studies.results import Results

MOST = 20
"""Configurations in a chart of them: more are a wall, not a picture."""
FEW = 12
"""Configurations that can all have their number and interval in the chart of the figure against time; of more only the
best and those on its edge."""


@dataclass(frozen=True)
class NamedMark:
    """What a number in the chart of the figure against time stands for."""

    number: str
    name: str
    short: str
    figure: str
    seconds: str
    on_edge: bool
    """Nothing is both faster and better."""


@dataclass(frozen=True)
class TimeChart:
    """The figure against seconds of a trial."""

    chart: Markup
    legend: Sequence[NamedMark]
    unnamed: int
    all_named: bool


@dataclass(frozen=True)
class CurveChart:
    """The learning curve of one configuration, and what it says in words."""

    name: str
    words: str
    chart: Markup


def evaluation(one: Summary, results: Results) -> Estimate | None:
    """Return its figure where the study is evaluated: on test photos where every trial has them, else on
    validation."""
    return one.test if results.split == "test" else one.validation


def trial_figure(trial: ListedTrial, results: Results) -> float | None:
    return trial.test if results.split == "test" else trial.validation


def models(results: Results, most: int = MOST) -> Markup:
    """Return the best configurations one below the other, each with its interval and the figure of every
    trial."""
    rank, short = numbers(results), short_names(results)
    rows = []
    for one in results.summaries[:most]:
        found = evaluation(one, results)
        if found is None:
            continue
        dots = [
            figure
            for trial in results.trials
            if trial.configuration == one.name and (figure := trial_figure(trial, results)) is not None
        ]
        missing = one.planned - one.complete
        rows.append(
            Row(
                short[one.name],
                found.mean,
                found.low,
                found.high,
                interval_text(found),
                dots if len(dots) > 1 else (),
                rank[one.name],
                f"{one.complete} of {one.planned} trials" if missing else "",
                hollow=bool(missing),
            )
        )
    if not rows:
        return Markup("")
    held = [value for row in rows for value in (row.value, row.low, row.high, *row.dots) if value is not None]
    of_labels = results.figure != ACCURACY
    label = f"{results.figure.short}, {results.split}" if of_labels else f"on {results.split} photos"
    axis = Axis.of(label, held, words.whole_percent, within=(0.0, 1.0))
    return interval_rows(rows, axis, show=words.percent, each=results.replicate_kind)


def beginning(results: Results, most: int = MOST) -> str:
    """Return where the axis of `models` begins, in words."""
    found = [evaluation(one, results) for one in results.summaries[:most]]
    values = [value for one in found if one is not None for value in one.ends or (one.mean,)]
    names = {one.name for one in results.summaries[:most]}
    values += [
        figure
        for trial in results.trials
        if trial.configuration in names and (figure := trial_figure(trial, results)) is not None
    ]
    low = Axis.of("", values, words.whole_percent, within=(0.0, 1.0)).low
    if low <= 0:
        return "The axis begins at 0 %."
    return (
        f"The axis begins at {words.whole_percent(low)}, not at 0, so differences look larger than they are."
    )


def differences(results: Results, most: int = MOST) -> Markup:
    """Draw of the best configurations how much the best one of all is ahead of each, with intervals."""
    rank, short, best = numbers(results), short_names(results), results.best
    rows = []
    for pair in results.pairs:
        if best not in (pair.a, pair.b):
            continue
        other, difference, low, high = _seen_from(best, pair)
        rows.append(
            Row(
                short[other],
                difference,
                low,
                high,
                f"{points(difference)} ({points(low)} to {points(high)})",
                number=rank[other],
                note=_short_verdict(pair, best),
                hollow=not is_significant(pair),
            )
        )
    if not rows:
        return Markup("")
    rows = sorted(rows, key=lambda row: int(row.number))[:most]
    held = [0.0, *(value for row in rows for value in (row.low, row.high) if value is not None)]
    axis = Axis.of("points ahead", held, _whole_points, within=(-1.0, 1.0))
    return interval_rows(rows, axis, show=points, zero=0.0)


def ordered_pairs(results: Results) -> list[Pair]:
    """Those with the best first, then the surest."""
    best = results.best
    return sorted(results.pairs, key=lambda pair: (best not in (pair.a, pair.b), pair.p_adjusted))


def is_significant(pair: Pair) -> bool:
    """Return whether one of the two is called better, by the same rule as its words."""
    return not pair.low <= 0 <= pair.high and pair.p_adjusted < LEVEL


def figure_by_time(results: Results) -> TimeChart | None:
    """Return the figure against seconds of a trial; None where fewer than two configurations can be drawn."""
    some = [one for one in results.summaries if evaluation(one, results) and one.seconds is not None]
    if results.search is not None:
        # One that was pruned was measured on the first splits alone.
        some = [one for one in some if one.complete == one.planned]
    if len(some) < 2:
        return None
    rank = numbers(results)
    edge, best = [], -math.inf
    for one in sorted(some, key=lambda one: (one.seconds, -_mean(one, results))):
        if _mean(one, results) > best:
            edge.append(one)
            best = _mean(one, results)
    x_axis = Axis.of_seconds("time of a trial", [one.seconds or 0.0 for one in some], _clock)
    few = len(some) <= FEW
    named = some if few else _apart(edge, x_axis)
    named = [one for one in some if one in named or one.name == results.best]
    marks = []
    # Those on the edge last, so that they lie above the others.
    for one in sorted(some, key=lambda one: one in edge):
        found = evaluation(one, results)
        assert found is not None and one.seconds is not None
        low, high = (found.low, found.high) if one in named else (None, None)
        marks.append(
            Mark(
                one.seconds,
                found.mean,
                f"{readable(one.name)}: {words.percent(found.mean)}, {words.duration(one.seconds)} a trial",
                low,
                high,
                label=rank[one.name] if one in named else "",
                style="full" if one in edge else "hollow" if few else "faint",
            )
        )
    held = [value for mark in marks for value in (mark.y, mark.low, mark.high) if value is not None]
    chart = scatter(
        marks,
        x_axis,
        Axis.of("", held, words.whole_percent, within=(0.0, 1.0)),
        alt=f"{results.figure.title} on {results.split} photos against the time of a trial, for {len(some)} "
        f"configurations. Nothing is both faster and {results.figure.more} than "
        + words.listing([f"{rank[one.name]}, {readable(one.name)}" for one in edge[:FEW]])
        + ".",
        courses=[Course([(one.seconds or 0.0, _mean(one, results)) for one in edge], "dotted")],
        size=(440, 330),
    )
    short = short_names(results)
    legend = [
        NamedMark(
            rank[one.name],
            one.name,
            short[one.name],
            words.percent(_mean(one, results)),
            words.duration(one.seconds or 0),
            one in edge,
        )
        for one in named
    ]
    return TimeChart(chart, legend, unnamed=len(some) - len(named), all_named=few)


def _apart(edge: Sequence[Summary], x_axis: Axis) -> list[Summary]:
    """Return of those on the edge, from the best one down, the ones that stand far enough from one another."""
    found: list[Summary] = []
    for one in reversed(edge):
        at = x_axis.place(one.seconds or 0.0)
        if not found or x_axis.place(found[-1].seconds or 0.0) - at > 1 / FEW:
            found.append(one)
    return found


def learning_curves(results: Results, most: int = 12) -> list[CurveChart]:
    """Return a chart for every configuration that was tried with several numbers of photos, all with the same axes."""
    curves = results.curves[:most]
    dots = [_dots(curve, results) for curve in curves]
    held = [value for some in dots for _, value in some]
    held += [v for curve in curves for p in curve.points for v in (p.value, p.low, p.high) if v is not None]
    held += [v for curve in curves for v in (curve.expected, curve.low, curve.high) if v is not None]
    photos = sorted({point.photos for curve in curves for point in curve.points})
    photos += sorted({curve.next_photos for curve in curves if curve.next_photos is not None})
    if not curves:
        return []
    low, high = min(photos) / 1.2, max(photos) * 1.2
    ticks: list[tuple[float, str]] = []
    for number in sorted(set(photos)):
        # A seventh of the width is room for a number of four digits.
        if not ticks or math.log(number / ticks[-1][0]) > math.log(high / low) / 9:
            ticks.append((float(number), f"{number:,}"))
    x_axis = Axis("training photos", low, high, tuple(ticks), log=True)
    y_axis = Axis.of("", held, words.whole_percent, within=(0.0, 1.0))
    return [
        CurveChart(
            curve.name,
            curve.words,
            _learning_curve(curve, some, (x_axis, y_axis), results.split, results.figure),
        )
        for curve, some in zip(curves, dots, strict=True)
    ]


def _learning_curve(
    curve: Curve, dots: Sequence[tuple[int, float]], axes: tuple[Axis, Axis], split: str, figure: Figure
) -> Markup:
    marks = [Mark(float(photos), value, words.percent(value), style="one") for photos, value in dots]
    for point in curve.points:
        title = f"{words.percent(point.value)} with {words.count(point.photos, 'training photo')}"
        known = point.low is not None and math.isfinite(point.low)
        reach = (point.low, point.high) if known else (None, None)
        marks.append(Mark(float(point.photos), point.value, title, *reach))
    last = curve.points[-1]
    courses = [Course([(float(point.photos), point.value) for point in curve.points])]
    if curve.next_photos is not None and curve.expected is not None:
        title = f"about {words.percent(curve.expected)} expected with {curve.next_photos:,}"
        marks.append(
            Mark(float(curve.next_photos), curve.expected, title, curve.low, curve.high, style="hollow")
        )
        courses.append(
            Course([(float(last.photos), last.value), (float(curve.next_photos), curve.expected)], "second")
        )
    steps = "; ".join(f"{words.percent(point.value)} with {point.photos:,}" for point in curve.points)
    return scatter(
        marks,
        *axes,
        alt=f"{figure.title} on {split} photos by the number of training photos, {readable(curve.name)}: {steps}.",
        courses=courses,
    )


def _dots(curve: Curve, results: Results) -> list[tuple[int, float]]:
    ours = {name for name, one in results.configurations.items() if one.base == curve.name}
    return [
        (trial.train_photos, figure)
        for trial in results.trials
        if trial.configuration in ours
        and trial.train_photos is not None
        and (figure := trial_figure(trial, results)) is not None
    ]


def interval_text(found: Estimate) -> str:
    """Return a figure and its interval, in figures.

    >>> interval_text(Estimate(0.96, 0.01, 0.94, 0.98, 100)).replace("\\u00a0", " ")
    '96.0 % (94.0 to 98.0)'
    """
    if found.ends is None:
        return f"{words.percent(found.mean)} (no interval)"
    low, high = found.ends
    return f"{words.percent(found.mean)} ({100 * low:.1f} to {100 * high:.1f})"


def _mean(one: Summary, results: Results) -> float:
    found = evaluation(one, results)
    return -math.inf if found is None else found.mean


def _seen_from(best: str | None, pair: Pair) -> tuple[str, float, float, float]:
    """Return the other one, and how much the best is ahead of it."""
    if pair.a == best:
        return pair.b, pair.difference, pair.low, pair.high
    return pair.a, -pair.difference, -pair.high, -pair.low


def _short_verdict(pair: Pair, best: str | None) -> str:
    if not is_significant(pair):
        return "cannot tell"
    _, difference, _, _ = _seen_from(best, pair)
    return "the best is better" if difference > 0 else "this one is better"


def points(share: float) -> str:
    """Return a difference in points, with its sign.

    >>> points(0.028), points(-0.0141), points(0.0)
    ('+2.8', '−1.4', '0.0')
    """
    rounded = round(100 * share, 1)
    return f"{'+' if rounded > 0 else '−' if rounded < 0 else ''}{abs(rounded):.1f}"


def _whole_points(share: float) -> str:
    text = points(share)
    return text.removesuffix(".0")


def _clock(seconds: float) -> str:
    """Return a duration at an axis.

    >>> _clock(0.0), _clock(0.5), _clock(20.0), _clock(90.0), _clock(7200.0)
    ('0', '0.5 s', '20 s', '1.5 min', '2 h')
    """
    if seconds < 60:
        return f"{seconds:g} s" if seconds else "0"
    return f"{seconds / 60:g} min" if seconds < 3600 else f"{seconds / 3600:g} h"
