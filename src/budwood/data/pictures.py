"""Pictures as a program gives them, one or many: the one place that says what a picture is.

One picture is a path, encoded bytes (`bytes`, `bytearray`, `memoryview`), an open file or an upload (anything with
`read()`, which is called once), a Pillow image, an `ImageRef`, or an array `(H, W)`, `(H, W, 1)`, `(H, W, 3)` or
`(H, W, 4)`: uint8, or whole numbers from 0 to 255 of another type. Colours are red, green, blue; whether an array
has them in the order of OpenCV, blue first, no array tells. A tensor of another library is read as an array.

Many are an iterable of these, an array `(N, H, W, C)`, an array of paths `(N,)` or `(N, 1)`, a column of
a data frame, or a data frame of one column. What can be read in two ways is refused, and so is what is no picture: that
is a mistake of the program. A file that cannot be decoded is not, and is told of where it is decoded.
"""

import inspect
import math
import os
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from budwood.core.errors import PictureError
from budwood.core.text import count
from budwood.data.image_ref import ImageRef
from budwood.data.images import ImageLike, begins_like_a_picture

CHANNELS = (1, 3, 4)
"""Grey; red, green, blue; these with transparency."""
_EXPECTED = (
    "Give a path, encoded bytes, an open file, a Pillow image, a uint8 array (H, W, 3), or a list of these"
)
_WHOLE = "uint8, or whole numbers from 0 to 255"
# What streams have and an `ImageRef` has not: they give their content once.
_OF_STREAMS = ("__iter__", "__enter__", "seek", "close", "readline", "readall")


def take_pictures(given: object) -> Iterable[ImageLike]:
    """Return pictures in order: a list where all are at hand, else an iterator that takes each when it is asked for.

    Raises:
        PictureError: at once for what is no picture, alone or in a sequence; from an iterator when it comes to it.

    >>> take_pictures("a.jpg"), take_pictures(["a.jpg", b"..."])
    (['a.jpg'], ['a.jpg', b'...'])
    """
    if is_one(given):
        return [_one(given, "")]
    found = _several(given)
    if isinstance(found, Sequence):
        return [_one(picture, f"picture {number}: ") for number, picture in enumerate(found)]
    return (_one(picture, f"picture {number}: ") for number, picture in enumerate(found))


def list_pictures(given: object) -> list[ImageLike]:
    """Return pictures as `take_pictures` does, all of them at once."""
    return list(take_pictures(given))


def is_one(given: object) -> bool:
    """Return whether something is one picture, and not several. Raise PictureError where it may be either, or no array
    of numbers that could be pictures.

    >>> is_one(np.zeros((8, 6, 3), np.uint8)), is_one(np.zeros((2, 8, 6, 3), np.uint8))
    (True, False)
    """
    if isinstance(given, str | bytes | bytearray | memoryview | os.PathLike | Image.Image | ImageRef):
        return True
    if callable(getattr(given, "read", None)):
        return True
    if _is_frame(given) or _is_column(given) or not _is_array(given):
        return False
    pixels = _as_array(given, "")
    if pixels.dtype.kind in "OUT":
        return pixels.ndim == 0
    return _num_pictures(pixels, "") is None


def name_of(picture: ImageLike, number: int) -> str:
    """Return what to call a picture: the path, or "image N".

    >>> name_of("a.jpg", 0), name_of(b"...", 1)
    ('a.jpg', 'image 1')
    """
    return os.fspath(picture) if isinstance(picture, str | os.PathLike) else f"image {number}"


def _several(given: Any) -> Iterable[object]:
    """Return what a collection holds, a sequence where it is at hand."""
    if _is_frame(given):
        return _of_frame(given)
    if _is_column(given):
        return given.to_list()
    if _is_array(given):
        return _of_array(_as_array(given, ""))
    if isinstance(given, Mapping | Set):
        raise PictureError(f"{_a(given)} has no order in which its pictures could be answered. {_EXPECTED}")
    if not isinstance(given, Iterable):
        raise PictureError(f"{_a(given)} is no picture. {_EXPECTED}")
    return given if isinstance(given, Sequence) else iter(given)


