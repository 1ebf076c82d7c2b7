"""Batches: the batches of features that an epoch trains on, whichever views of the photos they show."""

import math
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Int, Shaped

from budwood.config.recipe import Augment
from budwood.core.errors import ImageError
from budwood.core.progress.base import SILENT
from budwood.data.manifest import Photo
from budwood.evaluation.task import SINGLE_LABEL, Task
from budwood.features.ensemble import Features
from budwood.features.extract import Extraction
from budwood.features.extractor import FeatureExtractor
from budwood.features.store.store import Rows

STORED_ROW_BYTES = 16 * 1024
"""Views drawn anew for every epoch are stored up to this size of one row: a repeated training then finds them."""
BATCHES_AHEAD = 2


@runtime_checkable
class Batches(Protocol):
    """What a training loop asks for its features."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one row."""

    @property
    def labels(self) -> Shaped[np.ndarray, "rows ..."]:
        """The target of each row of an epoch, as the task encodes it: of each photo, or with `augment.originals` of
        each photo twice."""

    @property
    def weights(self) -> Float[np.ndarray, "rows"] | None:
        """How much the data say that each row counts, from 0 up; None where they say nothing."""

    def prepare(self) -> Extraction:
        """Compute and store what can be known before the first epoch."""

    def prepare_teacher(self) -> Extraction:
        """Compute and store the same for what the teacher says of them."""

    def taught(
        self, epoch: int, order: Int[np.ndarray, "rows"], batch_size: int
    ) -> Iterator[Float32[np.ndarray, "batch classes"]]:
        """Return the teacher's probabilities for what `batches` gives, whose arguments it takes; where there
        is a teacher."""

    def epoch(
        self, epoch: int, order: Int[np.ndarray, "rows"], batch_size: int
    ) -> Iterator[Shaped[np.ndarray, "batch ..."]]:
        """Return one epoch's features, read ahead by one thread that ends when the iterator is exhausted or
        closed.

        Args:
            epoch: from 1; decides the views.
            order: of the rows, such as a permutation of `len(labels)`.
            batch_size: rows of a batch; the last one may have fewer.

        Returns:
            Batches of float32, float16 or uint8 (pixels). The same whatever was stored before.

        Raises:
            ImageError: a photo that is read in the epoch is no longer what was checked.
        """


@dataclass(frozen=True)
class TrainingData:
    """What gradient steps are taken on, and what early stopping looks at."""

    batches: Batches
    """The training photos and their views."""
    validation: Rows | np.ndarray
    """Features of original views, in rows as those of the batches are."""
    validation_labels: Shaped[np.ndarray, "m ..."]
    """Their targets, as the task encodes them."""
    classes: Sequence[str]
    """Names, in the order of the numbers."""
    task: Task = SINGLE_LABEL


def make_batches(
    features: Features,
    photos: Sequence[Photo],
    labels: Shaped[np.ndarray, "n ..."],
    augment: Augment,
    seed: int,
    teacher: FeatureExtractor | None = None,
) -> Batches:
    """Return the batches of some photos with the views that the recipe's [augment] asks for.

    Original views and those of a bank are stored, and so are vectors of views drawn for every epoch; larger features of
    these, and pixels, are computed during the epoch and never stored.

    Args:
        features: open, made with the same `augment` and `seed`.
        photos: all of them readable.
        labels: their targets, as the task encodes them.
        augment: `views` and `originals` decide; what a view shows is the features' matter.
        seed: decides which view of a bank an epoch takes.
        teacher: open, from pixels to the probabilities of a model to learn from, made with the same `augment` and
            `seed`. What it says of a view is stored, however the view itself is come by.
    """
    row_bytes = math.prod(features.shape) * np.dtype(features.dtype).itemsize
    streams = augment.views == "per-epoch" and row_bytes > STORED_ROW_BYTES
    return (StreamedBatches if streams else StoredBatches)(features, photos, labels, augment, seed, teacher)


class _ViewBatches:
    def __init__(
        self,
        features: Features,
        photos: Sequence[Photo],
        labels: Shaped[np.ndarray, "n ..."],
        augment: Augment,
        seed: int,
        teacher: FeatureExtractor | None = None,
    ):
        self.features, self.augment, self.seed, self.teacher = features, augment, seed, teacher
        self.shape = features.shape
        self.num_photos = len(photos)
        self.num_plain = len(photos) if augment.originals else 0
        """Rows of original views, which come first."""
        # The photo of each row.
        self.photos = [*photos, *photos] if augment.originals else list(photos)
        self.labels = np.concatenate([labels, labels]) if augment.originals else labels
        self.weights = np.array([photo.weight for photo in self.photos])

    def views(self, epoch: int) -> Int[np.ndarray, "rows"]:
        """Return the view that each row shows in an epoch."""
        if self.augment.views == "per-epoch":
            drawn = np.full(self.num_photos, epoch)
        else:
            rng = np.random.default_rng([self.seed, epoch])
            drawn = rng.integers(0, max(1, self.augment.views), self.num_photos)
        return np.concatenate([np.zeros(self.num_plain, drawn.dtype), drawn])

    def prepare_teacher(self) -> Extraction:
        return self._compute_known(self.teacher) if self.teacher else Extraction()

    def taught(
        self, epoch: int, order: Int[np.ndarray, "rows"], batch_size: int
    ) -> Iterator[Float32[np.ndarray, "batch classes"]]:
        assert self.teacher is not None
        rows = self._rows(self.teacher, epoch)
        # So small that reading them is not worth a thread.
        return (rows[part] for part in _parts(order, batch_size))

    def _compute_known(self, features: Features) -> Extraction:
        """Compute the views that are known before the first epoch."""
        photos = self.photos[: self.num_photos]
        if self.augment.views == "per-epoch":
            return features.compute(photos) if self.num_plain else Extraction()
        num_views = max(1, self.augment.views)
        return features.compute(
            [photo for photo in photos for _ in range(num_views)], list(range(num_views)) * len(photos)
        )

    def _rows(self, features: Features, epoch: int) -> Rows:
        """Return what the store has of an epoch's views, computed before where it is missing."""
        views = self.views(epoch)
        # The loop shows a progress of its own meanwhile.
        failed = features.compute(self.photos, views, progress=SILENT).failed
        for name, fault in failed.items():
            raise ImageError(fault, path=name)
        return features.rows(self.photos, views)

    @cached_property
    def _plain(self) -> Rows:
        return self.features.rows(self.photos[: self.num_photos])


