"""The one decoder: from a file, bytes, a Pillow image or an array to the square of pixels that a network sees.

EXIF orientation is applied, colour profiles are, transparency is laid on white, everything ends as 8-bit RGB in sRGB;
samples of more than 8 bits are brought there by a range of values that the data decide once
(`budwood.data.decoder.levels`). Animations and TIFFs of several pages give their first. What is too large is refused
from the header alone, or decoded at a reduced scale where it is a JPEG.
"""

import hashlib
import io
import os
import re
import stat
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from budwood.core.errors import ImageError
from budwood.data.decoder import colour, samples
from budwood.data.decoder.formats import (
    IMAGE_SUFFIXES,
    MAX_PIXELS,
    START,
    begins_like_a_picture,
    check_size,
    format_of,
    lacking,
    max_pixels,
    open_header,
    sniff,
)
from budwood.data.decoder.levels import Samples, ValueRange, describe, refuse_unclear, to_8_bit, usual_range
from budwood.data.decoder.machine import is_machine_fault, tried_again
from budwood.data.decoder.resize import to_square
from budwood.data.decoder.samples import ScientificTiff
from budwood.data.image_ref import ImageRef
from budwood.data.perceptual_hash import AT_LEAST, hash_and_sharpness, hash_of_values

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "START",
    "ImageLike",
    "Inspection",
    "Samples",
    "ValueRange",
    "begins_like_a_picture",
    "content_of",
    "decode",
    "digest",
    "fit_square",
    "format_of",
    "inspect",
    "lacking",
    "measure",
    "samples_of",
    "sniff",
    "thumbnail",
    "view",
]

ImageLike = str | os.PathLike | bytes | Image.Image | np.ndarray | ImageRef

_IN_PIECES = 1 << 26
"""Bytes of a file from which on it is not read at once."""
# Opening a pipe would wait for its writer for ever.
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_LARGE = 25_000_000
"""Pixels from which on one picture at a time is decoded, whatever the number of cores."""
_ALL_16_BITS = ValueRange(0.0, 65535.0)
_ORIENTATION, _MAKE, _MODEL, _EXIF_BLOCK, _TIME_TAKEN = 0x0112, 0x010F, 0x0110, 0x8769, 0x9003
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_one_large = threading.Lock()


@dataclass(frozen=True, slots=True)
class Inspection:
    """What decoding a picture showed."""

    width: int
    """Pixels, as a viewer shows it."""
    height: int
    samples: Samples | None = None
    """What its samples are where they have more than 8 bits, and the file does not say which are in use."""
    pages: int = 1
    """Of a TIFF, how many pictures it holds; the first is read."""
    hash: bytes = field(default=b"", compare=False, repr=False)
    """See `budwood.data.perceptual_hash`."""
    taken: str = ""
    """By its EXIF block when the picture was taken, as "2026:01:31 12:59:59", and after a blank with what; or empty."""
    sharpness: float | None = None
    """See `budwood.data.sharpness`; None where nothing can be said, as of pictures of more than 8 bits."""


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
        return hashlib.sha256(_content(image)).hexdigest()
    with _open_file(image) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@tried_again
def inspect(image: ImageLike) -> Inspection:
    """Return size, samples and pages of a picture, after decoding all of it as cheaply as possible.

    Raises as `decode` does, at about a third of the cost for a JPEG.
    """
    with _opened(image) as opened:
        width, height = opened.size
        if isinstance(opened, ScientificTiff) or samples.is_deep(opened, is_own=opened is not image):
            declared = not isinstance(opened, ScientificTiff) and opened.format in samples.DECLARED
            with _room(width * height):
                values = _samples(opened)
                found = None if declared else describe(values)
                grid, sharp = hash_of_values(values), None
        else:
            if opened is not image:
                # All is read, and of a JPEG the colours are not worked out.
                _reduce(opened, AT_LEAST, "L")
            found = None
            with _room(opened.width * opened.height):
                _load(opened)
                grid, sharp = hash_and_sharpness(opened, (width, height))
        # The EXIF block of a PNG may stand behind the pixels.
        orientation = _orientation(opened)
        if orientation in _TRANSPOSE:
            grid = np.asarray(Image.fromarray(grid).transpose(_TRANSPOSE[orientation]))
        if orientation >= 5:
            width, height = height, width
        pages = 1 if isinstance(opened, ScientificTiff) else samples.num_pages(opened)
        return Inspection(width, height, found, pages, grid.tobytes(), _taken(opened), sharp)


