"""Which formats are read, told by the first bytes of a file, and the header of a picture opened under a limit of size.

Only what people use for photos: Pillow's other readers are rarely tried on hostile files, one starts Ghostscript.
"""

import functools
import importlib.util
import io
import os
import warnings
from pathlib import Path
from typing import IO, cast

from PIL import Image, UnidentifiedImageError, features

from budwood.core.errors import DataError, ImageError
from budwood.core.forks import Lock
from budwood.data.decoder.machine import is_machine_fault

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".webp", ".avif", ".bmp", ".dib"),
    *(".tif", ".tiff", ".pbm", ".pgm", ".ppm", ".pnm", ".jp2", ".j2k"),
)
"""Endings, in lower case, of the files that are taken for photos whatever they hold."""
START = 64
"""Bytes from the beginning of a file that tell its format."""
MAX_PIXELS = 100_000_000
"""Most pixels of a picture that are held in memory, unless the environment variable BUDWOOD_MAX_PIXELS says another
number. A JPEG may have four times as many: it is decoded at a reduced scale."""
JPEG_FACTOR = 4

_FORMATS = ("JPEG", "MPO", "PNG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000", "HEIF")
_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG", "PNG"),
    (b"GIF8", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
)
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_HEIF_BOXES = {b"meta", b"mdat", b"free", b"skip", b"moov", b"uuid", b"mdft", b"idat"}
_BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}
_NEEDS_HEIF = (
    "a HEIC picture, which is read by the extra `heif`: pip install 'budwood[heif]'; or convert it to JPEG"
)
_NEEDS_AVIF = (
    "an AVIF picture, which this build of Pillow does not read. Install Pillow 11.3 or later, or convert it"
)
_header_lock = Lock()

# Pillow warns of oddities in a photo's metadata ("Corrupt EXIF data"), which are common and change no pixel.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
# It also warns of pictures that are large, at another size than ours.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning, module=r"PIL\.")


def format_of(start: bytes) -> str | None:
    """Return the format of a file that begins with these bytes (`START` of them are enough), None where it is unknown.

    >>> format_of(b"GIF89a"), format_of(b"a,b,c")
    ('GIF', None)
    """
    for signature, name in _SIGNATURES:
        if start.startswith(signature):
            return name
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WebP"
    if (
        start[:2] == b"BM"
        and start[6:10] == bytes(4)
        and int.from_bytes(start[14:18], "little") in _BMP_HEADERS
    ):
        return "BMP"
    if start[4:8] == b"ftyp":
        return _iso_format(start)
    return None