class StoredBatches(_ViewBatches):
    """Every row of an epoch is in the store before its first batch."""

    def prepare(self) -> Extraction:
        return self._compute_known(self.features)

    def epoch(
        self, epoch: int, order: Int[np.ndarray, "rows"], batch_size: int
    ) -> Iterator[Shaped[np.ndarray, "batch ..."]]:
        if not self.augment.views:
            return _read(self._plain, order, batch_size)
        return _read(self._rows(self.features, epoch), order, batch_size)


class StreamedBatches(_ViewBatches):
    """Augmented views go from the file through the feature extractor into the batch; original ones come stored."""

    def prepare(self) -> Extraction:
        return self.features.compute(self.photos[: self.num_plain])

    def epoch(
        self, epoch: int, order: Int[np.ndarray, "rows"], batch_size: int
    ) -> Iterator[Shaped[np.ndarray, "batch ..."]]:
        # The engine is made and the store looked into here: the thread only computes and reads.
        drawn = order[order >= self.num_plain]
        computed = self.features.stream([self.photos[row] for row in drawn], self.views(epoch)[drawn])
        plain = self._plain if self.num_plain else None
        return prefetch(self._join(order, batch_size, plain, computed))

    def _join(
        self,
        order: Int[np.ndarray, "rows"],
        batch_size: int,
        plain: Rows | None,
        computed: Generator[Shaped[np.ndarray, "..."], None, None],
    ) -> Iterator[Shaped[np.ndarray, "batch ..."]]:
        dtype = np.uint8 if self.features.is_pixels else np.float32
        with closing(computed):
            for rows in _parts(order, batch_size):
                batch = np.empty((len(rows), *self.shape), dtype)
                stored = rows < self.num_plain
                if plain is not None:
                    batch[stored] = plain[rows[stored]]
                for place in np.flatnonzero(~stored):
                    batch[place] = next(computed)
                yield batch


class ArrayBatches:
    """Batches of features as they are, in memory or in the store: no views. A teacher's probabilities may stand beside
    them.

    >>> batches = ArrayBatches(np.arange(6.0, dtype=np.float32).reshape(3, 2), np.array([0, 1, 0]))
    >>> [batch.tolist() for batch in batches.epoch(1, np.array([2, 0, 1]), batch_size=2)]
    [[[4.0, 5.0], [0.0, 1.0]], [[2.0, 3.0]]]
    """

    def __init__(
        self,
        features: Rows | np.ndarray,
        labels: Shaped[np.ndarray, "rows ..."],
        probabilities: Float32[np.ndarray, "rows classes"] | None = None,
        weights: Float[np.ndarray, "rows"] | None = None,
    ):
        self.features, self.labels, self.probabilities, self.weights = (
            features,
            labels,
            probabilities,
            weights,
        )
        self.shape = tuple(features.shape[1:])

    def prepare(self) -> Extraction:
        return Extraction()

    def prepare_teacher(self) -> Extraction:
        return Extraction()

    def taught(
        self, epoch: int, order: Int[np.ndarray, "rows"], batch_size: int
    ) -> Iterator[Float32[np.ndarray, "batch classes"]]:
        assert self.probabilities is not None
        return _read(self.probabilities, order, batch_size)

    def epoch(
        self, epoch: int, order: Int[np.ndarray, "rows"], batch_size: int
    ) -> Iterator[Shaped[np.ndarray, "batch ..."]]:
        return _read(self.features, order, batch_size)


def prefetch(items: Iterator[Any], ahead: int = BATCHES_AHEAD) -> Iterator[Any]:
    """Return the same items, the next few of them made by one thread meanwhile.

    What the making raises is raised here, in its place. The thread ends, and `items` is closed, when this iterator
    is exhausted or closed.
    """
    end = object()
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as pool:
        pending: deque[Future] = deque(pool.submit(next, items, end) for _ in range(ahead))
        try:
            while (item := pending.popleft().result()) is not end:
                pending.append(pool.submit(next, items, end))
                yield item
        finally:
            for waiting in pending:
                waiting.cancel()
            # On its own thread, after what it has in hand.
            pool.submit(getattr(items, "close", lambda: None))


def _read(
    rows: Rows | np.ndarray, order: Int[np.ndarray, "rows"], batch_size: int
) -> Iterator[Shaped[np.ndarray, "batch ..."]]:
    batches = (rows[part] for part in _parts(order, batch_size))
    # What is in memory is not worth a thread.
    return batches if isinstance(rows, np.ndarray) else prefetch(batches)


def _parts(order: Int[np.ndarray, "rows"], batch_size: int) -> Iterator[Int[np.ndarray, "batch"]]:
    return (order[first : first + batch_size] for first in range(0, len(order), batch_size))
