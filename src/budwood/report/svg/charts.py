"""Line charts as inline SVG whose colours come from the page's style sheet, so that they follow light and dark."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from markupsafe import Markup, escape

from budwood.report.svg.axes import Axis
from budwood.report.svg.frame import Frame


@dataclass(frozen=True)
class Line:
    """One curve: `y` over `x`, with `band` on either side where given; points that are not finite are left out."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    band: Sequence[float] = field(default=())
    style: str = "first"
    """"first" is drawn solid, "second" dashed."""
    breaks: Sequence[float] = field(default=())
    """Places on the x axis at which the curve is interrupted: what lies beyond is of another model."""
    dots: Sequence[tuple[float, float]] | None = None
    """The points that are drawn as discs too; by default every one."""

    def pieces(self) -> list[list[tuple[float, float, float]]]:
        """Return the points of each uninterrupted piece, from left to right."""
        edges = [-math.inf, *sorted(self.breaks), math.inf]
        found = [
            [point for point in self.points() if low <= point[0] < high]
            for low, high in itertools.pairwise(edges)
        ]
        return [piece for piece in found if piece]

    def points(self) -> list[tuple[float, float, float]]:
        band = self.band or [0.0] * len(self.x)
        rows = zip(self.x, self.y, band, strict=True)
        return [(x, y, s if math.isfinite(s) else 0.0) for x, y, s in rows if math.isfinite(y)]


def line_chart(
    lines: Sequence[Line],
    x_axis: Axis,
    y_axis: Axis,
    *,
    alt: str,
    diagonal: bool = False,
    mark: tuple[float, str] | None = None,
    start: tuple[float, str] | None = None,
    gap: str | None = None,
) -> Markup:
    """Return curves on one pair of axes.

    Args:
        lines: one or two curves.
        x_axis, y_axis: from which end to which; that of y is named by the chart's title.
        alt: what the chart says, in words, for those who do not see it.
        diagonal: whether to draw the line on which y is x.
        mark: an x value to mark with a vertical line, and its name.
        start: an x value at which something begins, told by a dashed line and its name above the chart.
        gap: names how far the two lines are apart at `mark`, where a bracket joins them.

    Returns:
        An `<svg>` element, or a sentence where no point is finite.
    """
    if not any(line.points() for line in lines):
        return Markup('<p class="quiet">No finite values to draw.</p>')
    frame = Frame(x_axis, y_axis)
    # A single curve is named by the chart's title, so it needs no room for its name.
    frame = replace(
        frame, margin=92 if len(lines) > 1 else frame.margin, top=frame.top + 16 if start else frame.top
    )
    parts = []
    low, high = max(x_axis.low, y_axis.low), min(x_axis.high, y_axis.high)
    if diagonal and low < high:
        (x1, y1), (x2, y2) = ((frame.across(end), frame.down(end)) for end in (low, high))
        parts.append(f'<line class="diagonal" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')
    if start is not None:
        # Some 7 pixels a letter: the name stands above its line, but within the chart.
        half = 3.5 * len(start[1])
        middle = min(max(frame.across(start[0]), frame.left + half), frame.width - half)
        parts.append(frame.upright("start", start[0], frame.top - 12))
        parts.append(
            f'<text class="marked" x="{middle:.1f}" y="{frame.top - 18}" text-anchor="middle">'
            f"{escape(start[1])}</text>"
        )
    if mark is not None:
        parts.append(frame.upright("mark", mark[0]))
    ends = []
    for line in lines:
        if drawn := line.points():
            parts += _curve(frame, line, drawn, mark)
            ends.append((frame.down(drawn[-1][1]), line))
    if mark is not None:
        parts += _name_mark(frame, lines, mark, gap)
    for y, line in _apart(ends, 16.0) if len(lines) > 1 else []:
        parts.append(
            f'<text class="{line.style}" x="{frame.right + 8}" y="{y + 4:.1f}">{escape(line.name)}</text>'
        )
    return frame.draw(parts, alt=alt)


