"""Samples of more than 8 bits as the file has them: grey, colour and TIFFs of science, which Pillow reads in part.

Pillow keeps grey of 16 and 32 bits, and drops the lower half of 16-bit colour: that half is read by a second pass, with
the order of the two bytes exchanged. TIFFs that it does not know at all are read by tifffile.
"""

import io
import logging
import math
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any, cast

import numpy as np
from PIL import Image, ImageFile

from budwood.core.errors import ImageError
from budwood.data.decoder import formats
from budwood.data.decoder.machine import is_machine_fault

DECLARED = ("PPM", "JPEG2000")
"""Formats whose header says what is white, which Pillow has scaled to 16 bits."""
_SWAPPED = {
    ";16B": ";16L",
    ";16L": ";16B",
    ";16N": ";16B" if sys.byteorder == "little" else ";16L",
}
_DEEP_COLOUR = {"RGB;16", "RGBX;16", "RGBA;16", "LA;16"}
_DEFLATE = (8, 32946)
_COMPRESSIONS = (1, 5, 7, *_DEFLATE, 32773)
"""None, LZW, JPEG, Deflate and PackBits: what tifffile may be asked to unpack."""
_BITS, _PHOTOMETRIC, _SUBFILE, _PLANAR, _WHITE_IS_ZERO = 258, 262, 254, 284, 0
# A file that breaks off is said to be so by an exception.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class ScientificTiff:
    """A TIFF that Pillow does not read, its header read."""

    size: tuple[int, int]
    orientation: int
    is_inverted: bool
    """Whether 0 is white."""
    read: Callable[[], np.ndarray]
    """Gives the samples, (H, W) or (H, W, 3)."""


def is_beyond_pillow(image: Image.Image) -> bool:
    """Return whether a picture that Pillow opened is a TIFF of deep colour in planes, which it does not decode."""
    tags = getattr(image, "tag_v2", None)
    return tags is not None and tags.get(_PLANAR) == 2 and max(tags.get(_BITS, (8,))) > 8


def is_deep(image: Image.Image, *, is_own: bool) -> bool:
    """Return whether a picture that is not loaded yet has samples of more than 8 bits.

    Of a caller's own object only grey is read so, for colour is read in two passes over its file.
    """
    return image.mode.startswith(("I", "F")) or (is_own and _raw_mode(image)[:-1] in _DEEP_COLOUR)


def is_inverted(image: Image.Image) -> bool:
    """Return whether 0 is white in a TIFF of deep grey; Pillow turns those of 8 bits itself."""
    tags = getattr(image, "tag_v2", None)
    return tags is not None and image.mode[0] in "IF" and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO


def deep_samples(image: Image.Image, load: Callable[[Image.Image], None]) -> np.ndarray:
    """Return the samples of a deep picture, (H, W) or (H, W, 3 or 4) with alpha last.

    Args:
        image: not loaded yet.
        load: decodes a picture, and says what is wrong with it.
    """
    if image.mode.startswith(("I", "F")):
        load(image)
        return np.asarray(image)
    assert isinstance(image, ImageFile.ImageFile) and image.fp is not None
    raw = _raw_mode(image)
    if raw.startswith("LA"):
        _set_raw_mode(image, "RGBA")
        load(image)
        halves = np.asarray(image).astype(np.uint16)
        return halves[..., 0::2] << 8 | halves[..., 1::2]
    file = cast(io.BufferedIOBase, image.fp)
    file.seek(0)
    twin = formats.open_header(file)
    # Each pass moves the file; what the other knows of its place is in its tiles.
    _set_raw_mode(twin, raw[:-4] + _SWAPPED[raw[-4:]])
    load(twin)
    lower = np.asarray(twin)
    file.seek(0)
    again = formats.open_header(file)
    load(again)
    return np.asarray(again).astype(np.uint16) << 8 | lower


