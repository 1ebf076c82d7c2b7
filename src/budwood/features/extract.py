"""Extracting features: views that the store does not know are rendered and sent through the feature extractor, once."""

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int, Shaped, UInt8

from budwood.core.errors import ImageError
from budwood.core.progress.base import SILENT, Progress, Stage
from budwood.core.system import num_cores
from budwood.data import images
from budwood.data.augment import Renderer
from budwood.data.image_ref import ImageRef
from budwood.data.images import ImageLike, ValueRange
from budwood.data.manifest import Photo
from budwood.data.stored_image import num_readers
from budwood.features.engines.engine import Engine
from budwood.features.store.table import FeatureTable

__all__ = [
    "Engine",
    "Extraction",
    "NamedRunner",
    "Runner",
    "Views",
    "extract",
    "keys_of",
    "stream",
    "stream_through",
    "stream_views",
]

LOOKAHEAD = 8
"""Views rendered ahead of the feature extractor, per core."""
VIEWS_AT_A_TIME = 8
"""Views of one photo that share one decoding."""
FIRST_CLAIM, MOST_CLAIMED = 64, 4096
"""Views that one process claims at a time, at first and at most: more while each takes too short a time."""


Views = Sequence[int] | Int[np.ndarray, "views"]
"""The view of each photo of a list: 0 for the plain one."""


@runtime_checkable
class Runner(Protocol):
    """What turns pictures into features, one after another: a Engine, or a stand-in."""

    def run(
        self, views: Iterable[UInt8[np.ndarray, "size size 3"]]
    ) -> Iterator[Shaped[np.ndarray, "..."]]: ...


class NamedRunner(Runner, Protocol):
    """A runner that says which engine it is, and what a user should know of it."""

    engine: str
    notes: list[str]


@dataclass
class Extraction:
    """What `extract` did. Photos of one content count once, each view of theirs by itself."""

    num_computed: int = 0
    """Views sent through the feature extractor."""
    num_found: int = 0
    """Views whose features the store had, or another process put there meanwhile."""
    failed: dict[str, str] = field(default_factory=dict)
    """Names of the photos that have no features now, and why."""
    num_failed: int = 0
    """Views that cannot be rendered."""

    def __add__(self, other: "Extraction") -> "Extraction":
        return Extraction(
            self.num_computed + other.num_computed,
            self.num_found + other.num_found,
            self.failed | other.failed,
            self.num_failed + other.num_failed,
        )


def keys_of(photos: Sequence[Photo], renderer: Renderer, views: Views | None = None) -> list[str]:
    """Under which keys a table has views of photos: by content, so that copies share them.

    Args:
        photos: any number.
        renderer: says how views are drawn.
        views: the view of each photo; all plain by default.

    Raises:
        ImageError: a photo has no `sha256` yet and cannot be read.
    """
    return [
        renderer.key(_content(photo), view) for photo, view in zip(photos, _all(views, photos), strict=True)
    ]


def extract(
    photos: Sequence[Photo],
    frozen: Callable[[], Runner],
    table: FeatureTable,
    *,
    renderer: Renderer,
    views: Views | None = None,
    keep_lower: Callable[[str, np.ndarray], None] | None = None,
    most: int = FIRST_CLAIM,
    claimed: bool = False,
    progress: Progress = SILENT,
) -> Extraction:
    """Put the features of all photos on the table, computing those that it does not have.

    Processes that do so at the same time on one store share the work: each view is computed by one of them.

    Args:
        photos: any number; copies of one image are computed once, and a photo may stand there for several views.
        frozen: makes the feature extractor; called only where something is missing.
        table: open, of that feature extractor.
        renderer: how a photo becomes the square that the feature extractor sees.
        views: which view of each photo; all plain by default.
        keep_lower: given key and features of every view that is computed as a lower boundary yields them on the way,
            where the feature extractor hands these out.
        most: views that are claimed, computed and written at a time at first.
        claimed: whoever asks holds a claim on all of them, so that none is made, and a shared store is asked once.
        progress: told of stage "features".

    Returns:
        What was computed, found, and failed: a photo that cannot be decoded is named there and left out.

    Raises:
        StoreError: the disk is full. What was computed before is kept, as it is on Ctrl-C.
    """
    result = Extraction()
    wanted: dict[str, _Wanted] = {}
    for photo, view in zip(photos, _all(views, photos), strict=True):
        try:
            content = _content(photo)
        except ImageError as error:
            result.failed[photo.name] = str(error)
            continue
        key = renderer.key(content, view)
        wanted.setdefault(key, _Wanted(key, content, photo, view)).names.append(photo.name)
    missing = table.missing(list(wanted), again=not claimed)
    if missing:
        with progress.stage("features", total=len(missing)) as stage:
            work = _Work(frozen, table, renderer, keep_lower, stage, result)
            if claimed:
                _compute_and_write([wanted[key] for key in missing], work)
            else:
                _compute_shared(missing, wanted, work, most)
    result.num_found = len(wanted) - result.num_computed - result.num_failed
    return result


