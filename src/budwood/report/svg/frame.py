"""The frame of a chart: where a value stands in the picture, the grid, the ticks and what is written at them."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from budwood.report.svg.axes import Axis


@dataclass(frozen=True)
class Frame:
    """Two axes in a picture of `width` by `height` units, of which a letter takes 13; margins in the same units."""

    x: Axis
    y: Axis
    width: int = 440
    height: int = 260
    top: int = 14
    bottom: int = 42
    margin: int = 22
    """On the right."""
    left: int = 58

    @property
    def right(self) -> int:
        """Return where the x axis ends."""
        return self.width - self.margin

    @property
    def floor(self) -> int:
        """Return how far down the x axis lies."""
        return self.height - self.bottom

    @property
    def middle(self) -> float:
        """Return the middle of the x axis."""
        return (self.left + self.right) / 2

    def across(self, x: float) -> float:
        """Return where a value of x stands, from the left."""
        return self.left + self.x.place(x) * (self.right - self.left)

    def down(self, y: float) -> float:
        """Return where a value of y stands, from the top."""
        return self.floor - self.y.place(y) * (self.floor - self.top)

    def spot(self, x: float, y: float) -> str:
        """Return the coordinates of a point."""
        return f"{self.across(x):.1f},{self.down(y):.1f}"

    def upright(self, style: str, x: float, top: int | None = None) -> str:
        """Return a line from the x axis up to `top`, by default as high as the y axis."""
        at = f"{self.across(x):.1f}"
        upper = self.top if top is None else top
        return f'<line class="{style}" x1="{at}" x2="{at}" y1="{upper}" y2="{self.floor}"/>'

    def draw(self, parts: Sequence[str], *, alt: str, style: str = "") -> Markup:
        """Return the `<svg>` element with `parts` inside the frame; `alt` says in words what it shows."""
        head = (
            f'<svg class="chart{style and " "}{style}" viewBox="0 0 {self.width} {self.height}" role="img" '
            f'aria-label="{escape(alt)}">'
        )
        return Markup("".join([head, *self._grid(), *parts, "</svg>"]))

    def _grid(self) -> list[str]:
        parts = []
        for tick, text in self.y.ticks:
            y = self.down(tick)
            parts.append(
                f'<line class="grid" x1="{self.left}" x2="{self.right}" y1="{y:.1f}" y2="{y:.1f}"/>'
                f'<text x="{self.left - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(text)}</text>'
            )
        for tick, text in self.x.ticks:
            x = self.across(tick)
            # Some 7 pixels a letter: the text at an end of the axis must not leave the picture.
            middle = min(x, self.width - 3.5 * len(text) - 1)
            parts.append(
                f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{self.floor}" y2="{self.floor + 4}"/>'
                f'<text x="{middle:.1f}" y="{self.floor + 18}" text-anchor="middle">{escape(text)}</text>'
            )
        return [
            *parts,
            f'<line class="axis" x1="{self.left}" x2="{self.right}" y1="{self.floor}" y2="{self.floor}"/>',
            f'<text x="{self.middle}" y="{self.height - 6}" text-anchor="middle">{escape(self.x.label)}</text>',
        ]
