"""The one decoder: from a file, bytes, a Pillow image or an array to the square of pixels that a network sees.

EXIF orientation is applied, transparency is laid on white, everything ends as 8-bit RGB; colour profiles are not
applied. Animations give their first frame. Files above `MAX_PIXELS` are refused from the header alone.
"""

import functools
import hashlib
import io
import os
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from budwood.core.errors import ImageError
from budwood.data.image_ref import ImageRef

ImageLike = str | os.PathLike | bytes | Image.Image | np.ndarray | ImageRef

MAX_PIXELS = 100_000_000
"""Largest picture that is decoded, in pixels."""

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".webp", ".avif", ".bmp", ".dib"),
    *(".tif", ".tiff", ".pbm", ".pgm", ".ppm", ".pnm", ".jp2", ".j2k"),
)
"""Endings, in lower case, of the files that a folder source takes for photos."""

# Only what people use for photos: Pillow's other readers are rarely tried on hostile files, one starts Ghostscript.
_FORMATS = ("JPEG", "MPO", "PNG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000")
_SIGNATURES = re.compile(rb"\xff\xd8\xff|\x89PNG|GIF8|II\*\0|MM\0\*|RIFF....WEBP|....ftypavi", re.DOTALL)
_ORIENTATION = 0x0112
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PAD_GREY = (127, 127, 127)
_header_lock = threading.Lock()

# Pillow warns of oddities in a photo's metadata ("Corrupt EXIF data"), which are common and change no pixel.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def decode(image: ImageLike, at_least: int | None = None) -> UInt8[np.ndarray, "height width 3"]:
    """Return the picture as 8-bit RGB, upright.

    Args:
        image: a path, a file's bytes, an `ImageRef`, a Pillow image, or a uint8 array of shape (H, W) or
            (H, W, 1, 3 or 4).
        at_least: where given, a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size as long as both sides stay at
            or above this many pixels.

    Raises:
        ImageError: the picture cannot be decoded; its `kind` is "empty", "not_an_image", "truncated", "too_large",
            "permission" or "unreadable".

    >>> decode(np.zeros((2, 3), np.uint8)).shape
    (2, 3, 3)
    """
    return np.asarray(_decode(image, at_least))


def fit_square(
    pixels: UInt8[np.ndarray, "height width 3"], size: int, resize: str
) -> UInt8[np.ndarray, "size size 3"]:
    """Return the picture as a square of `size` pixels, by antialiased bicubic interpolation.

    `resize` is "crop" (short side to `size`, then the middle square), "stretch" (both sides) or "pad" (long side
    to `size`, the rest mid grey, which is near zero after every preprocessing).
    """
    return np.asarray(_fit(Image.fromarray(pixels), size, resize))


def view(image: ImageLike, size: int, resize: str = "crop") -> UInt8[np.ndarray, "size size 3"]:
    """Return what a network sees of a picture: `decode`, then `fit_square`. Raises ImageError as `decode` does.

    >>> view(np.zeros((8, 8), np.uint8), 224).shape
    (224, 224, 3)
    """
    # Twice the size keeps JPEG's coarse scaling out of the result.
    return np.asarray(_fit(_decode(image, 2 * size), size, resize))


def thumbnail(image: ImageLike, size: int, resize: str = "crop") -> bytes:
    """Return a small square of a picture as the network sees it, as a JPEG. Raises ImageError as `decode` does."""
    file = io.BytesIO()
    Image.fromarray(view(image, size, resize)).save(file, "JPEG", quality=75, optimize=True)
    return file.getvalue()


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


def measure(image: ImageLike) -> tuple[int, int]:
    """Return width and height of the upright picture, after decoding all of it as cheaply as possible.

    Raises ImageError exactly where `decode` does, at about a third of the cost for a JPEG.
    """
    with _opened(image) as opened:
        width, height = opened.size
        _load(opened, None if opened is image else 1)
        return (height, width) if _orientation(opened) >= 5 else (width, height)


def begins_like_a_picture(start: bytes) -> bool:
    """Return whether a file with these first 16 bytes is a picture, whatever its name ends in.

    >>> begins_like_a_picture(b"GIF89a"), begins_like_a_picture(b"a,b,c")
    (True, False)
    """
    return _SIGNATURES.match(start) is not None


@contextmanager
def _opened(image: ImageLike) -> Iterator[Image.Image]:
    """Yield the picture with its header read and its size checked, nothing decoded yet."""
    if isinstance(image, np.ndarray):
        yield _from_array(image)
    elif isinstance(image, Image.Image):
        _check_size(image)
        yield image
    elif isinstance(image, bytes):
        with _read_header(io.BytesIO(image)) as opened:
            yield opened
    elif isinstance(image, str | os.PathLike):
        with _open_file(image) as file, _read_header(file) as opened:
            yield opened
    else:
        with _read_header(io.BytesIO(_content(image))) as opened:
            yield opened


