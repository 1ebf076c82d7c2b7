"""What the one decoding of the check shows of a picture: its size, its samples, its perceptual hash, its sharpness.

Hash and sharpness are worked out of many pictures at once: those of one shape share every call of NumPy.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from budwood.data.decoder import samples
from budwood.data.decoder.levels import Samples, describe
from budwood.data.decoder.machine import tried_again
from budwood.data.decoder.opening import (
    TRANSPOSE,
    ImageLike,
    deep_samples,
    load,
    open_image,
    orientation_of,
    reduce_jpeg,
    room,
)
from budwood.data.decoder.samples import ScientificTiff
from budwood.data.perceptual_hash import AT_LEAST, SIDE, grids_of, hash_of_values, small_luma
from budwood.data.sharpness import sharpnesses

_MAKE, _MODEL, _EXIF_BLOCK, _TIME_TAKEN = 0x010F, 0x0110, 0x8769, 0x9003
_AT_A_TIME = 16
"""Pictures of one shape that are worked on together: what stays in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """Facts of a picture that are known once it is decoded."""

    width: int
    """Pixels, as a viewer shows it."""
    height: int
    samples: Samples | None = None
    """Range of samples of more than 8 bits, where the file does not say which bits are in use; else None."""
    pages: int = 1
    """Of a TIFF, how many pictures it holds; the first is read."""
    hash: bytes = field(default=b"", compare=False, repr=False)
    """See `budwood.data.perceptual_hash`."""
    taken: str = ""
    """By its EXIF block when the picture was taken, as "2026:01:31 12:59:59", and after a blank with what; or empty."""
    sharpness: float | None = None
    """See `budwood.data.sharpness`; None where nothing can be said, as of pictures of more than 8 bits."""


@dataclass(frozen=True, slots=True)
class Look:
    """A picture that was decoded, its hash and sharpness still to be worked out."""

    size: tuple[int, int]
    """Width and height as they lie in the file."""
    orientation: int
    pages: int
    taken: str
    samples: Samples | None
    shown: UInt8[np.ndarray, "height width"]
    """Its small brightness; of more than 8 bits, or without a brightness, the grid of the hash."""
    is_grid: bool


def inspect(image: ImageLike) -> Inspection:
    """Return size, samples and pages of a picture, after decoding all of it as cheaply as possible.

    Raises as `decode` does, at about a third of the cost for a JPEG.
    """
    return inspections([look(image)])[0]


def measure(image: ImageLike) -> tuple[int, int]:
    """Return width and height of the upright picture, after decoding all of it. Raises as `decode` does."""
    found = inspect(image)
    return found.width, found.height


@tried_again
def look(image: ImageLike) -> Look:
    """Decode a picture and return what `inspections` needs of it: some ten thousand pixels. Raises as `decode` does."""
    with open_image(image) as opened:
        size, found, is_grid = opened.size, None, True
        if isinstance(opened, ScientificTiff) or samples.is_deep(opened, is_own=opened is not image):
            declared = not isinstance(opened, ScientificTiff) and opened.format in samples.DECLARED
            with room(size[0] * size[1]):
                values = deep_samples(opened)
                found = None if declared else describe(values)
                shown = hash_of_values(values)
        else:
            if opened is not image:
                # All is read, and of a JPEG the colours are not worked out.
                reduce_jpeg(opened, AT_LEAST, "L")
            with room(opened.width * opened.height):
                load(opened)
                try:
                    shown, is_grid = small_luma(opened), False
                except ValueError:  # a mode without a brightness: no copy of anything
                    shown = np.zeros((SIDE, SIDE), np.uint8)
        # The EXIF block of a PNG may stand behind the pixels.
        orientation = orientation_of(opened)
        pages = 1 if isinstance(opened, ScientificTiff) else samples.num_pages(opened)
        return Look(size, orientation, pages, _taken(opened), found, shown, is_grid)


def inspections(looks: Sequence[Look]) -> list[Inspection]:
    """Return what pictures that were decoded show, in their order."""
    grids: list[np.ndarray] = [one.shown for one in looks]
    sharp: list[float | None] = [None] * len(looks)
    alike = defaultdict(list)
    for place, one in enumerate(looks):
        if not one.is_grid:
            alike[one.shown.shape, one.size].append(place)
    for (_, size), every in alike.items():
        for places in (every[at : at + _AT_A_TIME] for at in range(0, len(every), _AT_A_TIME)):
            lumas = np.stack([looks[place].shown for place in places])
            for place, grid, value in zip(places, grids_of(lumas, size), sharpnesses(lumas), strict=True):
                grids[place], sharp[place] = grid, value
    return [_inspection(*each) for each in zip(looks, grids, sharp, strict=True)]


def _inspection(one: Look, grid: UInt8[np.ndarray, "16 16"], sharp: float | None) -> Inspection:
    width, height = one.size
    if one.orientation in TRANSPOSE:
        grid = np.asarray(Image.fromarray(grid).transpose(TRANSPOSE[one.orientation]))
    if one.orientation >= 5:
        width, height = height, width
    return Inspection(width, height, one.samples, one.pages, grid.tobytes(), one.taken, sharp)


def _taken(image: Image.Image | ScientificTiff) -> str:
    if isinstance(image, ScientificTiff) or (image.format == "JPEG" and "exif" not in image.info):
        return ""
    try:
        exif = image.getexif()
        time = exif.get_ifd(_EXIF_BLOCK).get(_TIME_TAKEN) or ""
        found = re.fullmatch(r"(\d{4}):(\d\d):(\d\d) \d\d:\d\d:\d\d", str(time).strip("\0 "))
        if found is None or found[1] == "0000":
            return ""
        camera = " ".join(str(exif.get(tag) or "").strip("\0 ") for tag in (_MAKE, _MODEL))
        return f"{found[0]} {camera}".strip()
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return ""