def _compute_shared(missing: list[str], wanted: Mapping[str, "_Wanted"], work: "_Work", most: int) -> None:
    """Compute what is missing, but for what another process on the same store computes meanwhile."""
    while missing:
        with work.table.claim(missing, most) as claim:
            # Between the last look and the claim another process may have stored some.
            own = work.table.missing(claim.keys) if claim.keys else []
            started = time.monotonic()
            if own:
                _compute_and_write([wanted[key] for key in own], work)
        if not claim.keys:
            time.sleep(work.table.wait_seconds)
        elif (taken := time.monotonic() - started) < work.table.claim_seconds:
            most = min(most * max(2, min(8, int(work.table.claim_seconds / taken))), MOST_CLAIMED)
        done = set(own)
        left = work.table.missing([key for key in missing if key not in done])
        work.stage.advance(len(missing) - len(left) - len(own))
        missing = left


def _compute_and_write(missing: Sequence["_Wanted"], work: "_Work") -> None:
    try:
        _compute(missing, work)
    finally:
        work.table.flush()


def stream(
    pictures: Iterable[ImageLike],
    frozen: Runner,
    *,
    size: int,
    resize: str,
    levels: ValueRange | None = None,
) -> Iterator[Float32[np.ndarray, "..."] | ImageError]:
    """Return the features of each picture in order, or the error of one that cannot be decoded; nothing is
    stored."""
    return stream_through(pictures, frozen.run, size=size, resize=resize, levels=levels)


T = TypeVar("T")


def stream_through(
    pictures: Iterable[ImageLike],
    run: Callable[[Iterable[UInt8[np.ndarray, "size size 3"]]], Iterator[T]],
    *,
    size: int,
    resize: str,
    levels: ValueRange | None = None,
) -> Generator[T | ImageError, None, None]:
    """Return what `run` gives for each picture in order, or the error of one that cannot be decoded.

    Pictures are taken as they are needed, a bounded number ahead.
    """
    errors: dict[int, ImageError] = {}
    sent: deque[int] = deque()

    def views(decoder: _Decoder) -> Iterator[UInt8[np.ndarray, "size size 3"]]:
        for index, decoded in decoder.run(enumerate(pictures)):
            try:
                pixels = decoded.result()
            except ImageError as error:
                # Its traceback holds what was read of the file, and a folder of such files may be large.
                errors[index] = ImageError(error.fault, error.kind)
            else:
                sent.append(index)
                yield pixels

    num_given = 0
    with _Decoder(lambda picture: images.view(picture, size, resize, levels, only_clear=True)) as decoder:
        for row in run(views(decoder)):
            index = sent.popleft()
            # A picture in error was passed over before the first good one after it was sent.
            while num_given < index:
                yield errors.pop(num_given)
                num_given += 1
            yield row
            num_given += 1
    yield from (errors[index] for index in sorted(errors))


def stream_views(
    photos: Sequence[Photo], views: Views, frozen: Runner, renderer: Renderer
) -> Generator[Shaped[np.ndarray, "..."], None, None]:
    """Return the features of one view of each photo, in order; nothing is stored.

    Raises:
        ImageError: a photo cannot be decoded, or changed since it was checked.
    """

    def render(item: tuple[Photo, int]) -> UInt8[np.ndarray, "size size 3"]:
        photo, view = item
        try:
            return _render(photo, _content(photo), [view], renderer)[0]
        except ImageError as error:
            raise ImageError(error.fault, error.kind, photo.name) from error

    with _Decoder(render) as decoder:
        rendered = decoder.run(enumerate(zip(photos, _all(views, photos), strict=True)))
        yield from frozen.run(pixels.result() for _, pixels in rendered)


