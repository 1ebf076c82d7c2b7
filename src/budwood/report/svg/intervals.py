"""Intervals side by side, a line of text and a line of marks for each, on one axis: models, or differences.

The marks are SVG whose places are shares of the width, so that the text beside them keeps its size on a phone; their
colours come from the page's style sheet. `intervals.css.jinja` lays them out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from budwood.core.text import shorten, shown
from budwood.report.svg.axes import Axis

MIDDLE, BELOW = 12, 25
"""Of a line of marks of 34 pixels: where the interval lies, and where the single figures do."""
_NEAR = 0.012
"""Single figures closer than this share of the width are drawn one below the other."""


@dataclass(frozen=True)
class Row:
    """One interval."""

    name: str
    value: float
    low: float | None
    """End of the interval, like `high`; None where none is known: then none is drawn."""
    high: float | None
    text: str
    """The same in figures, shown at the end of the line."""
    dots: Sequence[float] = ()
    """Single figures of which `value` is the mean."""
    number: str = ""
    """By which other charts and tables of the page name it."""
    note: str = ""
    """Below the figures."""
    hollow: bool = False
    """Drawn as a ring in place of a disc; `note` or the caption says what that means."""


def interval_rows(
    rows: Sequence[Row],
    axis: Axis,
    *,
    show: Callable[[float], str],
    zero: float | None = None,
    each: str = "each",
) -> Markup:
    """Return intervals one below the other.

    Args:
        rows: what is drawn, in this order.
        axis: from which end to which.
        show: how a value is written.
        zero: where a line across all of them stands, such as that of no difference.
        each: what a single figure is, such as "split".

    Returns:
        A `<div>` with the names and figures as text, and the marks with their meaning in words.
    """
    parts = ['<div class="intervals">']
    for row in rows:
        number = f"<b>{escape(row.number)}</b>" if row.number else ""
        name = f'<span title="{escape(shorten(shown(row.name), 300))}">{escape(shorten(shown(row.name), 90))}</span>'
        note = f"<small>{escape(row.note)}</small>" if row.note else ""
        parts += [
            f'<div class="interval"><p class="of">{number}{name}</p>'
            f'<p class="figures">{escape(row.text)}{note}</p>',
            *_marks(row, axis, show, zero, each),
            "</div>",
        ]
    parts += [f'<div class="interval foot" aria-hidden="true"><p class="figures">{escape(axis.label)}</p>']
    parts.append('<div class="marks"><svg>')
    for tick, text in axis.ticks:
        parts.append(
            f'<text x="{_percent(axis.place(tick))}" y="14" text-anchor="middle">{escape(text)}</text>'
        )
    parts.append("</svg></div></div></div>")
    return Markup("".join(parts))


def share_rows(rows: Sequence[tuple[str, float, str]]) -> Markup:
    """Return bars from 0 to 1, each with its name and its figure as text."""
    parts = ['<div class="intervals shares">']
    for name, share, text in rows:
        parts.append(
            f'<div class="interval"><p class="of"><span title="{escape(shorten(shown(name), 300))}">'
            f'{escape(shorten(shown(name), 90))}</span></p><p class="figures">{escape(text)}</p>'
            '<div class="marks"><svg aria-hidden="true"><rect class="room" width="100%" height="12" y="8" rx="3"/>'
            f'<rect class="share" width="{_percent(min(max(share, 0.0), 1.0))}" height="12" y="8" rx="3"/>'
            "</svg></div></div>"
        )
    return Markup("".join([*parts, "</div>"]))


def _marks(row: Row, axis: Axis, show: Callable[[float], str], zero: float | None, each: str) -> list[str]:
    ends = [] if row.low is None or row.high is None else [row.low, row.high]
    words = f"{show(row.value)}, " + (
        f"95 % interval {' to '.join(map(show, ends))}" if ends else "no interval"
    )
    if row.dots:
        words += f"; every {each}: {', '.join(show(dot) for dot in row.dots)}"
    middle = _percent(axis.place(row.value))
    parts = ['<div class="marks"><svg class="lines" aria-hidden="true">']
    parts += [_upright("grid", _percent(axis.place(tick))) for tick, _ in axis.ticks]
    parts += [_upright("zero", _percent(axis.place(zero)))] if zero is not None else []
    parts.append(f'</svg><svg role="img" aria-label="{escape(words)}">')
    if ends:
        low, high = (_percent(axis.place(value)) for value in ends)
        parts.append(f'<line class="reach" x1="{low}" x2="{high}" y1="{MIDDLE}" y2="{MIDDLE}"/>')
    for value in ends:
        end = _percent(axis.place(value))
        # An end without its stroke lies beyond the axis.
        if axis.low - 1e-9 <= value <= axis.high + 1e-9:
            parts.append(f'<line class="end" x1="{end}" x2="{end}" y1="{MIDDLE - 5}" y2="{MIDDLE + 5}"/>')
    last, depth = -1.0, 0
    for dot in sorted(row.dots):
        at = axis.place(dot)
        depth = (depth + 1) % 3 if at - last < _NEAR else 0
        last = at
        parts.append(
            f'<circle class="one" cx="{_percent(at)}" cy="{BELOW + 3 * depth - 1}" r="2.5">'
            f"<title>{escape(show(dot))}</title></circle>"
        )
    shape = "hollow" if row.hollow else "full"
    title = f"<title>{escape(show(row.value))}</title>"
    return [
        *parts,
        f'<circle class="{shape}" cx="{middle}" cy="{MIDDLE}" r="5.5">{title}</circle></svg></div>',
    ]


def _upright(style: str, at: str) -> str:
    return f'<line class="{style}" x1="{at}" x2="{at}" y1="0" y2="100%"/>'


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"