@tried_again
def samples_of(image: ImageLike) -> Samples | None:
    """Return what the samples of a picture are where they have more than 8 bits; others are not decoded.

    Raises as `decode` does.
    """
    with _opened(image) as opened:
        if isinstance(opened, ScientificTiff):
            return describe(_samples(opened))
        if opened.format in samples.DECLARED or not samples.is_deep(opened, is_own=opened is not image):
            return None
        return describe(_samples(opened))


def measure(image: ImageLike) -> tuple[int, int]:
    """Return width and height of the upright picture, after decoding all of it. Raises as `decode` does."""
    found = inspect(image)
    return found.width, found.height


@tried_again
def content_of(image: ImageLike) -> ImageLike:
    """Return the bytes of a file or an `ImageRef`, so that it is read once only; anything else as it is.

    A file that is so large that it is better read in pieces is given back as it is too. Raises as `decode` does where
    it cannot be read.
    """
    if isinstance(image, bytes | np.ndarray | Image.Image):
        return image
    if isinstance(image, str | os.PathLike):
        with _naming(image):
            content = _read_whole(os.fspath(image))
        return image if content is None else content
    return _content(image)


@contextmanager
def _opened(image: ImageLike) -> Iterator[Image.Image | ScientificTiff]:
    """Yield the picture with its header read and its size checked, nothing decoded yet."""
    if isinstance(image, np.ndarray):
        yield _from_array(image)
    elif isinstance(image, Image.Image):
        check_size(image)
        yield image
    elif isinstance(image, str | os.PathLike):
        with _open_file(image) as file, _header(file) as opened:
            yield opened
    else:
        content = image if isinstance(image, bytes) else _content(image)
        with _header(io.BytesIO(content)) as opened:
            yield opened


@contextmanager
def _header(file: io.BufferedIOBase) -> Iterator[Image.Image | ScientificTiff]:
    try:
        try:
            opened = open_header(file)
        except UnidentifiedImageError:
            yield samples.open_tiff(file)
            return
        with opened:
            yield samples.open_tiff(file) if samples.is_beyond_pillow(opened) else opened
    except ImageError:
        # A decoder that reads for itself takes a failing disk for a picture that was cut short.
        file.seek(0)
        while file.read(1 << 20):
            pass
        raise


def _content(image: ImageRef) -> bytes:
    # An open file looks like a reference, but reads nothing the second time.
    if not isinstance(image, ImageRef) or isinstance(image, io.IOBase):
        raise ImageError(
            f"a {type(image).__name__} is not a picture. Give a path, bytes, a Pillow image or a uint8 array"
        )
    try:
        return image.read()
    except PermissionError as error:
        raise ImageError("no permission to read it", "permission", image.name or None) from error
    except (OSError, ValueError) as error:
        if is_machine_fault(error):
            raise
        raise ImageError(getattr(error, "strerror", None) or str(error), path=image.name or None) from error


def _read_whole(path: str) -> bytes | None:
    """Return the content of a file with as few calls of the system as can be; None for a large file."""
    number = os.open(path, _READ)
    try:
        found = os.fstat(number)
        _refuse_other_than_file(found.st_mode)
        if found.st_size > _IN_PIECES:
            return None
        content = os.read(number, found.st_size + 1)
        while len(content) < found.st_size and (more := os.read(number, found.st_size + 1 - len(content))):
            content += more
        return content
    finally:
        os.close(number)


@contextmanager
def _open_file(path: str | os.PathLike) -> Iterator[io.BufferedIOBase]:
    """Yield the open file; whatever goes wrong with it is an ImageError that names it."""
    with _naming(path):
        # Opening a pipe would wait for its writer for ever.
        _refuse_other_than_file(os.stat(path).st_mode)
        with open(path, "rb") as file:
            yield file


def _refuse_other_than_file(mode: int) -> None:
    if not stat.S_ISREG(mode):
        fault = "a folder without a picture that is read" if stat.S_ISDIR(mode) else "not a file"
        raise ImageError(fault, "not_an_image")


