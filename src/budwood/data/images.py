"""The one decoder: from a file, bytes, a Pillow image or an array to the square of pixels that a network sees.

EXIF orientation is applied, colour profiles are, transparency is laid on white, everything ends as 8-bit RGB in sRGB;
samples of more than 8 bits are brought there by a range of values that the data decide once
(`budwood.data.decoder.levels`). Animations and TIFFs of several pages give their first. What is too large is refused
from the header alone, or decoded at a reduced scale where it is a JPEG.
"""

import hashlib
import io
import os

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from budwood.data.decoder import colour, samples
from budwood.data.decoder.formats import (
    IMAGE_SUFFIXES,
    MAX_PIXELS,
    START,
    begins_like_a_picture,
    format_of,
    lacking,
    sniff,
)
from budwood.data.decoder.levels import Samples, ValueRange, describe, refuse_unclear, to_8_bit, usual_range
from budwood.data.decoder.machine import tried_again
from budwood.data.decoder.opening import (
    TRANSPOSE,
    ImageLike,
    content_of,
    deep_samples,
    load,
    open_file,
    open_image,
    orientation_of,
    read_ref,
    reduce_jpeg,
    room,
)
from budwood.data.decoder.resize import to_square
from budwood.data.decoder.samples import ScientificTiff

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "START",
    "ImageLike",
    "Samples",
    "ValueRange",
    "begins_like_a_picture",
    "content_of",
    "decode",
    "digest",
    "fit_square",
    "format_of",
    "lacking",
    "samples_of",
    "sniff",
    "thumbnail",
    "view",
]

_ALL_16_BITS = ValueRange(0.0, 65535.0)


@tried_again
def decode(
    image: ImageLike, at_least: int | None = None, levels: ValueRange | None = None
) -> UInt8[np.ndarray, "height width 3"]:
    """Return the picture as 8-bit RGB, upright.

    Args:
        image: a path, a file's bytes, an `ImageRef`, a Pillow image, or a uint8 array of shape (H, W) or
            (H, W, 1, 3 or 4).
        at_least: where given, a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size as long as both sides stay at
            or above this many pixels. One of more pixels than are held in memory always is.
        levels: the values that become black and white where samples have more than 8 bits; by default the range of
            their type.

    Raises:
        ImageError: the picture cannot be decoded; its `kind` is "empty", "not_an_image", "truncated", "too_large",
            "permission", "unsupported", "channels" or "unreadable".
        MachineError: memory, the disk or the network failed, three times.

    >>> decode(np.zeros((2, 3), np.uint8)).shape
    (2, 3, 3)
    """
    return np.asarray(_decode(image, at_least, levels))


def fit_square(
    pixels: UInt8[np.ndarray, "height width 3"], size: int, resize: str
) -> UInt8[np.ndarray, "size size 3"]:
    """Return the picture as a square of `size` pixels, by antialiased bicubic interpolation.

    `resize` is "crop" (short side to `size`, then the middle square), "stretch" (both sides) or "pad" (long side
    to `size`, the rest mid grey, which is near zero after every preprocessing).
    """
    return np.asarray(to_square(Image.fromarray(pixels), size, resize))


@tried_again
def view(
    image: ImageLike,
    size: int,
    resize: str = "crop",
    levels: ValueRange | None = None,
    *,
    only_clear: bool = False,
) -> UInt8[np.ndarray, "size size 3"]:
    """Return what a network sees of a picture: `decode`, then `fit_square`. Raises as `decode` does.

    With `only_clear` a picture of more than 8 bits for which no `levels` are given raises ImageError where its values
    do not say what is white.

    >>> view(np.zeros((8, 8), np.uint8), 224).shape
    (224, 224, 3)
    """
    # Twice the size keeps JPEG's coarse scaling out of the result.
    return np.asarray(to_square(_decode(image, 2 * size, levels, only_clear), size, resize))


def thumbnail(image: ImageLike, size: int, resize: str = "crop", levels: ValueRange | None = None) -> bytes:
    """Return a small square of a picture as the network sees it, as a JPEG. Raises as `decode` does."""
    file = io.BytesIO()
    Image.fromarray(view(image, size, resize, levels)).save(file, "JPEG", quality=75, optimize=True)
    return file.getvalue()


@tried_again
def digest(image: ImageLike) -> str:
    """Return SHA-256 as 64 hex digits: of encoded bytes, or of the shape and pixels of an array or Pillow image."""
    if isinstance(image, bytes):
        return hashlib.sha256(image).hexdigest()
    if isinstance(image, np.ndarray | Image.Image):
        pixels = image if isinstance(image, np.ndarray) else decode(image)
        header = f"{pixels.dtype} {pixels.shape} ".encode()
        return hashlib.sha256(header + np.ascontiguousarray(pixels).tobytes()).hexdigest()
    if not isinstance(image, str | os.PathLike):
        return hashlib.sha256(read_ref(image)).hexdigest()
    with open_file(image) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@tried_again
def samples_of(image: ImageLike) -> Samples | None:
    """Return what the samples of a picture are where they have more than 8 bits; others are not decoded.

    Raises as `decode` does.
    """
    with open_image(image) as opened:
        if isinstance(opened, ScientificTiff):
            return describe(deep_samples(opened))
        if opened.format in samples.DECLARED or not samples.is_deep(opened, is_own=opened is not image):
            return None
        return describe(deep_samples(opened))


def _decode(
    image: ImageLike, at_least: int | None, levels: ValueRange | None, only_clear: bool = False
) -> Image.Image:
    with open_image(image) as opened:
        # Pillow's draft mode would change the caller's own object.
        if isinstance(opened, Image.Image) and opened is not image:
            reduce_jpeg(opened, at_least)
        with room(opened.size[0] * opened.size[1]):
            if isinstance(opened, ScientificTiff) or samples.is_deep(opened, is_own=opened is not image):
                rgb = _deep_to_rgb(opened, levels, only_clear)
            else:
                load(opened)
                rgb = colour.to_rgb(opened)
            transpose = TRANSPOSE.get(orientation_of(opened))
            return rgb if transpose is None else rgb.transpose(transpose)


def _deep_to_rgb(
    opened: Image.Image | ScientificTiff, levels: ValueRange | None, only_clear: bool
) -> Image.Image:
    values = deep_samples(opened)
    if isinstance(opened, ScientificTiff):
        inverted = opened.is_inverted
    else:
        inverted = samples.is_inverted(opened)
        levels = _ALL_16_BITS if opened.format in samples.DECLARED else levels
    alpha = values[..., -1:] if values.ndim == 3 and values.shape[2] in (2, 4) else None
    values = values if alpha is None else values[..., :-1]
    if levels is None:
        found = describe(values)
        if only_clear:
            refuse_unclear(found)
        levels = usual_range(found)
    pixels = to_8_bit(values, levels)
    if alpha is not None:
        pixels = np.concatenate([pixels, to_8_bit(alpha, _ALL_16_BITS)], axis=2)
    return colour.to_rgb(Image.fromarray(255 - pixels if inverted else pixels))
