"""The range of values that becomes black to white, of pictures whose samples have more than 8 bits.

A file of 16 bits a sample does not say whether 12 of them are in use, nor a file of floats what is white. The range is
decided once over all pictures of the data, never for one picture by itself: equal values are to look equal.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from jaxtyping import UInt8

from budwood.core.errors import DataError, ImageError
from budwood.core.text import count

_BITS = (8, 10, 12, 14, 16)
_ROWS = 1 << 22
"""Samples that are scaled at a time."""


@dataclass(frozen=True)
class ValueRange:
    """The values that become 0 and 255; what lies outside is clipped."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"


def as_range(levels: Sequence[float] | None) -> ValueRange | None:
    """Return the range that two numbers of a file give, the darkest first.

    >>> as_range([0.0, 4095.0])
    ValueRange(low=0.0, high=4095.0)
    """
    return None if levels is None else ValueRange(float(levels[0]), float(levels[1]))


@dataclass(frozen=True, slots=True)
class Samples:
    """What the samples of one picture of more than 8 bits are."""

    kind: str
    """NumPy's name of their type, such as "uint16" or "float32"."""
    low: float
    high: float
    bright: float
    """The value that 99.5 % of them do not exceed."""

    @property
    def is_float(self) -> bool:
        """Return whether they are no whole numbers."""
        return self.kind.startswith("float")


@dataclass(frozen=True)
class Decision:
    """The range of all pictures of some data, and what a user should know of it."""

    range: ValueRange | None
    """None where no picture has more than 8 bits."""
    num_deep: int = 0
    """Pictures of more than 8 bits."""
    lines: tuple[str, ...] = ()
    """What was found and chosen, in words."""


NOTHING_DEEP = Decision(None)
"""What is decided where no picture has more than 8 bits."""


