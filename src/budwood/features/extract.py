"""Extracting features: photos that the store does not know are decoded and sent through the frozen part, once."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from budwood.data import images
from budwood.data.images import ImageLike
from budwood.data.manifest import Photo
from budwood.errors import ImageError
from budwood.features.engines import FrozenPart
from budwood.features.openvino_graph import num_cores
from budwood.features.shelf import Shelf
from budwood.progress import SILENT, Progress

__all__ = ["Extraction", "FrozenPart", "extract", "key", "stream"]

LOOKAHEAD = 8
"""Photos decoded ahead of the frozen part, per core."""


@dataclass
class Extraction:
    """What `extract` did. Photos of one content count once."""

    num_computed: int = 0
    """Images sent through the frozen part."""
    num_found: int = 0
    """Images whose features the store had."""
    failed: dict[str, str] = field(default_factory=dict)
    """Names of the photos that have no features now, and why."""
    seconds: float = 0.0

    def __add__(self, other: "Extraction") -> "Extraction":
        return Extraction(
            self.num_computed + other.num_computed,
            self.num_found + other.num_found,
            self.failed | other.failed,
            self.seconds + other.seconds,
        )


def key(photo: Photo) -> str:
    """Under which key a shelf has the photo's plain view: its content, so that copies share it.

    Raises ImageError where the photo has no `sha256` yet and cannot be read.
    """
    return f"{photo.sha256 or images.digest(photo.image)}:0"


def extract(
    photos: Sequence[Photo],
    frozen: Callable[[], FrozenPart],
    shelf: Shelf,
    *,
    size: int,
    resize: str,
    progress: Progress = SILENT,
) -> Extraction:
    """Puts the features of all photos on the shelf, computing those that it does not have.

    Args:
        photos: any number; copies of one image are computed once.
        frozen: makes the frozen part; called only where something is missing.
        shelf: open, of that frozen part.
        size, resize: how a photo becomes the square that the frozen part sees (`budwood.data.images.view`).
        progress: told of stage "features".

    Returns:
        What was computed, found, and failed: a photo that cannot be decoded is named there and left out.

    Raises:
        StoreError: the disk is full. What was computed before is kept, as it is on Ctrl-C.
    """
    started = time.monotonic()
    result = Extraction()
    copies: dict[str, list[Photo]] = {}
    for photo in photos:
        try:
            copies.setdefault(key(photo), []).append(photo)
        except ImageError as error:
            result.failed[photo.name] = str(error)
    missing = shelf.missing(list(copies))
    result.num_found = len(copies) - len(missing)
    if missing:
        try:
            _compute({name: copies[name] for name in missing}, frozen, shelf, size, resize, progress, result)
        finally:
            shelf.flush()
    result.seconds = time.monotonic() - started
    return result


def stream(
    pictures: Sequence[ImageLike], frozen: FrozenPart, *, size: int, resize: str
) -> Iterator[Float32[np.ndarray, "..."] | ImageError]:
    """The features of each picture in order, or the error of one that cannot be decoded; nothing is stored."""
    errors: dict[int, ImageError] = {}
    sent: deque[int] = deque()

    def views(decoder: _Decoder) -> Iterator[UInt8[np.ndarray, "size size 3"]]:
        for index, decoded in decoder.run(enumerate(pictures)):
            try:
                pixels = decoded.result()
            except ImageError as error:
                errors[index] = error
            else:
                sent.append(index)
                yield pixels

    num_given = 0
    with _Decoder(lambda picture: images.view(picture, size, resize)) as decoder:
        for row in frozen.run(views(decoder)):
            index = sent.popleft()
            # A picture in error was passed over before the first good one after it was sent.
            while num_given < index:
                yield errors.pop(num_given)
                num_given += 1
            yield row
            num_given += 1
    yield from (errors[index] for index in sorted(errors))


def _compute(
    copies: dict[str, list[Photo]],
    frozen: Callable[[], FrozenPart],
    shelf: Shelf,
    size: int,
    resize: str,
    progress: Progress,
    result: Extraction,
) -> None:
    sent: deque[str] = deque()
    firsts = ((name, photos[0]) for name, photos in copies.items())

    def decode(photo: Photo) -> UInt8[np.ndarray, "size size 3"]:
        return _checked_view(photo, size, resize)

    with progress.stage("features", total=len(copies)) as stage, _Decoder(decode) as decoder:

        def views() -> Iterator[UInt8[np.ndarray, "size size 3"]]:
            for name, decoded in decoder.run(firsts):
                try:
                    pixels = decoded.result()
                except ImageError as error:
                    result.failed |= {photo.name: str(error) for photo in copies[name]}
                    stage.advance()
                else:
                    sent.append(name)
                    result.num_computed += 1
                    yield pixels

        for row in frozen().run(views()):
            shelf.add(sent.popleft(), row)
            stage.advance()


class _Decoder:
    """Decodes pictures on all cores, a bounded number ahead; Pillow works outside Python's lock."""

    def __init__(self, decode: Callable[[Any], UInt8[np.ndarray, "size size 3"]]):
        self._decode = decode
        self._pool = ThreadPoolExecutor(num_cores(), thread_name_prefix="decode")

    def __enter__(self) -> "_Decoder":
        return self

    def __exit__(self, *failure) -> None:
        self._pool.shutdown(cancel_futures=True)

    def run(self, pictures: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Future]]:
        """Each name with its decoded picture to come, in order."""
        pending: deque[tuple[Any, Future]] = deque()
        for name, picture in pictures:
            pending.append((name, self._pool.submit(self._decode, picture)))
            if len(pending) > LOOKAHEAD * num_cores():
                yield pending.popleft()
        while pending:
            yield pending.popleft()


def _checked_view(photo: Photo, size: int, resize: str) -> UInt8[np.ndarray, "size size 3"]:
    image = photo.image
    if isinstance(image, str | os.PathLike):
        try:
            image = Path(image).read_bytes()
        except (OSError, ValueError) as error:
            raise ImageError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
        # The store outlives the run: nothing may enter it under another image's name.
        if photo.sha256 and images.digest(image) != photo.sha256:
            raise ImageError("changed since it was checked. Start the run again", "changed")
    return images.view(image, size, resize)
