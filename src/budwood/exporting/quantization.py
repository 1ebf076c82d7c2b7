"""Fewer bits for weights and values of an exported model: what is asked for, and what it may cost."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol, get_args, runtime_checkable

import numpy as np
from jaxtyping import Float32

from budwood.core.errors import RunError, did_you_mean
from budwood.core.scaling import Scaling

Kind = Literal["float16", "int8"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LARGEST_LOSS = 0.005
"""Of the share of right answers: half a point."""
ROUNDING = 1e-9
"""Tolerance when shares are compared: differences of fractions are not exact in floating point."""
CALIBRATED_ON, FEWEST = 100, 20
"""Training photos that int8 takes the ranges of values from, and how many there have to be."""
COMPARED = 8
"""Photos on which the layers are told apart by the noise that they bring."""
Square = Float32[np.ndarray, "1 size size 3"]


@runtime_checkable
class Quantizer(Protocol):
    """A network that is made int8 as often as is asked, with more or fewer layers left at full precision."""

    def noisiest(self) -> Sequence[str]:
        """Return the layers that become int8, those first whose rounding changes the most; asked after a first
        `write` of all of them."""
        ...

    def write(self, folder: Path, left: Collection[str] = (), scaling: Scaling = 1.0) -> None:
        """Write the network with int8 into an empty folder.

        Args:
            folder: where to.
            left: layers that stay at full precision.
            scaling: by which the logits are calibrated anew.
        """
        ...


def most_lost(photos: int) -> float:
    """Return what a quantisation may cost of the share of right answers: half a point, or one photo of fewer than 200.

    >>> most_lost(1000), most_lost(100)
    (0.005, 0.01)
    """
    return max(LARGEST_LOSS, 1 / photos) if photos else LARGEST_LOSS


def loses_too_much(difference: float, high: float, photos: int) -> bool:
    """Return whether more right answers are lost than a quantisation may cost.

    Allowed is `most_lost`, or twice as much where the 95 % interval of the difference includes 0. With a few hundred
    photos such a loss cannot be told from none; a larger one is refused even where the interval includes 0.

    Args:
        difference: of the shares of right answers, of the same photos: with fewer bits less at full precision.
        high: upper end of its 95 % interval.
        photos: how many there are.

    >>> loses_too_much(-2 / 367, high=0.008, photos=367), loses_too_much(-4 / 367, high=0.002, photos=367)
    (False, True)
    >>> loses_too_much(-12 / 2000, high=-0.002, photos=2000), loses_too_much(-3 / 10, high=0.1, photos=10)
    (True, True)
    """
    allowed = most_lost(photos) * (2 if high >= 0 else 1)
    return -difference > allowed + ROUNDING


def find_kind(name: str) -> Kind:
    """Return a kind of quantisation by its name. Raise RunError where there is none."""
    for kind in KINDS:
        if kind == name:
            return kind
    raise RunError(f"no quantisation {name!r}.{did_you_mean(name, KINDS)} There are {' and '.join(KINDS)}")


def refuse_few_photos(photos: int) -> None:
    """Raise RunError where too few training photos are at hand for int8."""
    if photos < FEWEST:
        raise RunError(
            f"int8 takes the ranges of values from training photos, and {photos:,} are at hand. {FEWEST} are needed: "
            "give them with --photos DATA, or take --quantize float16"
        )


def by_added_noise(errors: Mapping[str, float], above: Mapping[str, Collection[str]]) -> list[str]:
    """Return layers in the order of the error that each adds to what it is given, the largest first.

    Args:
        errors: of what each layer gives, as a share of it.
        above: of each layer those that it takes from.

    >>> by_added_noise({"a": 0.1, "b": 0.3, "c": 0.31}, {"a": [], "b": ["a"], "c": ["b"]})
    ['b', 'a', 'c']
    """
    added = {
        name: error - max((errors[other] for other in above[name] if other in errors), default=0.0)
        for name, error in errors.items()
    }
    return sorted(added, key=lambda name: -added[name])


def relative_error(plain: Sequence[np.ndarray], rounded: Sequence[np.ndarray]) -> float:
    """Return how far values lie from what they should be, as a share of these.

    >>> relative_error([np.array([3.0, 4.0])], [np.array([3.0, 4.5])])
    0.1
    """
    apart = sum(float(np.square(a - b).sum()) for a, b in zip(plain, rounded, strict=True))
    return float(np.sqrt(apart / max(sum(float(np.square(a).sum()) for a in plain), 1e-12)))
