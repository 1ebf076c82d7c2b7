"""Fewer bits for weights and values of an exported model: what is asked for, and what it may cost."""

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float32

from budwood.core.errors import RunError, did_you_mean

Kind = Literal["float16", "int8"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LARGEST_LOSS = 0.005
"""Of the share of right answers: half a point."""
CALIBRATED_ON, FEWEST = 100, 20
"""Training photos that int8 takes the ranges of values from, and how many there have to be."""


@dataclass(frozen=True)
class Quantization:
    """What is asked of a format."""

    kind: Kind
    sample: Sequence[Float32[np.ndarray, "1 size size 3"]]
    """Training photos, for the ranges of values between layers; float16 needs none."""


def most_lost(photos: int) -> float:
    """Return what a quantisation may cost of the share of right answers: half a point, or one photo of fewer than 200.

    >>> most_lost(1000), most_lost(100)
    (0.005, 0.01)
    """
    return max(LARGEST_LOSS, 1 / photos) if photos else LARGEST_LOSS


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


@contextmanager
def nncf_quietly() -> Iterator[Any]:
    """Give the module `nncf`, which draws no bars and says nothing meanwhile."""
    import nncf

    nncf.set_log_level(logging.ERROR)
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        yield nncf
