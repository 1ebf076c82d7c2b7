"""The charts of a search: its course, what the loss depended on, and the loss by each value."""

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from budwood.core import text as words
from budwood.report.svg.axes import Axis
from budwood.report.svg.intervals import share_rows
from budwood.report.svg.scatter import Course, Mark, scatter
from budwood.studies.figures import SearchResults
from budwood.studies.report.names import readable
from budwood.studies.search import Tried

_CATEGORIES = 8
"""Values of a dimension that have a place each."""


def course(search: SearchResults) -> Markup:
    """Return the validation loss of every configuration in the order of the search, and the best so far."""
    marks, best, points, lowest = [], 0.0, [], math.inf
    tried = [one for one in search.configurations if one.losses]
    complete = [one for one in tried if one.state == "complete"]
    if not complete:
        return Markup("")
    winner = min(complete, key=lambda one: (one.loss, one.name))
    for one in tried:
        loss, at = one.loss, float(one.number + 1)
        title = f"{at:.0f}: {readable(one.name)}: {loss:.3f}, {one.state}"
        style = "full" if one.state == "complete" else "cross"
        marks.append(Mark(at, loss, title, label=f"{loss:.3f}" if one is winner else "", style=style))
        if one.state == "complete" and loss < lowest:
            points += [(at, lowest if math.isfinite(lowest) else loss), (at, loss)]
            lowest, best = loss, at
    points.append((float(search.configurations[-1].number + 1), lowest))
    most = max(2, search.configurations[-1].number + 1)
    return scatter(
        marks,
        _places(most),
        _losses([mark.y for mark in marks]),
        alt=f"Validation loss of {len(tried)} configurations in the order in which they were tried. The lowest of a "
        f"complete one, {lowest:.3f}, is that of number {best:.0f}.",
        courses=[Course(points, "first")],
        size=(440, 300),
    )


def importance(search: SearchResults) -> Markup:
    """Draw for each dimension its share of the variance of the loss."""
    shares = search.importance
    return (
        share_rows([(name, share, words.percent(share, 0)) for name, share in shares.items()])
        if shares
        else Markup("")
    )


def slices(search: SearchResults, most: int = 8) -> list[tuple[str, Markup]]:
    """Draw the loss by the value of each dimension: over all configurations tried, whatever else they had."""
    tried = [one for one in search.configurations if one.losses]
    names = list(dict.fromkeys(name for one in tried for name in one.point))
    shares = search.importance
    names.sort(key=lambda name: -shares.get(name, 0.0))
    charts = []
    for name in names[:most]:
        values = [one.point.get(name) for one in tried]
        if len(set(map(str, values))) > 1:
            charts.append((name, _slice(name, tried, values)))
    return charts


def _slice(name: str, tried: Sequence[Tried], values: Sequence[Any]) -> Markup:
    kinds = sorted(set(map(str, values)))
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if numeric and len(kinds) > _CATEGORIES:
        places = [float(value) for value in values]
        wide = min(places) > 0 and max(places) / min(places) > 20
        x_axis = (Axis.of_logarithms if wide else Axis.of)("", places, "{:.3g}".format)
    else:
        kinds = sorted(kinds, key=float) if numeric else kinds
        room = max(5, 52 // len(kinds))
        ticks = [(float(at), words.shorten(words.shown(kind), room)) for at, kind in enumerate(kinds)]
        # Of very many names some.
        every = 1 + len(kinds) // (_CATEGORIES + 1)
        x_axis = Axis("", -0.5, len(kinds) - 0.5, tuple(ticks[::every]))
        places = [float(kinds.index(str(value))) for value in values]
    losses = [one.loss for one in tried]
    marks = [
        Mark(
            place,
            loss,
            f"{readable(str(value))}: {loss:.3f}, {one.state}",
            style="full" if one.state == "complete" else "cross",
        )
        for place, loss, value, one in zip(places, losses, values, tried, strict=True)
    ]
    best = min(range(len(losses)), key=losses.__getitem__)
    alt = f"Validation loss by {readable(name)}: the lowest, {losses[best]:.3f}, with {readable(str(values[best]))}."
    return scatter(marks, x_axis, _losses(losses), alt=alt, size=(440, 240))


def _places(most: int) -> Axis:
    """Return numbers from 1 on, whole ones alone."""
    step = max(1, math.ceil(most / 8))
    marks = sorted({1, *range(step, most + 1, step)} if step > 1 else range(1, most + 1))
    return Axis(
        "configuration, in the order in which they were tried",
        0.5,
        most + 0.5,
        tuple((float(m), str(m)) for m in marks),
    )


def _losses(values: Sequence[float]) -> Axis:
    """Cut the axis of losses, so that a loss of a thousand does not make all others look alike."""
    if min(values) > 0 and max(values) / min(values) > 8:
        return Axis.of_logarithms("", values, "{:.3g}".format)
    return Axis.of("", values, within=(0.0, math.inf))
