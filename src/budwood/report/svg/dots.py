"""Accuracies side by side as dots with their intervals, as inline SVG in the colours of the page."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from budwood.core import text as words
from budwood.report.svg.charts import ticks

WIDTH, LEFT, RIGHT, ROW, TOP, BOTTOM = 640, 190, 64, 40, 6, 44


@dataclass(frozen=True)
class Dot:
    """One model: its accuracy with the ends of its interval, all in [0, 1]."""

    name: str
    note: str
    value: float
    low: float
    high: float
    is_kept: bool


def dot_chart(dots: Sequence[Dot], *, x_label: str) -> Markup:
    """A row for each model: its name, a line from end to end of the interval, and a dot, full where it was kept."""
    low, high = min(dot.low for dot in dots), max(dot.high for dot in dots)
    pad = max(0.06 * (high - low), 0.002)
    low, high = max(0.0, low - pad), min(1.0, high + pad)
    floor, right = TOP + ROW * len(dots), WIDTH - RIGHT

    def across(share: float) -> float:
        return LEFT + (share - low) / (high - low) * (right - LEFT)

    said = "; ".join(
        f"{dot.name} {words.percent(dot.value)}, {words.percent(dot.low)} to {words.percent(dot.high)}"
        for dot in dots
    )
    alt = escape(f"{x_label}: {said}.")
    parts = [f'<svg class="chart dots" viewBox="0 0 {WIDTH} {floor + BOTTOM}" role="img" aria-label="{alt}">']
    for tick in ticks(low, high, 6):
        x = across(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{floor}"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{floor + 18}" text-anchor="middle">{words.whole_percent(tick)}</text>'
        )
    for place, dot in enumerate(dots):
        y = TOP + ROW * (place + 0.5)
        weight = ' class="chosen"' if dot.is_kept else ""
        name = escape(words.shorten(words.shown(dot.name), 26))
        parts.append(f'<text{weight} x="0" y="{y:.1f}">{name}</text>')
        parts.append(f'<text x="0" y="{y + 15:.1f}">{escape(dot.note)}</text>')
        parts.append(
            f'<line class="interval" x1="{across(dot.low):.1f}" x2="{across(dot.high):.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        full = "full" if dot.is_kept else "hollow"
        parts.append(f'<circle class="{full}" cx="{across(dot.value):.1f}" cy="{y:.1f}" r="6"/>')
        parts.append(
            f'<text{weight} x="{right + 10}" y="{y + 4:.1f}">{escape(words.percent(dot.value))}</text>'
        )
    parts.append(
        f'<text x="{(LEFT + right) / 2}" y="{floor + 38}" text-anchor="middle">{escape(x_label)}</text>'
    )
    return Markup("".join([*parts, "</svg>"]))