@contextmanager
def _naming(path: str | os.PathLike) -> Iterator[None]:
    """Make an ImageError that names the file of what goes wrong with it."""
    try:
        yield
    except ImageError as error:
        raise ImageError(error.fault, error.kind, path) from error
    except PermissionError as error:
        raise ImageError("no permission to read it", "permission", path) from error
    except (OSError, ValueError) as error:
        if is_machine_fault(error):
            raise
        raise ImageError(getattr(error, "strerror", None) or str(error), path=path) from error


def _reduce(image: Image.Image, at_least: int | None, mode: str | None = None) -> None:
    """Have a JPEG decoded at a part of its size, where that is asked for or all of it would be too much."""
    if image.format not in ("JPEG", "MPO"):
        return
    width, height = image.size
    scale = 1 if at_least is None else max(1, min(width, height) // at_least)
    if scale < 8 and width * height > max_pixels():
        scale = max(
            scale, next(one for one in (2, 4, 8) if width * height <= max_pixels() * one**2 or one == 8)
        )
    if scale > 1:
        image.draft(mode or image.mode, (max(1, width // scale), max(1, height // scale)))


def _load(image: Image.Image) -> None:
    try:
        image.load()
    except Exception as error:  # damaged data make Pillow raise nearly anything
        if is_machine_fault(error):
            raise
        words = str(error) or type(error).__name__
        if isinstance(error, EOFError) or "truncat" in words.lower():
            raise ImageError(f"cut short ({words})", "truncated") from error
        raise ImageError(f"damaged ({words})") from error


def _room(pixels: int) -> AbstractContextManager[object]:
    return _one_large if pixels > _LARGE else nullcontext()


def _orientation(image: Image.Image | ScientificTiff) -> int:
    if isinstance(image, ScientificTiff):
        return image.orientation
    if image.format in ("JPEG", "MPO") and "xmp" not in image.info:
        # Looking for the tag takes a tenth of parsing all others.
        exif = image.info.get("exif", b"")
        if b"\x12\x01" not in exif and b"\x01\x12" not in exif:
            return 1
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return 1


def _taken(image: Image.Image | ScientificTiff) -> str:
    if isinstance(image, ScientificTiff):
        return ""
    try:
        exif = image.getexif()
        time = exif.get_ifd(_EXIF_BLOCK).get(_TIME_TAKEN) or ""
        found = re.fullmatch(r"(\d{4}):(\d\d):(\d\d) \d\d:\d\d:\d\d", str(time).strip("\0 "))
        if found is None or found[1] == "0000":
            return ""
        camera = " ".join(str(exif.get(tag) or "").strip("\0 ") for tag in (_MAKE, _MODEL))
        return f"{found[0]} {camera}".strip()
    except Exception:  # as above
        return ""


def _decode(
    image: ImageLike, at_least: int | None, levels: ValueRange | None, only_clear: bool = False
) -> Image.Image:
    with _opened(image) as opened:
        # Pillow's draft mode would change the caller's own object.
        if isinstance(opened, Image.Image) and opened is not image:
            _reduce(opened, at_least)
        with _room(opened.size[0] * opened.size[1]):
            if isinstance(opened, ScientificTiff) or samples.is_deep(opened, is_own=opened is not image):
                rgb = _deep_to_rgb(opened, levels, only_clear)
            else:
                _load(opened)
                rgb = colour.to_rgb(opened)
            transpose = _TRANSPOSE.get(_orientation(opened))
            return rgb if transpose is None else rgb.transpose(transpose)


def _samples(opened: Image.Image | ScientificTiff) -> np.ndarray:
    if isinstance(opened, ScientificTiff):
        return opened.read()
    return samples.deep_samples(opened, _load)


def _deep_to_rgb(
    opened: Image.Image | ScientificTiff, levels: ValueRange | None, only_clear: bool
) -> Image.Image:
    values = _samples(opened)
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


def _from_array(pixels: np.ndarray) -> Image.Image:
    if pixels.dtype != np.uint8 or not (
        pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (1, 3, 4))
    ):
        raise ImageError(
            f"an array of {pixels.dtype} and shape {pixels.shape} is not a picture. "
            "Expected uint8, 0 to 255, of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"
        )
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if 0 in pixels.shape:
        raise ImageError(f"an array of shape {pixels.shape} has no pixels", "empty")
    image = Image.fromarray(pixels)
    check_size(image)
    return image
