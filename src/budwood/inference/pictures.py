"""Pictures as a user gives them, one or many."""

import os
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from budwood.data.image_ref import ImageRef
from budwood.data.images import ImageLike


def many(images: ImageLike | Iterable[ImageLike]) -> list[ImageLike]:
    """Return pictures as a list: one alone, whatever it is, or all of several."""
    if isinstance(images, str | bytes | os.PathLike | Image.Image | ImageRef):
        return [images]
    if isinstance(images, np.ndarray):
        one = images.ndim == 2 or (images.ndim == 3 and images.shape[-1] in (1, 3, 4))
        return [images] if one else list(images)
    return list(images)


def names_of(images: Sequence[ImageLike]) -> list[str]:
    """Return what to call pictures: the path, or "image N"."""
    return [
        os.fspath(image) if isinstance(image, (str, os.PathLike)) else f"image {index}"
        for index, image in enumerate(images)
    ]