@dataclass
class _Wanted:
    """One view to compute, for all photos of its content."""

    key: str
    content: str
    photo: Photo
    view: int
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Work:
    """Where features come from, and where they go."""

    frozen: Callable[[], Runner]
    table: FeatureTable
    renderer: Renderer
    keep_lower: Callable[[str, np.ndarray], None] | None
    stage: Stage
    result: Extraction


def _all(views: Views | None, photos: Sequence[Photo]) -> list[int]:
    return [0] * len(photos) if views is None else [int(view) for view in views]


def _content(photo: Photo) -> str:
    return photo.sha256 or images.digest(photo.image)


def _compute(missing: Sequence[_Wanted], work: _Work) -> None:
    of_photo: dict[str, list[_Wanted]] = {}
    for wanted in missing:
        of_photo.setdefault(wanted.content, []).append(wanted)
    groups = [
        views[first : first + VIEWS_AT_A_TIME]
        for views in of_photo.values()
        for first in range(0, len(views), VIEWS_AT_A_TIME)
    ]
    sent: deque[str] = deque()
    result, keep_lower = work.result, work.keep_lower

    def decode(group: list[_Wanted]) -> list[UInt8[np.ndarray, "size size 3"]]:
        return _render(group[0].photo, group[0].content, [wanted.view for wanted in group], work.renderer)

    with _Decoder(decode, LOOKAHEAD // max(map(len, groups)), groups[0][0].photo.image) as decoder:

        def views() -> Iterator[UInt8[np.ndarray, "size size 3"]]:
            for group, decoded in decoder.run((group, group) for group in groups):
                try:
                    rendered = decoded.result()
                except ImageError as error:
                    result.failed |= {name: str(error) for wanted in group for name in wanted.names}
                    result.num_failed += len(group)
                    work.stage.advance(len(group))
                    continue
                for wanted, pixels in zip(group, rendered, strict=True):
                    sent.append(wanted.key)
                    result.num_computed += 1
                    yield pixels

        for row, *lower in _run(work.frozen(), views(), forked=keep_lower is not None):
            key = sent.popleft()
            work.table.add(key, row)
            if keep_lower and lower:
                keep_lower(key, lower[0])
            work.stage.advance()


def _run(
    part: Runner | Engine, views: Iterator[UInt8[np.ndarray, "size size 3"]], *, forked: bool
) -> Iterator[list[Shaped[np.ndarray, "..."]]]:
    if forked and isinstance(part, Engine):
        return part.run_all(views)
    return ([row] for row in part.run(views))


class _Decoder:
    """Decodes pictures on all cores, a bounded number ahead; Pillow works outside Python's lock."""

    def __init__(self, decode: Callable[[Any], Any], ahead: int = LOOKAHEAD, like: object = None):
        self._decode, self._ahead = decode, ahead
        # Fetched from afar, pictures are waited for: by more threads than there are cores.
        self._pool = ThreadPoolExecutor(num_readers(like), thread_name_prefix="decode")

    def __enter__(self) -> "_Decoder":
        return self

    def __exit__(self, *failure) -> None:
        self._pool.shutdown(cancel_futures=True)

    def run(self, pictures: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Future]]:
        """Return each name with its decoded picture to come, in order."""
        pending: deque[tuple[Any, Future]] = deque()
        for name, picture in pictures:
            pending.append((name, self._pool.submit(self._decode, picture)))
            if len(pending) > self._ahead * num_cores():
                yield pending.popleft()
        while pending:
            yield pending.popleft()


def _render(
    photo: Photo, content: str, views: Sequence[int], renderer: Renderer
) -> list[UInt8[np.ndarray, "size size 3"]]:
    image = photo.image
    if isinstance(image, str | os.PathLike | ImageRef):
        try:
            image = images.content_of(image)
        except ImageError as error:
            raise ImageError(f"cannot be read: {error.fault}", error.kind) from error
        # The store outlives the run: nothing may enter it under another image's name.
        if photo.sha256 and images.digest(image) != photo.sha256:
            raise ImageError("changed since it was checked. Start the run again", "changed")
    if len(views) > 1:
        image = images.decode(image, 2 * renderer.size, renderer.levels)
    return [renderer.render(image, content, view) for view in views]