def content_of(image: ImageLike) -> ImageLike:
    """Return the bytes of a file or an `ImageRef`, so that it is read once only; anything else as it is.

    Raises ImageError where it cannot be read.
    """
    if isinstance(image, bytes | np.ndarray | Image.Image):
        return image
    if isinstance(image, str | os.PathLike):
        with _open_file(image) as file:
            return file.read()
    return _content(image)


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
        raise ImageError(getattr(error, "strerror", None) or str(error), path=image.name or None) from error


@contextmanager
def _open_file(path: str | os.PathLike) -> Iterator[io.BufferedIOBase]:
    """Yield the open file; whatever goes wrong with it is an ImageError that names it."""
    try:
        # Opening a pipe would wait for its writer for ever.
        if not stat.S_ISREG(Path(path).stat().st_mode):
            folder = os.path.isdir(path)
            raise ImageError(
                "a folder without a picture that is read" if folder else "not a file", "not_an_image"
            )
        with Path(path).open("rb") as file:
            yield file
    except ImageError as error:
        raise ImageError(error.fault, error.kind, path) from error
    except PermissionError as error:
        raise ImageError("no permission to read it", "permission", path) from error
    except (OSError, ValueError) as error:
        raise ImageError(getattr(error, "strerror", None) or str(error), path=path) from error


@functools.cache
def _formats() -> list[str]:
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _read_header(file: io.BufferedIOBase) -> Image.Image:
    start = file.read(16)
    file.seek(0)
    if not start:
        raise ImageError("the file is empty", "empty")
    try:
        # Pillow's own limit warns on standard error, at another size; ours is checked below, before any decoding.
        with _header_lock:
            limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                opened = Image.open(cast(IO[bytes], file), formats=_formats())
            finally:
                Image.MAX_IMAGE_PIXELS = limit
    except Exception as error:  # damaged headers make Pillow raise nearly anything
        if _SIGNATURES.match(start):
            raise ImageError("begins like a picture, but is cut short or damaged", "truncated") from error
        if isinstance(error, UnidentifiedImageError):
            raise ImageError(
                "not a picture that can be read (JPEG, PNG, WebP, ...)", "not_an_image"
            ) from error
        raise ImageError(f"damaged header ({error})") from error
    _check_size(opened)
    return opened


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{width} x {height} pixels are more than the {MAX_PIXELS:,} that are decoded; scale it down",
            "too_large",
        )
    if width * height == 0:
        raise ImageError(f"{width} x {height} pixels: there is nothing in it", "empty")


def _load(image: Image.Image, at_least: int | None) -> None:
    if at_least is not None:
        image.draft(image.mode, (at_least, at_least))
    try:
        image.load()
    except Exception as error:  # damaged data make Pillow raise nearly anything
        words = str(error) or type(error).__name__
        if isinstance(error, EOFError) or "truncat" in words.lower():
            raise ImageError(f"cut short ({words})", "truncated") from error
        raise ImageError(f"damaged ({words})") from error


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return 1


def _decode(image: ImageLike, at_least: int | None) -> Image.Image:
    with _opened(image) as opened:
        # Pillow's draft mode would change the caller's own object.
        _load(opened, None if opened is image else at_least)
        rgb = _to_rgb(opened)
        transpose = _TRANSPOSE.get(_orientation(opened))
    return rgb if transpose is None else rgb.transpose(transpose)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_to_8_bit(np.asarray(image))).convert("RGB")
    try:
        if image.has_transparency_data:
            white = Image.new("RGBA", image.size, "white")
            return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
        return image.convert("RGB")
    except ValueError as error:
        raise ImageError(f"colour mode {image.mode} has no RGB form here; save it as RGB") from error


def _to_8_bit(values: np.ndarray) -> UInt8[np.ndarray, "height width"]:
    """Return grey values of 16 or 32 bits, or floats, at 8 bits: from the smallest usual range that holds all."""
    if values.dtype.itemsize == 2:
        top = 65535.0
    else:
        usual = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (65535.0,)
        values = np.nan_to_num(values)
        top = next((limit for limit in usual if values.max() <= limit), float(values.max()))
    scaled = values.astype(np.float32) * (255.0 / top)
    return np.clip(scaled + 0.5, 0, 255).astype(np.uint8)


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
    _check_size(image)
    return image


Box = tuple[float, float, float | int, float | int]


def _fit(image: Image.Image, size: int, resize: str) -> Image.Image:
    width, height = image.size
    if resize == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        return _scale(image, (size, size), (left, top, left + side, top + side))
    if resize == "stretch":
        return _scale(image, (size, size), (0.0, 0.0, width, height))
    if resize == "pad":
        scale = size / max(width, height)
        fitted = (max(1, round(width * scale)), max(1, round(height * scale)))
        square = Image.new("RGB", (size, size), _PAD_GREY)
        corner = ((size - fitted[0]) // 2, (size - fitted[1]) // 2)
        square.paste(_scale(image, fitted, (0.0, 0.0, width, height)), corner)
        return square
    raise ValueError(f'resize = "{resize}" is unknown. Give "crop", "stretch" or "pad"')


def _scale(image: Image.Image, size: tuple[int, int], box: Box) -> Image.Image:
    return image.resize(size, Image.Resampling.BICUBIC, box=box, reducing_gap=2.0)