def sniff(path: str | os.PathLike) -> str | None:
    """Return the format of a file by its first bytes, None where it is no picture or cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return format_of(file.read(START))
    except (OSError, ValueError):
        return None


def begins_like_a_picture(start: bytes) -> bool:
    """Return whether a file with these first bytes is a picture that can be read here, whatever its name ends in.

    >>> begins_like_a_picture(b"GIF89a"), begins_like_a_picture(b"a,b,c")
    (True, False)
    """
    return lacking(format_of(start)) is None and format_of(start) is not None


def lacking(format: str | None) -> str | None:
    """Return what to do where pictures of a format are not read for want of a library; None where they are.

    >>> lacking("JPEG") is None
    True
    """
    if format == "HEIC" and not _has_heif():
        return _NEEDS_HEIF
    if format == "AVIF" and not features.check("avif"):
        return _NEEDS_AVIF
    return None


def max_pixels() -> int:
    """Return the most pixels of a picture that are held in memory. Raise DataError for a limit that is no number."""
    given = os.environ.get("BUDWOOD_MAX_PIXELS")
    return MAX_PIXELS if given is None else _number_of(given.strip().replace("_", ""))


def _number_of(given: str) -> int:
    if not given:
        return MAX_PIXELS
    if not given.isdecimal() or int(given) < 1:
        raise DataError(f"BUDWOOD_MAX_PIXELS is {given!r}. Expected a number of pixels, such as {MAX_PIXELS}")
    return int(given)


def open_header(file: io.BufferedIOBase) -> Image.Image:
    """Return the picture with its header read and its size checked, nothing decoded yet.

    Raises:
        ImageError: nothing that is read here, damaged, or too large.
        UnidentifiedImageError: a TIFF with samples that Pillow does not know.
    """
    start = file.read(START)
    file.seek(0)
    if not start:
        raise ImageError("the file is empty", "empty")
    if start[4:8] == b"ftyp" and (missing := lacking(format_of(start))):
        raise ImageError(missing, "unsupported")
    try:
        try:
            opened = Image.open(cast(IO[bytes], file), formats=_formats())
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            # Pillow's own limit is another one; ours is checked below, before any decoding.
            with _header_lock:
                limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
                try:
                    file.seek(0)
                    opened = Image.open(cast(IO[bytes], file), formats=_formats())
                finally:
                    Image.MAX_IMAGE_PIXELS = limit
    except Exception as error:  # damaged headers make Pillow raise nearly anything
        if is_machine_fault(error):
            raise
        name = format_of(start)
        if name == "TIFF" and isinstance(error, UnidentifiedImageError):
            raise
        if named := name or _named_by_brands(start):
            raise ImageError(
                f"begins like a {named} picture, but is cut short or damaged", "truncated"
            ) from error
        if isinstance(error, UnidentifiedImageError):
            raise ImageError(
                "not a picture that can be read (JPEG, PNG, WebP, ...)", "not_an_image"
            ) from error
        raise ImageError(f"damaged header ({error})") from error
    check_size(opened)
    return opened


def check_size(image: Image.Image) -> None:
    """Raise ImageError for a picture without pixels, or with more than are decoded."""
    width, height = image.size
    most = max_pixels()
    if image.format in ("JPEG", "MPO"):
        # All scans of a progressive JPEG are held at once, at whatever scale it is decoded.
        most = most if image.info.get("progressive") else JPEG_FACTOR * most
    elif image.format == "WEBP" and getattr(image, "is_animated", False):
        # Two canvases are composed, and copied, for the first frame already.
        most //= 4
    elif image.mode in ("I", "F"):
        # Four bytes a sample, which NumPy copies.
        most //= 2
    refuse_size(width, height, most)


def refuse_size(width: int, height: int, most: int) -> None:
    """Raise ImageError for so many pixels, or none."""
    if width * height > most:
        raise ImageError(
            f"{width} x {height} pixels are more than the {most:,} that are decoded; scale it down, or raise the "
            "environment variable BUDWOOD_MAX_PIXELS where there is memory for it",
            "too_large",
        )
    if width * height <= 0:
        raise ImageError(f"{width} x {height} pixels: there is nothing in it", "empty")


@functools.cache
def _has_heif() -> bool:
    return importlib.util.find_spec("pillow_heif") is not None


@functools.cache
def _formats() -> list[str]:
    Image.init()
    if _has_heif():
        import pillow_heif

        pillow_heif.register_heif_opener()
    return [name for name in _FORMATS if name in Image.OPEN]


def _iso_format(start: bytes) -> str | None:
    """Return the format of a file of boxes, the first of which names the brands that it follows."""
    length = int.from_bytes(start[:4], "big")
    following = start[length + 4 : length + 8]
    return None if len(following) == 4 and following not in _HEIF_BOXES else _named_by_brands(start)


def _named_by_brands(start: bytes) -> str | None:
    """Return the format that the first box says, whatever follows it."""
    if start[4:8] != b"ftyp":
        return None
    length = int.from_bytes(start[:4], "big")
    brands = [start[8:12], *(start[at : at + 4] for at in range(16, min(length, len(start)), 4))]
    if b"avif" in brands or b"avis" in brands:
        return "AVIF"
    return "HEIC" if _HEIF_BRANDS & set(brands) else None