def open_tiff(file: io.BufferedIOBase) -> ScientificTiff:
    """Return a TIFF that Pillow does not know.

    Raise ImageError where it is damaged, or is no flat picture of 1 or 3 channels.
    """
    import tifffile

    try:
        file.seek(0)
        page: Any = tifffile.TiffFile(cast(IO[bytes], file)).pages[0]
        height, width = int(page.imagelength), int(page.imagewidth)
        channels, shape, dtype = int(page.samplesperpixel), tuple(page.shape), page.dtype
        orientation, photometric = _tag(page, 274, 1), _tag(page, _PHOTOMETRIC, 1)
        bits = page.bitspersample
    except Exception as error:  # damaged headers make tifffile raise nearly anything
        if is_machine_fault(error) and not isinstance(error, MemoryError):
            raise
        raise ImageError("begins like a TIFF picture, but is cut short or damaged", "truncated") from error
    if dtype is None or dtype.kind not in "uif":
        raise ImageError(
            f"a TIFF of {bits} bits a sample and of a type that is not read; save it as 16-bit TIFF or PNG"
        )
    if channels not in (1, 3):
        raise ImageError(
            f"{channels} channels of {dtype.name}, and a network sees 3 (red, green, blue) or 1 (grey). Save those "
            "that matter as a picture of their own",
            "channels",
        )
    if len(shape) - (channels > 1) != 2:
        raise ImageError(f"a TIFF of the shape {' x '.join(map(str, shape))} is no flat picture", "channels")
    formats.refuse_size(width, height, formats.max_pixels() * 4 // max(4, channels * dtype.itemsize))
    if page.compression not in _COMPRESSIONS:
        raise ImageError("a TIFF of a compression that is not read; save it without", "unsupported")

    def read() -> np.ndarray:
        _refuse_other_sizes(page, file)
        try:
            values = page.asarray(maxworkers=1)
        except Exception as error:  # damaged data make tifffile and its codecs raise nearly anything
            if is_machine_fault(error):
                raise
            # tifffile raises KeyError or ValueError for it, as for damage, and names the package in the words alone.
            if "imagecodecs" in str(error):
                raise ImageError(
                    f"a TIFF of {dtype.name} with a compression that is read by the package imagecodecs: pip install "
                    "imagecodecs; or save it without compression",
                    "unsupported",
                ) from error
            raise ImageError(f"damaged ({error or type(error).__name__})") from error
        return np.moveaxis(values, 0, -1) if channels > 1 and values.shape[0] == channels else values

    return ScientificTiff((width, height), orientation, photometric == _WHITE_IS_ZERO, read)


def num_pages(image: Image.Image) -> int:
    """Return of how many pages one would have to be chosen: smaller copies and masks are none."""
    if image.format != "TIFF":
        return 1
    try:
        pages = 0
        for page in range(min(getattr(image, "n_frames", 1), 1000)):
            image.seek(page)
            pages += not int(getattr(image, "tag_v2", {}).get(_SUBFILE, 0)) & 5
        image.seek(0)
    except Exception as error:  # a damaged later page says nothing about the first
        if is_machine_fault(error):
            raise
        return 1
    return max(1, pages)


def _tag(page: Any, code: int, default: int) -> int:
    tag = page.tags.get(code)
    return int(tag.value) if tag is not None and isinstance(tag.value, int) else default


def _refuse_other_sizes(page: Any, file: io.BufferedIOBase) -> None:
    """Raise ImageError where a file holds less than its header says, or unpacks to more."""
    end = file.seek(0, io.SEEK_END)
    stored = sum(min(int(size), max(0, end - int(at))) for at, size in _strips(page))
    if page.compression == 1 and stored < page.nbytes:
        raise ImageError("cut short: it holds less than its header says", "truncated")
    if page.compression in _DEFLATE:
        largest = math.prod(page.chunks) * page.dtype.itemsize
        for at, size in _strips(page):
            file.seek(int(at))
            try:
                unpacker = zlib.decompressobj()
                unpacker.decompress(file.read(min(int(size), end)), largest + 1024)
            except zlib.error as error:
                raise ImageError(f"damaged ({error})") from error
            if unpacker.unconsumed_tail:
                raise ImageError("damaged: it unpacks to more than its header says")


def _strips(page: Any) -> Iterator[tuple[int, int]]:
    return zip(page.dataoffsets, page.databytecounts, strict=False)


def _raw_mode(image: Image.Image) -> str:
    tile = getattr(image, "tile", None)
    if not tile:
        return ""
    args = tile[0][3]
    raw = args if isinstance(args, str) else args[0] if args else ""
    return raw if isinstance(raw, str) else ""


def _set_raw_mode(image: Image.Image, raw: str) -> None:
    assert isinstance(image, ImageFile.ImageFile)
    image.tile = [
        tile._replace(args=raw if isinstance(tile.args, str) else (raw, *tile.args[1:]))  # type: ignore[index]
        for tile in image.tile
    ]
