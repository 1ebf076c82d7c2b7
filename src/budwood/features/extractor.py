"""The features of photos under one feature extractor: found in the store, or computed and kept there."""

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, Shaped, UInt8

from budwood.config.recipe import Augment
from budwood.core.notes import Note
from budwood.core.progress.base import SILENT, Progress
from budwood.data.augment import PLAIN, Renderer
from budwood.data.images import ValueRange
from budwood.data.manifest import Photo
from budwood.features.extract import (
    FIRST_CLAIM,
    MOST_CLAIMED,
    Engine,
    Extraction,
    NamedRunner,
    Views,
    extract,
    keys_of,
    stream_views,
)
from budwood.features.store.store import FeatureStore, Rows
from budwood.features.store.table import FeatureTable, Float16Overflow

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class KnownModel:
    """A frozen model of which all is known that its stored features need, so that nobody has to load it."""

    fingerprint: str
    shape: tuple[int, ...]
    """The shape of the features of one view."""
    engine: "Callable[[], Engine | NamedRunner]"
    """Makes what runs it, where the store lacks something."""
    name: str = "network"
    """What progress calls it."""


class FeatureExtractor:
    """A frozen model with all that decides what it yields for a photo, before the store that remembers it.

    A context manager: open it to ask the store. Every photo has its original view, number 0, and any number of
    augmented ones; where `views` is left out, all are original.

    Args:
        model: raw 0-255 pixels `(None, size, size, 3)` in, features out. A model whose output is its input, such as
            `cut` gives at the input layer, stores the views themselves, as uint8, and needs no engine. Or a KnownModel.
        size, resize: how a photo becomes those pixels (`budwood.data.images.view`).
        precision: "f32" or "bf16".
        engine: "auto", "openvino" or "keras".
        dtype: what is stored, "float32" or "float16". Features that float16 cannot hold are stored as float32.
        levels: the values that are black and white in pictures of more than 8 bits.
        augment, seed: how views other than the plain one are drawn (`budwood.data.augment.Renderer`).
        lower: the features of a model of the same layers that ends lower down, opened by whoever made it. What comes by
            on the way to these features is kept there too, but for test photos, which no phase learns from.
        fetch: False where features are computed for others: what a shared store holds stays there, and what is asked
            for at a time goes into one shard.
        progress: told of the stage "features" and of damage in the store.

    Attributes:
        shape: of one view's features.
        dtype: in which the store has them now: "float32", "float16" or "uint8".
        fingerprint: of the feature extractor; neither dtype nor augmentation changes it.
    """

    def __init__(
        self,
        model: "keras.Model | KnownModel",
        *,
        size: int,
        resize: str,
        precision: str = "f32",
        engine: str = "auto",
        dtype: str = "float32",
        levels: ValueRange | None = None,
        augment: Augment = PLAIN,
        seed: int = 0,
        lower: "FeatureExtractor | None" = None,
        fetch: bool = True,
        progress: Progress = SILENT,
    ):
        self.model: Any = model
        self.lower = lower
        self.fetch = fetch
        self.progress = progress
        self.size, self.resize, self.levels = size, resize, levels
        self.renderer = Renderer(size, resize, augment, seed, levels)
        self.is_pixels = not isinstance(model, KnownModel) and len(model.layers) == 1
        self.precision, self.engine = "f32" if self.is_pixels else precision, engine
        self.dtype = "uint8" if self.is_pixels else dtype
        self.shape = model.shape if isinstance(model, KnownModel) else tuple(model.output.shape[1:])

    @property
    def row_bytes(self) -> int:
        """What one view takes in the store."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @cached_property
    def fingerprint(self) -> str:
        """Equal for two feature extractors exactly when their features may stand for one another."""
        if isinstance(self.model, KnownModel):
            return self.model.fingerprint
        from budwood.network.graph import fingerprint

        return fingerprint(self.model, size=self.size, resize=self.resize, precision=self.precision)

    @cached_property
    def part(self) -> "Engine | Pixels | NamedRunner":
        """The engine that runs the model; made on first use."""
        if isinstance(self.model, KnownModel):
            return self.model.engine()
        if self.is_pixels:
            return Pixels(self.shape)
        lower = self.lower
        return Engine(
            self.model,
            lower=lower.model if lower else None,
            engine=self.engine,
            precision=self.precision,
            # A graph with two outputs is another one.
            fingerprint=f"{self.fingerprint}-{lower.fingerprint}" if lower else self.fingerprint,
        )

    def __enter__(self) -> "FeatureExtractor":
        # Open as long as its rows are read: what is in use is never evicted.
        self._tables: list[FeatureTable] = []
        self._open = ExitStack()
        self._add_table()
        return self

    def __exit__(self, *failure) -> None:
        self._open.close()

    def missing(self, photos: Sequence[Photo], views: Views | None = None) -> int:
        """Return how many distinct views the store does not know."""
        return len(self._table.missing(keys_of(photos, self.renderer, views)))

    def lacking(self, photos: Sequence[Photo]) -> list[Photo]:
        """Return the photos whose original views the store does not know, one of each content."""
        keys = keys_of(photos, self.renderer)
        by_key = dict(zip(reversed(keys), reversed(photos), strict=True))
        return [by_key[key] for key in self._table.missing(keys)]

    @property
    def shares(self) -> bool:
        """See `FeatureTable.shares`."""
        return self._table.shares

    @contextmanager
    def claim(self, photos: Sequence[Photo], most: int) -> Iterator[list[Photo]]:
        """Claim the original views of at most so many photos for the time of a `with`; yields those, one of each
        content, that the store lacks and no other process computes now."""
        keys = keys_of(photos, self.renderer)
        by_key = dict(zip(reversed(keys), reversed(photos), strict=True))
        with self._table.claim(list(reversed(by_key)), most) as claim:
            # Between a look and the claim another process may have stored some.
            yield [by_key[key] for key in self._table.missing(claim.keys)] if claim.keys else []

    def flush(self) -> None:
        """Write what was computed, so that it outlives this process."""
        written = [one._table for one in (self, self.lower) if one is not None]
        for table in written:
            table.flush()
        for table in written:
            table.wait()

    def compute(
        self,
        photos: Sequence[Photo],
        views: Views | None = None,
        *,
        claimed: bool = False,
        progress: Progress | None = None,
    ) -> Extraction:
        """Send the views that the store does not know through the feature extractor.

        Args:
            photos: any number; one may stand there for several views.
            views: the view of each photo.
            claimed: whoever asks holds a claim on them, so that none is made, and a shared store is asked once.
            progress: told instead of the one given at first.
        """
        try:
            return self._extract(photos, views, claimed, progress)
        except Float16Overflow:
            self._widen()
            return self._extract(photos, views, claimed, progress)

    def keep(self, key: str, row: Float32[np.ndarray, "..."]) -> None:
        """Put into the store what another run of the same layers yielded for a view."""
        try:
            self._table.add(key, row)
        except Float16Overflow:
            self._widen()
            self._table.add(key, row)

    def _widen(self) -> None:
        # Rows that were handed out stay readable on the table of float16.
        self.dtype = "float32"
        self._add_table()

    def stream(
        self, photos: Sequence[Photo], views: Views
    ) -> Generator[Shaped[np.ndarray, "..."], None, None]:
        """Return the features of one view of each photo in order, as float32 (pixels: uint8), computed and
        not stored.

        Raises:
            ImageError: a photo cannot be decoded, or changed since it was checked.
        """
        return stream_views(photos, views, self.part, self.renderer)

    @property
    def notes(self) -> list[Note]:
        """What the user should know of the engine and of the store."""
        notes = [note for table in self._tables for note in table.notes]
        if len(self._tables) > 1:
            text = "features beyond the range of float16 were met: they are stored as float32"
            notes.append(Note(text, "features"))
        return [*notes, *(getattr(self.part, "notes", []) if "part" in vars(self) else [])]

    def rows(self, photos: Sequence[Photo], views: Views | None = None) -> Rows:
        """Return the features, `(n, *shape)`, read from disk as they are asked for. Compute them first."""
        return self._table.reader(keys_of(photos, self.renderer, views))

    def array(self, photos: Sequence[Photo], views: Views | None = None) -> Shaped[np.ndarray, "n ..."]:
        """Return the features in memory. Compute them first."""
        return self._table.gather(keys_of(photos, self.renderer, views))

    @property
    def _table(self) -> FeatureTable:
        return self._tables[-1]

    def _add_table(self) -> None:
        store = FeatureStore(progress=self.progress)
        self._tables.append(
            self._open.enter_context(store.open(self.fingerprint, self.shape, self.dtype, fetch=self.fetch))
        )

    def _extract(
        self, photos: Sequence[Photo], views: Views | None, claimed: bool, progress: Progress | None
    ) -> Extraction:
        keep, lower = None, self.lower
        if lower is not None:
            learned = [place for place, photo in enumerate(photos) if photo.split != "test"]
            keys = keys_of(
                [photos[place] for place in learned],
                self.renderer,
                None if views is None else [int(views[place]) for place in learned],
            )
            unknown = set(lower._table.missing(keys, again=not claimed))

            def keep(key: str, row: Float32[np.ndarray, "..."]) -> None:
                if key in unknown:
                    lower.keep(key, row)

        return extract(
            photos,
            lambda: self.part,
            self._table,
            renderer=self.renderer,
            views=views,
            keep_lower=keep,
            most=FIRST_CLAIM if self.fetch else MOST_CLAIMED,
            claimed=claimed,
            progress=progress or self.progress,
        )


class Pixels:
    """Stands for the feature extractor where there is none: what it is given is what it yields."""

    engine = "none"

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape
        self.notes: list[Note] = []

    def run(
        self, views: Iterable[UInt8[np.ndarray, "size size 3"]]
    ) -> Iterator[UInt8[np.ndarray, "size size 3"]]:
        return iter(views)


def with_pooling(backbone: "keras.Model", pooling: str) -> "keras.Model":
    """Return the backbone down to one vector per photo, `(None, features)`, float32.

    Pooling has nothing to train, so it stands on the frozen side of the boundary: the store then keeps
    1,280 numbers per photo instead of 62,720.
    """
    import keras

    from budwood.network.graph import BOUNDARY

    layer = {"avg": keras.layers.GlobalAveragePooling2D, "max": keras.layers.GlobalMaxPooling2D}[pooling]
    return keras.Model(backbone.input, layer(name=BOUNDARY)(backbone.output), name=backbone.name)
