"""Line charts as inline SVG whose colours come from the page's style sheet, so that they follow light and dark."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

WIDTH, HEIGHT = 440, 260
LEFT, TOP, BOTTOM = 58, 14, 42
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Line:
    """One curve: `y` over `x`, with `spread` on either side where given; points that are not finite are left out."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    spread: Sequence[float] = field(default=())
    style: str = "first"
    """"first" is drawn solid, "second" dashed."""
    breaks: Sequence[float] = field(default=())
    """Places on the x axis at which the curve is interrupted: what lies beyond is of another model."""

    def pieces(self) -> list[list[tuple[float, float, float]]]:
        """Return the points of each uninterrupted piece, from left to right."""
        edges = [-math.inf, *sorted(self.breaks), math.inf]
        found = [
            [point for point in self.points() if low <= point[0] < high]
            for low, high in itertools.pairwise(edges)
        ]
        return [piece for piece in found if piece]

    def points(self) -> list[tuple[float, float, float]]:
        spread = self.spread or [0.0] * len(self.x)
        rows = zip(self.x, self.y, spread, strict=True)
        return [(x, y, s if math.isfinite(s) else 0.0) for x, y, s in rows if math.isfinite(y)]


def line_chart(
    lines: Sequence[Line],
    *,
    alt: str,
    x_label: str,
    y_label: str,
    log_x: bool = False,
    show: Callable[[float], str] = "{:.3g}".format,
    show_x: Callable[[float], str] | None = None,
    diagonal: bool = False,
    whole: bool = False,
    shares: bool = False,
    mark: tuple[float, str] | None = None,
    start: tuple[float, str] | None = None,
    gap: str | None = None,
) -> Markup:
    """Curves on one pair of axes.

    Args:
        lines: one or two curves; x above 0 where `log_x`.
        alt: what the chart says, in words, for those who do not see it.
        x_label: name of the x axis.
        y_label: name of the y axis.
        log_x: whether x is logarithmic.
        show: how a value of y is written.
        show_x: how a value of x is written; without, whole numbers alone are.
        diagonal: whether to draw the line on which y is x.
        whole: whether both axes go from 0 to 1.
        shares: whether y is a share, so that its axis never passes 0 and 1.
        mark: an x value to mark with a vertical line, and its name.
        start: an x value at which something begins, told by a dashed line and its name above the chart.
        gap: names how far the two lines are apart at `mark`, where a bracket joins them.

    Returns:
        An `<svg>` element, or a sentence where no point is finite.
    """
    points = [point for line in lines for point in line.points()]
    if not points:
        return Markup('<p class="quiet">No finite values to draw.</p>')
    # A single curve is named by the chart's title, so it needs no room for its name.
    right = WIDTH - (92 if len(lines) > 1 else 14)
    top = TOP + 16 if start else TOP
    warp = math.log10 if log_x else float
    x_low, x_high = _padded([warp(x) for x, _, _ in points], 0.0)
    y_low, y_high = _padded([y + sign * s for _, y, s in points for sign in (-1, 1)], 0.06)
    if shares:
        y_low, y_high = max(y_low, 0.0), min(y_high, 1.0)
    if whole:
        x_low, x_high, y_low, y_high = 0.0, 1.0, 0.0, 1.0

    def across(x: float) -> float:
        return LEFT + (warp(x) - x_low) / (x_high - x_low) * (right - LEFT)

    def down(y: float) -> float:
        return top + (y_high - y) / (y_high - y_low) * (HEIGHT - top - BOTTOM)

    floor = HEIGHT - BOTTOM
    parts = [f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(alt)}">']
    for tick in ticks(y_low, y_high, 5):
        y = down(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{escape(show(tick))}</text>')
    if log_x:
        across_ticks = _log_ticks(x_low, x_high)
    elif show_x is not None:
        across_ticks = [(tick, show_x(tick)) for tick in ticks(x_low, x_high, 5)]
    else:
        across_ticks = _epoch_ticks(x_low, x_high)
    for tick, label in across_ticks:
        x = across(tick)
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{floor}" y2="{floor + 4}"/>')
        parts.append(f'<text x="{x:.1f}" y="{floor + 18}" text-anchor="middle">{label}</text>')
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{floor}" y2="{floor}"/>')
    low, high = max(x_low, y_low), min(x_high, y_high)
    if diagonal and low < high:
        ends_at = f'x2="{across(high):.1f}" y2="{down(high):.1f}"'
        parts.append(f'<line class="diagonal" x1="{across(low):.1f}" y1="{down(low):.1f}" {ends_at}/>')
    parts.append(
        f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>'
    )
    if start is not None:
        x = across(start[0])
        # Some 7 pixels a letter: the name stands above its line, but within the chart.
        half = 3.5 * len(start[1])
        middle = min(max(x, LEFT + half), WIDTH - half)
        parts.append(f'<line class="start" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP + 4}" y2="{floor}"/>')
        parts.append(
            f'<text class="marked" x="{middle:.1f}" y="{TOP - 2}" text-anchor="middle">{escape(start[1])}</text>'
        )
    if mark is not None:
        x = across(mark[0])
        parts.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{floor}"/>')
    ends = []
    for line in lines:
        if drawn := line.points():
            parts += _curve(line, drawn, across, down, y_label, show, mark)
            ends.append((down(drawn[-1][1]), line))
    if mark is not None:
        parts += _name_mark(lines, mark, gap, across, down, (LEFT + right) / 2, top, floor)
    for y, line in _apart(ends, 16.0) if len(lines) > 1 else []:
        parts.append(f'<text class="{line.style}" x="{right + 8}" y="{y + 4:.1f}">{escape(line.name)}</text>')
    return Markup("".join([*parts, "</svg>"]))


def _name_mark(lines, mark, gap, across, down, middle, top, floor) -> list[str]:
    """The name of the marked place and, where asked for, a bracket between the two lines there."""
    x = across(mark[0])
    anchor, side = ("end", -1) if x > middle else ("start", 1)
    passing = [down(y) for line in lines for at, y, _ in line.points() if at == mark[0]]
    parts, names = [], [mark[1]]
    if gap and len(passing) == 2:
        names.append(gap)
        parts.append(
            f'<path class="gap" d="M{x + 7 * side:.1f},{passing[0]:.1f}h{5 * side}V{passing[1]:.1f}h{-5 * side}"/>'
        )
    # The names stand, over all else, where they are farthest from the curves.
    height = 15 * len(names)
    reach = 5 + 7 * max(map(len, names))
    near = _heights(lines, across, down, *sorted((x, x + side * reach)))
    places: list[float] = [top + 10.0]
    if gap and len(passing) == 2:
        places.append((passing[0] + passing[1] - height) / 2 + 11)
    places.append(floor - 7.0 - 15 * (len(names) - 1))

    def room(first: float) -> float:
        return min((max(first - 12 - y, y - (first + height - 12)) for y in near), default=0.0)

    first = max(reversed(places), key=room)
    shift = 16 if gap and len(passing) == 2 and first == places[1] else 5
    return parts + [
        f'<text class="marked" x="{x + shift * side:.1f}" y="{first + 15 * row:.1f}" text-anchor="{anchor}">'
        f"{escape(name)}</text>"
        for row, name in enumerate(names)
    ]


def _heights(lines, across, down, left, right) -> list[float]:
    """Where the curves pass between two places of the chart, at their points and every few pixels."""
    heights = []
    for line in lines:
        points = [(across(x), down(y)) for x, y, _ in line.points()]
        heights += [y for x, y in points if left <= x <= right]
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            steps = [x0 + 5 * step for step in range(math.ceil(max(x1 - x0, 0) / 5))]
            heights += [y0 + (y1 - y0) * (x - x0) / (x1 - x0) for x in steps if left <= x <= right]
    return heights


def _curve(line, points, across, down, y_label, show, mark) -> list[str]:
    parts = []
    if any(spread for _, _, spread in points):
        upper = [f"{across(x):.1f},{down(y + spread):.1f}" for x, y, spread in points]
        lower = [f"{across(x):.1f},{down(y - spread):.1f}" for x, y, spread in reversed(points)]
        parts.append(f'<polygon class="band" points="{" ".join(upper + lower)}"/>')
    for piece in line.pieces():
        course = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y, _ in piece)
        parts.append(f'<polyline class="{line.style}" points="{course}"/>')
    for x, y, _ in points:
        radius = 5 if mark is not None and x == mark[0] else 2.5
        parts.append(
            f'<circle class="{line.style}" cx="{across(x):.1f}" cy="{down(y):.1f}" r="{radius}">'
            f"<title>{escape(line.name)} {escape(y_label)} {escape(show(y))} at {x:.3g}</title></circle>"
        )
    return parts


def _padded(values: Sequence[float], share: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    pad = share * (high - low) if high > low else max(abs(low) * 0.1, 0.05)
    return low - pad, high + pad


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from `low` to `high`, about `most` of them."""
    rough = (high - low) / most
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _epoch_ticks(low: float, high: float) -> list[tuple[float, str]]:
    return [(tick, f"{tick:.0f}") for tick in ticks(low, high, 7) if tick == round(tick)]


def _log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    decades = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    every = 1 + len(decades) // 8
    return [
        (10.0**power, "10" + str(power).translate(_SUPERSCRIPT)) for power in decades if not power % every
    ]


def _apart(ends: list[tuple[float, Line]], gap: float) -> list[tuple[float, Line]]:
    ends = sorted(ends, key=lambda end: end[0])
    if len(ends) == 2 and (short := gap - (ends[1][0] - ends[0][0])) > 0:
        ends = [(ends[0][0] - short / 2, ends[0][1]), (ends[1][0] + short / 2, ends[1][1])]
    return ends
