"""Where the lines of an axis stand, and what is written at them."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_SECONDS = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800),
    *(3600, 2 * 3600, 5 * 3600, 10 * 3600, 24 * 3600, 48 * 3600, 120 * 3600),
)
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_WIDE = 8.0
"""Seconds and photos whose largest is so many times the smallest are drawn by their logarithm."""


@dataclass(frozen=True)
class Axis:
    """One axis: its ends, its lines with what is written there, and whether it is logarithmic."""

    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False
    show: Callable[[float], str] = "{:.3g}".format
    """How a value between the ticks is written."""

    def place(self, value: float) -> float:
        """Return where a value stands between the ends, from 0 to 1; a value beyond an end stands at it."""
        warp = math.log if self.log else float
        low, high = warp(self.low), warp(self.high)
        inside = min(max(value, self.low), self.high)
        return (warp(inside) - low) / (high - low)

    @classmethod
    def of(
        cls,
        label: str,
        values: Iterable[float],
        show: Callable[[float], str] | None = None,
        *,
        most: int = 5,
        within: tuple[float, float] = (-math.inf, math.inf),
    ) -> "Axis":
        """Return an axis from the round step below the smallest value to the one above the largest.

        Args:
            label: its name.
            values: what it has to hold, one finite value or more.
            show: how a value is written; by default with as many decimals as tell the lines apart.
            most: lines at most, beside the two at the ends.
            within: ends that it never passes, such as 0 and 1 for shares.
        """
        finite = [value for value in values if math.isfinite(value)]
        low, high = min(finite), max(finite)
        if high - low < 1e-9:
            pad = abs(low) * 0.05 or 0.05
            low, high = low - pad, high + pad
        step = round_step(high - low, most)
        show = show or f"{{:.{max(0, -math.floor(math.log10(step)))}f}}".format
        low = max(math.floor(low / step + 1e-9) * step, within[0])
        high = min(math.ceil(high / step - 1e-9) * step, within[1])
        return cls(label, low, high, tuple((mark, show(mark)) for mark in _marks(low, high, step)), show=show)

    @classmethod
    def around(
        cls,
        label: str,
        values: Iterable[float],
        show: Callable[[float], str] = "{:.3g}".format,
        *,
        pad: float = 0.0,
        within: tuple[float, float] = (-math.inf, math.inf),
        whole: bool = False,
    ) -> "Axis":
        """Return an axis that ends a share `pad` of their span beyond the smallest and the largest value.

        Args:
            label: its name.
            values: what it has to hold; those that are not finite do not count.
            show: how a value is written.
            pad: how much room there is at either end.
            within: ends that it never passes.
            whole: whether lines stand at whole numbers alone.
        """
        low, high = _padded(values, pad)
        low, high = max(low, within[0]), min(high, within[1])
        marks = _marks(low, high, round_step(high - low, 7 if whole else 5))
        marks = [mark for mark in marks if not whole or mark == round(mark)]
        return cls(label, low, high, tuple((mark, show(mark)) for mark in marks), show=show)

    @classmethod
    def of_decades(cls, label: str, values: Iterable[float]) -> "Axis":
        """Return a logarithmic axis from the smallest to the largest value, with lines at powers of ten."""
        low, high = _padded([math.log10(value) for value in values], 0.0)
        powers = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
        every = 1 + len(powers) // 8
        marks = [
            (10.0**power, "10" + str(power).translate(_SUPERSCRIPT)) for power in powers if not power % every
        ]
        return cls(label, 10.0**low, 10.0**high, tuple(marks), log=True)

    @classmethod
    def of_logarithms(cls, label: str, values: Iterable[float], show: Callable[[float], str]) -> "Axis":
        """Return a logarithmic axis of values above 0, with lines at 1, 2 and 5 of every decade, or fewer of
        them."""
        some = [value for value in values if math.isfinite(value) and value > 0]
        low, high = min(some) / 1.12, max(some) * 1.12
        for digits in ((1, 2, 5), (1, 3), (1,)):
            powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
            marks = [digit * 10.0**power for power in powers for digit in digits]
            marks = [mark for mark in marks if low <= mark <= high]
            if len(marks) <= 7:
                break
        every = 1 + len(marks) // 8
        return cls(
            label, low, high, tuple((float(mark), show(float(mark))) for mark in marks[::every]), log=True
        )

    @classmethod
    def of_seconds(cls, label: str, values: Iterable[float], show: Callable[[float], str]) -> "Axis":
        """Return an axis of durations, with lines where a clock has them; logarithmic where they differ
        much."""
        some = [max(value, 0.01) for value in values]
        if max(some) / min(some) < _WIDE:
            # What is written beside a point at the end needs room too.
            room = 0.08 * (max(some) - min(some))
            return cls.of(label, [min(some) - room, max(some) + room], show, within=(0.0, math.inf))
        low, high = min(some) / 1.25, max(some) * 1.25
        marks = [mark for mark in _SECONDS if low <= mark <= high]
        every = 1 + len(marks) // 7
        return cls(
            label, low, high, tuple((float(mark), show(float(mark))) for mark in marks[::every]), log=True
        )


def round_step(span: float, most: int) -> float:
    """Return the smallest of 1, 2, 5, 10, … (by powers of ten) of which at most so many fit into `span`.

    >>> round_step(0.083, 5), round_step(7.0, 5)
    (0.02, 2.0)
    """
    rough = span / most
    unit = 10.0 ** math.floor(math.log10(rough))
    return next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * 0.999)


def _marks(low: float, high: float, step: float) -> list[float]:
    """Return the multiples of a step from one end to the other."""
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _padded(values: Iterable[float], share: float) -> tuple[float, float]:
    """Return the smallest and the largest finite value, a share of their span further out."""
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    # A smaller span would be rounded to 0 when it is divided into steps.
    pad = share * (high - low) if high - low > 1e-300 else max(abs(low) * 0.1, 0.05)
    return low - pad, high + pad
