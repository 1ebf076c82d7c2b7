"""Points in a plane, with intervals and lines between them, as inline SVG that takes its colours from the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from budwood.report.svg.axes import Axis

LEFT, TOP, BOTTOM, RIGHT = 58, 16, 46, 16
_PLACES = ((12, -6), (12, 14), (-12, -6), (-12, 14), (0, -13), (0, 22), (14, 4), (-14, 4))
"""Where a label may stand beside its point, in pixels, the best first."""


@dataclass(frozen=True)
class Mark:
    """One point."""

    x: float
    y: float
    title: str
    """What it is, in words."""
    low: float | None = None
    high: float | None = None
    """Ends of the interval of y; without, none is drawn."""
    label: str = ""
    style: str = "full"
    """"full" a disc, "hollow" a ring, "faint" a small one of very many, "cross", "one" a dot of a single figure."""


@dataclass(frozen=True)
class Course:
    """A line through points."""

    points: Sequence[tuple[float, float]]
    style: str = "first"
    """"first" solid, "second" dashed, "dotted"."""


def scatter(
    marks: Sequence[Mark],
    x_axis: Axis,
    y_axis: Axis,
    *,
    alt: str,
    courses: Sequence[Course] = (),
    size: tuple[int, int] = (440, 300),
) -> Markup:
    """A chart of points.

    Args:
        marks: what is drawn, the first below the others.
        x_axis, y_axis: from which end to which.
        alt: what the chart says, in words, for those who do not see it.
        courses: lines, drawn below the points.
        size: width and height, in units of which a letter takes 13.

    Returns:
        An `<svg>` element.
    """
    width, height = size
    floor, right = height - BOTTOM, width - RIGHT

    def across(x: float) -> float:
        return LEFT + x_axis.place(x) * (right - LEFT)

    def down(y: float) -> float:
        return floor - y_axis.place(y) * (floor - TOP)

    parts = [
        f'<svg class="chart scatter" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(alt)}">'
    ]
    for tick, text in y_axis.ticks:
        y = down(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(text)}</text>')
    for tick, text in x_axis.ticks:
        x = across(tick)
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{floor}" y2="{floor + 4}"/>')
        parts.append(f'<text x="{x:.1f}" y="{floor + 18}" text-anchor="middle">{escape(text)}</text>')
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{floor}" y2="{floor}"/>')
    middle = (LEFT + right) / 2
    parts.append(f'<text x="{middle}" y="{height - 6}" text-anchor="middle">{escape(x_axis.label)}</text>')
    for course in courses:
        if len(course.points) > 1:
            points = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in course.points)
            parts.append(f'<polyline class="{course.style}" points="{points}"/>')
    spots = [(across(mark.x), down(mark.y)) for mark in marks]
    for mark in marks:
        parts += _reach(mark, across(mark.x), down)
    for mark, (x, y) in zip(marks, spots, strict=True):
        title = f"<title>{escape(mark.title)}</title>"
        if mark.style == "cross":
            stroke = f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"
            parts.append(f'<path class="cross" d="{stroke}">{title}</path>')
        else:
            radius = {"one": 2.5, "faint": 3.5}.get(mark.style, 5)
            parts.append(
                f'<circle class="{mark.style}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}">{title}</circle>'
            )
    parts += _labels(marks, spots, (float(LEFT), float(TOP), float(right), float(floor)))
    return Markup("".join([*parts, "</svg>"]))


def _reach(mark: Mark, x: float, down) -> list[str]:
    if mark.low is None or mark.high is None:
        return []
    low, high = down(mark.low), down(mark.high)
    strokes = f"M{x:.1f} {low:.1f}V{high:.1f}"
    strokes += "".join(f"M{x - 4:.1f} {end:.1f}h8" for end in (low, high))
    return [f'<path class="reach" d="{strokes}"/>']


def _labels(
    marks: Sequence[Mark], spots: Sequence[tuple[float, float]], room: tuple[float, float, float, float]
) -> list[str]:
    """Each label beside its point where nothing stands yet."""
    left, top, right, floor = room
    taken = [(x, y, 10.0) for mark, (x, y) in zip(marks, spots, strict=True) if mark.style != "one"]
    parts = []
    for mark, (x, y) in zip(marks, spots, strict=True):
        if not mark.label:
            continue
        half = 4.0 * len(mark.label)
        best, least = None, math.inf
        for dx, dy in _PLACES:
            at_x, at_y = x + dx + math.copysign(half - 4, dx) * (dx != 0), y + dy
            outside = at_x - half < left or at_x + half > right or at_y - 9 < top - 12 or at_y > floor
            crowd = sum(
                abs(at_x - other_x) < half + reach and abs(at_y - 4 - other_y) < 6 + reach
                for other_x, other_y, reach in taken
            )
            cost = crowd + 100 * outside
            if cost < least:
                best, least = (at_x, at_y), cost
        at_x, at_y = best or (x, y)
        taken.append((at_x, at_y - 4, half))
        parts.append(
            f'<text class="marked" x="{at_x:.1f}" y="{at_y:.1f}" text-anchor="middle">{escape(mark.label)}</text>'
        )
    return parts