def _of_frame(frame: Any) -> Sequence[object]:
    names = [str(name) for name in frame.columns]
    if len(names) != 1:
        # Its rows may be meant, or the columns' names, over which it iterates.
        first = f"[{names[0]!r}]" if names else ""
        raise PictureError(
            f"a {type(frame).__name__} of {len(names)} columns was given, shape {tuple(frame.shape)}. Give its column "
            f"of paths, a Series, such as frame{first or '[name]'}"
        )
    return frame[frame.columns[0]].to_list()


def _of_array(pixels: np.ndarray) -> Sequence[object]:
    if pixels.dtype.kind in "OUT":
        if pixels.ndim == 2 and pixels.shape[1] == 1:
            pixels = pixels[:, 0]
        if pixels.ndim != 1:
            raise PictureError(
                f"an array of {_type(pixels)} and shape {pixels.shape} is no column of pictures. Expected shape "
                "(N,) or (N, 1)"
            )
        return pixels.tolist()
    # All of them at once: a dark one among others is of their range.
    return list(pixels if pixels.dtype == np.uint8 else _whole(pixels, ""))


def _one(picture: Any, where: str) -> ImageLike:
    """Return one picture in a form that can be decoded, as often as is asked."""
    if isinstance(picture, str | bytes | os.PathLike | Image.Image):
        return picture
    if isinstance(picture, bytearray):
        return bytes(picture)
    if isinstance(picture, memoryview):
        flat = picture.ndim == 1 and picture.itemsize == 1
        return bytes(picture) if flat else _pixels(np.asarray(picture), where)
    if callable(getattr(picture, "read", None)):
        stream = any(hasattr(picture, name) for name in _OF_STREAMS)
        asynchronous = inspect.iscoroutinefunction(picture.read)
        return (
            picture
            if isinstance(picture, ImageRef) and not (stream or asynchronous)
            else _read(picture, where)
        )
    if not (_is_frame(picture) or _is_column(picture)) and _is_array(picture):
        return _pixels(_as_array(picture, where), where)
    raise PictureError(f"{where}{_a(picture)} is no picture. {_EXPECTED}")


def _read(stream: Any, where: str) -> bytes:
    """Return the content of an open file or an upload, from where it stands."""
    content = None if inspect.iscoroutinefunction(stream.read) else stream.read()
    if content is None or inspect.isawaitable(content):
        if inspect.iscoroutine(content):
            content.close()
        raise PictureError(
            f"{where}read() of {_a(stream)} has to be awaited. Give its bytes, await upload.read(), or the file "
            "within, upload.file"
        )
    if isinstance(content, str):
        raise PictureError(f"{where}{_a(stream)} reads text. Open the file as bytes: open(path, 'rb')")
    if not isinstance(content, bytes | bytearray | memoryview):
        raise PictureError(f"{where}read() of {_a(stream)} gives {_a(content)}. Expected bytes")
    return bytes(content)


def _pixels(pixels: np.ndarray, where: str) -> ImageLike:
    """Return an array that is one picture as uint8."""
    if pixels.dtype.kind in "OUT" and pixels.ndim == 0:
        return _one(pixels.item(), where)
    number = _num_pictures(pixels, where)
    if number is not None:
        raise PictureError(
            f"{where}an array of shape {pixels.shape} is {count(number, 'picture')} where one is expected. "
            "Join the arrays, or give each picture by itself"
        )
    return pixels if pixels.dtype == np.uint8 else _whole(pixels, where)


