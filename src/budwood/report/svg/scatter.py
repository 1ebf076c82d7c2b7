"""Points in a plane, with intervals and lines between them, as inline SVG that takes its colours from the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from budwood.report.svg.axes import Axis
from budwood.report.svg.frame import Frame

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
    """Return a chart of points.

    Args:
        marks: what is drawn, the first below the others.
        x_axis, y_axis: from which end to which.
        alt: what the chart says, in words, for those who do not see it.
        courses: lines, drawn below the points.
        size: width and height, in units of which a letter takes 13.

    Returns:
        An `<svg>` element.
    """
    frame = Frame(x_axis, y_axis, *size, top=16, bottom=46, margin=16)
    parts = []
    for course in courses:
        if len(course.points) > 1:
            points = " ".join(frame.spot(x, y) for x, y in course.points)
            parts.append(f'<polyline class="{course.style}" points="{points}"/>')
    spots = [(frame.across(mark.x), frame.down(mark.y)) for mark in marks]
    for mark in marks:
        parts += _reach(mark, frame)
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
    return frame.draw([*parts, *_labels(marks, spots, frame)], alt=alt, style="scatter")


def _reach(mark: Mark, frame: Frame) -> list[str]:
    if mark.low is None or mark.high is None:
        return []
    x, low, high = frame.across(mark.x), frame.down(mark.low), frame.down(mark.high)
    strokes = f"M{x:.1f} {low:.1f}V{high:.1f}"
    strokes += "".join(f"M{x - 4:.1f} {end:.1f}h8" for end in (low, high))
    return [f'<path class="reach" d="{strokes}"/>']


def _labels(marks: Sequence[Mark], spots: Sequence[tuple[float, float]], frame: Frame) -> list[str]:
    """Return each label beside its point where nothing stands yet."""
    taken = [(x, y, 10.0) for mark, (x, y) in zip(marks, spots, strict=True) if mark.style != "one"]
    parts = []
    for mark, (x, y) in zip(marks, spots, strict=True):
        if not mark.label:
            continue
        half = 4.0 * len(mark.label)
        best, least = None, math.inf
        for dx, dy in _PLACES:
            at_x, at_y = x + dx + math.copysign(half - 4, dx) * (dx != 0), y + dy
            outside = (
                at_x - half < frame.left
                or at_x + half > frame.right
                or at_y - 9 < frame.top - 12
                or at_y > frame.floor
            )
            crowd = sum(
                abs(at_x - other_x) < half + reach and abs(at_y - 4 - other_y) < 6 + reach
                for other_x, other_y, reach in taken
            )
            cost = crowd + 100 * outside
            if cost < least:
                best, least = (at_x, at_y), cost
        at_x, at_y = best or (x, y)
        taken.append((at_x, at_y - 4, half + 4))
        parts.append(
            f'<text class="marked" x="{at_x:.1f}" y="{at_y:.1f}" text-anchor="middle">{escape(mark.label)}</text>'
        )
    return parts
