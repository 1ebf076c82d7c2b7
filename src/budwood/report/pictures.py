"""Pictures inside the report: thumbnails of photos and the heat map of a large confusion matrix."""

import base64
import io

import numpy as np
from jaxtyping import Int
from PIL import Image

from budwood.data.images import ImageLike, view
from budwood.errors import ImageError

THUMBNAIL = 160
_RIGHT, _WRONG = (46, 125, 84), (205, 92, 24)


def thumbnail(image: ImageLike | None, resize: str = "crop") -> str | None:
    """A photo as the network sees it, 160 px square, as the `data:` URI of a JPEG; None where it cannot be read.

    `resize` is the recipe's `data.resize`: "crop", "stretch" or "pad".
    """
    if image is None:
        return None
    try:
        pixels = view(image, THUMBNAIL, resize)
    except (ImageError, OSError):
        return None
    return _data_uri(Image.fromarray(pixels), "JPEG", quality=80, optimize=True)


def heat_map(confusion: Int[np.ndarray, "classes classes"]) -> str:
    """A confusion matrix (rows true) as the `data:` URI of a PNG: one cell a pixel or more, stronger for more photos.

    Opacity is logarithmic in the count. Correct predictions, on the diagonal, are green, mistakes orange, each
    against its own largest count; cells without a photo are transparent, so that the picture stands on light and
    on dark paper.
    """
    num_classes = len(confusion)
    diagonal = np.eye(num_classes, dtype=bool)
    most = np.where(diagonal, confusion[diagonal].max(), confusion[~diagonal].max(initial=1))
    strength = np.log1p(confusion) / np.log1p(np.maximum(most, 1))
    cells = np.empty((num_classes, num_classes, 4), np.uint8)
    cells[..., :3] = np.where(diagonal[..., None], _RIGHT, _WRONG)
    cells[..., 3] = np.where(confusion > 0, 90 + 165 * strength, 0)
    scale = max(1, 800 // num_classes)
    side = num_classes * scale
    return _data_uri(
        Image.fromarray(cells).resize((side, side), Image.Resampling.NEAREST), "PNG", optimize=True
    )


def _data_uri(image: Image.Image, kind: str, **options) -> str:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
