"""Pictures on which little is to be seen, from what the check's one decoding showed: no file is opened here.

Brightness and its spread come from the grid of the perceptual hash, sharpness from the same reduced picture
(`budwood.data.sharpness`). What is blurred is so by both limits: below what hardly any sharp photo of any data set has,
and far below what is usual in this one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from budwood.data.inspection import Inspection
from budwood.data.manifest import Photo
from budwood.data.perceptual_hash import stacked

PoorKind = Literal["blank", "blurred", "dark", "overexposed", "tiny"]
TINY = 32
"""Pixels of a side below which a picture is tiny."""
BLANK = 3.0
"""Levels of 255: the standard deviation of the grid up to which nothing is to be seen, where there is no fine detail
either; of what is dark or overexposed 1."""
DARK = 20.0
"""Mean level up to which a picture is dark, if it nowhere reaches the middle."""
OVEREXPOSED = 240.0
"""Mean level from which on it is overexposed, if it nowhere reaches the middle."""
_MIDDLE, _PLAIN = 128, 1.0
BLURRED = 0.17
"""Sharpness above which no photo is blurred, whatever the others are."""
UNUSUAL = 3.5
"""A blurred photo is below the median by so many robust deviations of log sharpness (Iglewicz and Hoaglin 1993)."""
CERTAIN = 0.1
"""Sharpness below which a photo is blurred, whatever the others are: of one that was blurred by 2 % of its side."""
_AT_A_TIME = 16_384
_ENOUGH = 20
"""Photos from which on the others say what is usual."""


@dataclass(frozen=True, slots=True)
class PoorPhoto:
    """A photo on which little is to be seen, and why."""

    photo: Photo
    kind: PoorKind
    value: float
    """What was measured."""
    limit: float
    """From which on it is listed."""


def poor_photos(inspected: Sequence[tuple[Photo, Inspection]]) -> list[PoorPhoto]:
    """Return the photos that are blank, dark, overexposed, blurred or tiny, each once, the worst of a kind first."""
    if not inspected:
        return []
    means, spreads, darkest, brightest = _levels([found.hash for _, found in inspected])
    limit = blur_limit([found.sharpness for _, found in inspected if found.sharpness is not None])
    found: list[tuple[float, PoorPhoto]] = []
    for place, (photo, one) in enumerate(inspected):

        def add(kind: PoorKind, value: float, bound: float, badness: float, photo: Photo = photo) -> None:
            found.append((badness, PoorPhoto(photo, kind, round(value, 4), bound)))

        mean, spread = float(means[place]), float(spreads[place])
        short = float(min(one.width, one.height))
        # Of more than 8 bits the grid lies between the picture's own darkest and brightest value.
        comparable = one.samples is None
        if short < TINY:
            add("tiny", short, float(TINY), short)
        dark = comparable and mean <= DARK and brightest[place] < _MIDDLE
        bright = comparable and mean >= OVEREXPOSED and darkest[place] >= _MIDDLE
        if spread <= (_PLAIN if dark or bright else BLANK) and one.sharpness is None:
            add("blank", spread, BLANK, spread)
        elif dark:
            add("dark", mean, DARK, mean)
        elif bright:
            add("overexposed", mean, OVEREXPOSED, -mean)
        elif one.sharpness is not None and one.sharpness < limit:
            add("blurred", one.sharpness, round(limit, 4), one.sharpness)
    return [one for _, one in sorted(found, key=lambda pair: (pair[1].kind, pair[0], pair[1].photo.name))]


def _levels(hashes: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return of the grids the means, standard deviations, darkest and brightest levels."""
    parts = []
    # Doubles of all grids of a million photos would be 2 GB.
    for first in range(0, len(hashes), _AT_A_TIME):
        grids = stacked(hashes[first : first + _AT_A_TIME])
        parts.append(
            (
                grids.mean(axis=1, dtype=np.float64),
                grids.astype(np.float64).std(axis=1),
                grids.min(axis=1),
                grids.max(axis=1),
            )
        )
    means, spreads, darkest, brightest = (np.concatenate(column) for column in zip(*parts, strict=True))
    return means, spreads, darkest, brightest


def blur_limit(sharpnesses: Sequence[float]) -> float:
    """Return the sharpness below which a photo of a data set is blurred.

    >>> blur_limit([]), round(blur_limit([0.3, 0.35, 0.4, 0.45] * 10), 2), blur_limit([0.1, 0.3, 0.9] * 10)
    (0.1, 0.17, 0.1)
    """
    if len(sharpnesses) < _ENOUGH:
        return CERTAIN
    logs = np.log(np.maximum(sharpnesses, 1e-6))
    middle = float(np.median(logs))
    deviation = 1.4826 * float(np.median(np.abs(logs - middle)))
    return float(np.clip(np.exp(middle - UNUSUAL * deviation), CERTAIN, BLURRED))
