"""Pictures inside the report: thumbnails of photos and the heat map of a large confusion matrix."""

import base64
import io

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from budwood.core.errors import ImageError
from budwood.data.images import ImageLike, ValueRange, decode, fit_square

_RIGHT, _WRONG = (46, 125, 84), (205, 92, 24)


def thumbnail(
    image: ImageLike | None, resize: str = "crop", side: int = 160, levels: ValueRange | None = None
) -> str | None:
    """Return a photo as the network sees it, `side` pixels square, as the `data:` URI of a JPEG; None where
    it cannot be read.

    `resize` is the recipe's `data.resize`: "crop", "stretch" or "pad"; or "whole" for all of it in its own shape.
    """
    if image is None:
        return None
    try:
        # A JPEG at a half or a quarter of its size is good enough to look at, and decoded several times as fast.
        pixels = decode(image, side, levels)
        if resize == "whole":
            whole = Image.fromarray(pixels)
            whole.thumbnail((side, side), Image.Resampling.BICUBIC)
            return _jpeg(whole)
        pixels = fit_square(pixels, side, resize)
    except (ImageError, OSError):
        return None
    return jpeg(pixels)


def jpeg(pixels: UInt8[np.ndarray, "height width 3"], side: int | None = None) -> str:
    """Return pixels as the `data:` URI of a JPEG, where asked for scaled to a square of `side` pixels."""
    image = Image.fromarray(pixels)
    if side is not None:
        image = image.resize((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return _jpeg(image)


def _jpeg(image: Image.Image) -> str:
    return _data_uri(image, "JPEG", quality=80 if max(image.size) > 120 else 72, optimize=True)


def heat_map(confusion: Int[np.ndarray, "classes classes"], *, by_row: bool = False) -> str:
    """Return a confusion matrix (rows true) as the `data:` URI of a PNG: one cell a pixel or more, stronger
    for more photos.

    Opacity is logarithmic in the count, or with `by_row` the share of the row. Correct predictions, on the diagonal,
    are green, mistakes orange, counts each against its own largest; cells without a photo are transparent, so that the
    picture stands on light and on dark paper.
    """
    num_classes = len(confusion)
    diagonal = np.eye(num_classes, dtype=bool)
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    strength = shares if by_row else log_strength(confusion)
    cells = np.empty((num_classes, num_classes, 4), np.uint8)
    cells[..., :3] = np.where(diagonal[..., None], _RIGHT, _WRONG)
    cells[..., 3] = np.where(confusion > 0, 90 + 165 * strength, 0)
    scale = max(1, 800 // num_classes)
    side = num_classes * scale
    return _data_uri(
        Image.fromarray(cells).resize((side, side), Image.Resampling.NEAREST), "PNG", optimize=True
    )


def log_strength(confusion: Int[np.ndarray, "classes classes"]) -> Float[np.ndarray, "classes classes"]:
    """Return how strong each cell is drawn, in [0, 1]: the logarithm of its count, beside that of the largest
    of its kind."""
    diagonal = np.eye(len(confusion), dtype=bool)
    most = np.where(diagonal, confusion[diagonal].max(initial=1), confusion[~diagonal].max(initial=1))
    return np.log1p(confusion) / np.log1p(np.maximum(most, 1))


def _data_uri(image: Image.Image, kind: str, **options) -> str:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
