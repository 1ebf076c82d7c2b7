"""Photos that are already in memory, or a plain list of files."""

from collections.abc import Sequence

from budwood.core.errors import DataError
from budwood.data.images import ImageLike
from budwood.data.manifest import Manifest, Photo


def read_arrays(images: Sequence[ImageLike], labels: Sequence[str]) -> Manifest:
    """Return a manifest of pictures and their class names, named "00000", "00001", ... in the order given.

    Raises DataError where the two differ in length.

    >>> import numpy as np
    >>> read_arrays([np.zeros((8, 8), np.uint8)] * 2, ["cat", "dog"]).classes
    ('cat', 'dog')
    """
    if len(images) != len(labels):
        raise DataError(f"{len(images)} images but {len(labels)} labels. Give one label for each image")
    photos = tuple(
        Photo(image=image, name=f"{index:05d}", label=str(label))
        for index, (image, label) in enumerate(zip(images, labels, strict=True))
    )
    return Manifest(photos, tuple(sorted({photo.label for photo in photos})))