def _num_pictures(pixels: np.ndarray, where: str) -> int | None:
    """Return how many pictures the shape of an array says that it holds; None for a single one.

    Raise PictureError for what is no picture by its type or shape, or may be read in two ways.
    """
    shape, rank = pixels.shape, pixels.ndim
    said = f"{where}an array of {_type(pixels)} and shape {shape}"
    if pixels.dtype.kind not in "fiu":
        raise PictureError(f"{said} is no picture. Expected {_WHOLE}{_HINTS.get(pixels.dtype.kind, '')}")
    encoded = rank == 1 or (rank == 2 and 1 in shape)
    if encoded and pixels.dtype == np.uint8 and begins_like_a_picture(pixels[:64].tobytes()):
        raise PictureError(f"{said} is an encoded file. Give its bytes: array.tobytes()")
    if rank not in (2, 3, 4):
        raise PictureError(f"{said} is no picture. Expected (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)")
    if 0 in (shape[1:] if rank == 4 else shape):
        raise PictureError(f"{said} has no pixels")
    if rank == 2:
        return None
    first, last = shape[-3] in CHANNELS, shape[-1] in CHANNELS
    moved = "array.transpose(1, 2, 0)" if rank == 3 else "array.transpose(0, 2, 3, 1)"
    # Of a picture of many bands or of several in grey, either may be meant.
    grey = "; of several grey pictures, give array[..., np.newaxis]" if rank == 3 else ""
    if first and last:
        raise PictureError(
            f"{said} has its channels first or last, which its shape does not tell. Give pictures larger than "
            f"{CHANNELS[-1]} pixels, or a Pillow image, which knows"
        )
    if first:
        raise PictureError(f"{said} has its channels first. Put them last: {moved}{grey}")
    if not last:
        expected = "(H, W, 1), (H, W, 3) or (H, W, 4)"
        if rank == 4:
            expected = "(N, H, W, 1), (N, H, W, 3) or (N, H, W, 4)"
        raise PictureError(f"{said} has {shape[-1]} channels. Expected {expected}{grey}")
    return None if rank == 3 else shape[0]


_HINTS = {
    "b": "; (255 * array).astype('uint8') makes that of a mask",
    # NumPy drops the zeros at their ends.
    "S": ". Give a list of bytes",
}


def _whole(pixels: np.ndarray, where: str) -> UInt8[np.ndarray, "..."]:
    """Return whole numbers from 0 to 255 as uint8. Raise PictureError for others, and where 1 may be white."""
    said = f"{where}an array of {_type(pixels)}"
    if pixels.dtype.itemsize == 2 and pixels.dtype.kind != "f":
        raise PictureError(
            f"{said} may hold more than 8 bits, and does not say which value is white. Bring it to uint8, or give a "
            "16-bit Pillow image or file, for which the run has the range of its training photos"
        )
    if not pixels.size:
        return pixels.astype(np.uint8)
    low, high = float(pixels.min()), float(pixels.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise PictureError(f"{said} holds NaN or infinite values. Expected {_WHOLE}")
    if low >= 0 and 0 < high <= 1:
        also = "may be" if high == 1 and np.array_equal(pixels, np.rint(pixels)) else "is"
        raise PictureError(
            f"{said} from {low:.3g} to {high:.3g} {also} of the range 0 to 1. Expected {_WHOLE}: "
            "(255 * array).round().astype('uint8')"
        )
    if low < 0 or high > 255:
        raise PictureError(
            f"{said} from {low:.3g} to {high:.3g} is no picture. Expected {_WHOLE}: leave out a normalisation, the "
            "model has its own"
        )
    found = pixels.astype(np.uint8)
    if not np.array_equal(found, pixels):
        raise PictureError(
            f"{said} holds numbers that are not whole. Expected {_WHOLE}: array.round().astype('uint8')"
        )
    return found


def _as_array(given: Any, where: str) -> np.ndarray:
    """Return an array or a tensor of another library as an array."""
    if isinstance(given, np.ndarray):
        return given
    try:
        return np.asarray(given)
    except Exception as error:  # each library has its own for what lies on a device or has a gradient
        raise PictureError(
            f"{where}{_a(given)} cannot be read as an array ({error}). Give it as a NumPy array in memory"
        ) from error


def _is_array(given: Any) -> bool:
    return isinstance(given, np.ndarray) or any(
        hasattr(given, name) for name in ("__array__", "__array_interface__", "__dlpack__")
    )


def _is_frame(given: Any) -> bool:
    return hasattr(given, "columns") and hasattr(given, "__getitem__")


def _is_column(given: Any) -> bool:
    return hasattr(given, "to_list")


def _type(pixels: np.ndarray) -> str:
    return {"U": "text", "T": "text", "O": "objects", "S": "bytes"}.get(pixels.dtype.kind, str(pixels.dtype))


def _a(given: object) -> str:
    """Return a value by its type, with an article.

    >>> _a(None), _a(3), _a(b"")
    ('None', 'an int', 'a bytes')
    """
    name = type(given).__name__
    if given is None:
        return "None"
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