def describe(values: np.ndarray) -> Samples:
    """Return what the samples of a picture are.

    >>> describe(np.array([[0, 4000]], np.uint16))
    Samples(kind='uint16', low=0.0, high=4000.0, bright=4000.0)
    """
    flat = values.reshape(-1)
    ends, bright = _finite_ends(flat), flat[:: max(1, flat.size // 10_000)]
    bright = bright[np.isfinite(bright)]
    high = float(np.percentile(bright, 99.5, method="higher")) if bright.size else ends[1]
    return Samples(values.dtype.name, *ends, high)


def _finite_ends(flat: np.ndarray) -> tuple[float, float]:
    """Return the smallest and the largest of the values that are numbers, in bands so that little is held at once."""
    if flat.dtype.kind != "f":
        return float(flat.min()), float(flat.max())
    low, high = np.inf, -np.inf
    for at in range(0, flat.size, _ROWS):
        finite = flat[at : at + _ROWS]
        finite = finite[np.isfinite(finite)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if low <= high else (0.0, 0.0)


def usual_range(samples: Samples) -> ValueRange:
    """Return the range of a picture of which the data are not known: that of its type.

    Whole numbers of 16 bits go to 65,535; of 32 bits and floats, to the smallest of the usual ends that holds them.

    >>> usual_range(Samples("float32", 0.0, 1.02, 0.9))
    ValueRange(low=0.0, high=1.0)
    """
    if samples.low < 0:
        return ValueRange(samples.low, max(samples.high, samples.low + 1e-6))
    if samples.kind in ("uint16", "int16"):
        return ValueRange(0.0, 65535.0)
    # Sharpening and resampling leave floats a little above 1.
    ends = ((1.0, 2.0),) if samples.is_float else ()
    for end, up_to in (*ends, (255.0, 255.0), (65535.0, 65535.0)):
        if samples.high <= up_to:
            return ValueRange(0.0, end)
    return ValueRange(0.0, samples.high)


def refuse_unclear(samples: Samples) -> None:
    """Raise ImageError for a picture whose range nobody knows and its values do not tell.

    >>> refuse_unclear(Samples("float32", 0.0, 1.0, 0.9))
    """
    if samples.low >= 0 and (samples.high <= 255 if samples.is_float else samples.high >= 2**14):
        return
    if samples.kind in ("int32", "uint32") and samples.low >= 0 and samples.high <= 255:
        return
    raise ImageError(
        f"its {samples.kind} values from {samples.low:g} to {samples.high:g} can be read in several ways, and the "
        "model was trained on pictures of 8 bits, so it knows no range for them. Save it at 8 bits, or train on such "
        "pictures",
        "values",
    )


def decide(
    samples: Sequence[Samples | None], given: ValueRange | None = None, setting: str = "data.range"
) -> Decision:
    """Return the range of all pictures together.

    Whole numbers from 0 take the fewest of 8, 10, 12, 14 and 16 bits that hold all of them, floats the smallest of 1
    and 255; anything else goes from the smallest value to the largest.

    Args:
        samples: of every picture, None for one of 8 bits.
        given: what the recipe says; it is taken.
        setting: the recipe's key that says so.

    Raises:
        DataError: some pictures are of whole numbers and some of floats, which one range cannot hold.
    """
    deep = [one for one in samples if one is not None]
    if not deep:
        return NOTHING_DEEP
    low, high = min(one.low for one in deep), max(one.high for one in deep)
    kinds = sorted({one.kind for one in deep})
    found = f"{count(len(deep), 'picture')} of {' and '.join(kinds)} with values from {low:g} to {high:g}"
    if given is not None:
        lines = [f"{found}: {given} become black to white, as {setting} says"]
        chosen = given
    else:
        floats = [one for one in deep if one.is_float]
        if floats and len(floats) < len(deep):
            whole = [one for one in deep if not one.is_float]
            raise DataError(
                f"{count(len(whole), 'picture')} hold whole numbers up to {max(one.high for one in whole):g}, and "
                f"{len(floats)} hold floats up to {max(one.high for one in floats):g}: one range of values cannot "
                "suit both. Save all alike, or say which values are black and white: --set data.range=[0,255]"
            )
        chosen, why = _range_of(low, high, is_float=bool(floats))
        lines = [
            f"{found}: {chosen} become black to white in every one{why}; --set data.range=[LOW,HIGH] or "
            "data.bit_depth=BITS says otherwise"
        ]
    lines += _doubts(deep, len(samples) - len(deep), chosen)
    return Decision(chosen, len(deep), tuple(lines))


def to_8_bit(values: np.ndarray, chosen: ValueRange) -> UInt8[np.ndarray, "..."]:
    """Return samples of any type at 8 bits, in bands so that little is held at once.

    >>> to_8_bit(np.array([[0, 2048, 4095, 9000]], np.uint16), ValueRange(0.0, 4095.0))
    array([[  0, 128, 255, 255]], dtype=uint8)
    """
    result = np.empty(values.shape, np.uint8)
    rows = max(1, _ROWS // max(1, values[:1].size))
    scale = 255.0 / (chosen.high - chosen.low)
    for top in range(0, len(values), rows):
        # Whole numbers of 32 bits are more than float32 holds.
        exact = np.float32 if values.dtype.itemsize <= 2 else np.float64
        scaled = np.nan_to_num(
            values[top : top + rows].astype(exact), nan=chosen.low, posinf=chosen.high, neginf=chosen.low
        )
        scaled = (scaled - exact(chosen.low)) * exact(scale)
        result[top : top + rows] = np.clip(scaled + exact(0.5), 0, 255).astype(np.uint8)
    return result


def _range_of(low: float, high: float, *, is_float: bool) -> tuple[ValueRange, str]:
    if low < 0:
        return ValueRange(low, high if high > low else low + 1), ""
    if is_float:
        for end in (1.0, 255.0):
            # Between 1 and 2 are floats of 0 to 1 that resampling has overshot; all of them are kept.
            if high <= end or (end == 1.0 and high <= 2.0):
                return ValueRange(0.0, max(end, high) if end == 1.0 else end), ""
        return ValueRange(0.0, high), ""
    bits = next((bits for bits in _BITS if high < 2**bits), None)
    if bits is None:
        return ValueRange(0.0, high), ""
    return ValueRange(0.0, float(2**bits - 1)), f", the {bits} bits that hold them all"


def _plain(value: float) -> str:
    """Return a number of three digits or more as a person writes it.

    >>> _plain(1911.0), _plain(0.01234), _plain(0.0)
    ('1911', '0.0123', '0')
    """
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _doubts(deep: Sequence[Samples], num_8_bit: int, chosen: ValueRange) -> Iterable[str]:
    usual = median(one.bright for one in deep)
    share = (usual - chosen.low) / (chosen.high - chosen.low)
    if 0 < share < 1 / 16:
        yield (
            f"half of these pictures hardly go beyond {usual:g}, so they come out nearly black: a few bright pixels "
            f"decided the range. --set data.range=[{_plain(chosen.low)},{_plain(usual)}] would show them"
        )
    if num_8_bit:
        yield (
            f"{count(num_8_bit, 'picture')} of 8 bits beside {len(deep)} deeper ones: those of 8 bits keep their "
            "values, so the same thing may look different in both. If one class has more of one kind, this may be what "
            "is learned"
        )