def _name_mark(frame: Frame, lines: Sequence[Line], mark: tuple[float, str], gap: str | None) -> list[str]:
    """Return the name of the marked place and, where asked for, a bracket between the two lines there."""
    x = frame.across(mark[0])
    anchor, side = ("end", -1) if x > frame.middle else ("start", 1)
    passing = [frame.down(y) for line in lines for at, y, _ in line.points() if at == mark[0]]
    parts, names = [], [mark[1]]
    if gap and len(passing) == 2:
        names.append(gap)
        parts.append(
            f'<path class="gap" d="M{x + 7 * side:.1f},{passing[0]:.1f}h{5 * side}V{passing[1]:.1f}h{-5 * side}"/>'
        )
    # The names stand, over all else, where they are farthest from the curves.
    height = 15 * len(names)
    reach = 5 + 7 * max(map(len, names))
    near = _heights(frame, lines, *sorted((x, x + side * reach)))
    places: list[float] = [frame.top + 10.0]
    if gap and len(passing) == 2:
        places.append((passing[0] + passing[1] - height) / 2 + 11)
    places.append(frame.floor - 7.0 - 15 * (len(names) - 1))

    def room(first: float) -> float:
        return min((max(first - 12 - y, y - (first + height - 12)) for y in near), default=0.0)

    first = max(reversed(places), key=room)
    shift = 16 if gap and len(passing) == 2 and first == places[1] else 5
    return parts + [
        f'<text class="marked" x="{x + shift * side:.1f}" y="{first + 15 * row:.1f}" text-anchor="{anchor}">'
        f"{escape(name)}</text>"
        for row, name in enumerate(names)
    ]


def _heights(frame: Frame, lines: Sequence[Line], left: float, right: float) -> list[float]:
    """Return where the curves pass between two places of the chart, at their points and every few pixels."""
    heights = []
    for line in lines:
        points = [(frame.across(x), frame.down(y)) for x, y, _ in line.points()]
        heights += [y for x, y in points if left <= x <= right]
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            steps = [x0 + 5 * step for step in range(math.ceil(max(x1 - x0, 0) / 5))]
            heights += [y0 + (y1 - y0) * (x - x0) / (x1 - x0) for x in steps if left <= x <= right]
    return heights


def _curve(
    frame: Frame, line: Line, points: Sequence[tuple[float, float, float]], mark: tuple[float, str] | None
) -> list[str]:
    parts = []
    if any(band for _, _, band in points):
        upper = [frame.spot(x, y + band) for x, y, band in points]
        lower = [frame.spot(x, y - band) for x, y, band in reversed(points)]
        parts.append(f'<polygon class="band" points="{" ".join(upper + lower)}"/>')
    for piece in line.pieces():
        course = " ".join(frame.spot(x, y) for x, y, _ in piece)
        parts.append(f'<polyline class="{line.style}" points="{course}"/>')
    for x, y in [(x, y) for x, y, _ in points] if line.dots is None else line.dots:
        radius = 5 if mark is not None and x == mark[0] else 2.5
        title = f"{line.name} {frame.y.label} {frame.y.show(y)} at {x:.3g}"
        parts.append(
            f'<circle class="{line.style}" cx="{frame.across(x):.1f}" cy="{frame.down(y):.1f}" r="{radius}">'
            f"<title>{escape(title)}</title></circle>"
        )
    return parts


def _apart(ends: list[tuple[float, Line]], gap: float) -> list[tuple[float, Line]]:
    ends = sorted(ends, key=lambda end: end[0])
    if len(ends) == 2 and (short := gap - (ends[1][0] - ends[0][0])) > 0:
        ends = [(ends[0][0] - short / 2, ends[0][1]), (ends[1][0] + short / 2, ends[1][1])]
    return ends
