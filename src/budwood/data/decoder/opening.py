"""A picture of any source, opened: its header read, its size checked, and what is needed to decode it."""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np
from PIL import Image, UnidentifiedImageError

from budwood.core.errors import ImageError
from budwood.core.forks import Lock
from budwood.data.decoder import samples
from budwood.data.decoder.formats import check_size, max_pixels, open_header
from budwood.data.decoder.machine import is_machine_fault, tried_again
from budwood.data.decoder.samples import ScientificTiff
from budwood.data.image_ref import ImageRef

ImageLike = str | os.PathLike | bytes | Image.Image | np.ndarray | ImageRef

_IN_PIECES = 1 << 26
"""Bytes of a file from which on it is not read at once."""
# Opening a pipe would wait for its writer for ever.
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_LARGE = 25_000_000
"""Pixels from which on one picture at a time is decoded, whatever the number of cores."""
_ORIENTATION = 0x0112
TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How pixels are turned upright, by the number that EXIF has for them."""
_one_large = Lock()


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
    return read_ref(image)


@contextmanager
def open_image(image: ImageLike) -> Iterator[Image.Image | ScientificTiff]:
    """Yield the picture with its header read and its size checked, nothing decoded yet."""
    if isinstance(image, np.ndarray):
        yield _from_array(image)
    elif isinstance(image, Image.Image):
        check_size(image)
        yield image
    elif isinstance(image, str | os.PathLike):
        with open_file(image) as file, _header(file) as opened:
            yield opened
    else:
        content = image if isinstance(image, bytes) else read_ref(image)
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


def read_ref(image: ImageRef) -> bytes:
    """Return the encoded picture of a reference. Raise ImageError where it cannot be read."""
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
def open_file(path: str | os.PathLike) -> Iterator[io.BufferedIOBase]:
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


def reduce_jpeg(image: Image.Image, at_least: int | None, mode: str | None = None) -> None:
    """Have a JPEG decoded at a part of its size, where that is asked for or all of it would be too much."""
    if image.format not in ("JPEG", "MPO"):
        return
    width, height = image.size
    scale = 1 if at_least is None else max(1, min(width, height) // at_least)
    if scale < 8 and width * height > (most := max_pixels()):
        scale = max(scale, next(one for one in (2, 4, 8) if width * height <= most * one**2 or one == 8))
    if scale > 1:
        image.draft(mode or image.mode, (max(1, width // scale), max(1, height // scale)))


def load(image: Image.Image) -> None:
    """Decode a picture. Raise ImageError where it is damaged."""
    try:
        image.load()
    except Exception as error:  # damaged data make Pillow raise nearly anything
        if is_machine_fault(error):
            raise
        words = str(error) or type(error).__name__
        # Pillow raises a plain OSError, without errno, for a file cut short as for other damage: the words alone tell.
        if isinstance(error, EOFError) or "truncat" in words.lower():
            raise ImageError(f"cut short ({words})", "truncated") from error
        raise ImageError(f"damaged ({words})") from error


def room(pixels: int) -> AbstractContextManager[object]:
    """Return what to hold while a picture of so many pixels is decoded: one large one at a time."""
    return _one_large if pixels > _LARGE else nullcontext()


def orientation_of(image: Image.Image | ScientificTiff) -> int:
    """Return the number that EXIF has for how a picture is turned, 1 where it is upright."""
    if isinstance(image, ScientificTiff):
        return image.orientation
    if image.format in ("JPEG", "MPO") and "xmp" not in image.info:
        # Looking for the tag takes a tenth of parsing all others.
        exif = image.info.get("exif", b"")
        if b"\x12\x01" not in exif and b"\x01\x12" not in exif:
            return 1
    try:
        found = int(image.getexif().get(_ORIENTATION, 1))
        return found if found in TRANSPOSE else 1
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return 1


def deep_samples(opened: Image.Image | ScientificTiff) -> np.ndarray:
    """Return the samples of a picture of more than 8 bits."""
    if isinstance(opened, ScientificTiff):
        return opened.read()
    return samples.deep_samples(opened, load)


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
