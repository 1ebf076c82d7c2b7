"""The features of photos under one frozen part: found in the store, or computed and kept there."""

from collections.abc import Sequence
from functools import cached_property

import keras
import numpy as np
from jaxtyping import Float

from budwood.data.manifest import Photo
from budwood.features.cut import fingerprint
from budwood.features.extract import Extraction, FrozenPart, extract, key
from budwood.features.store import FeatureStore, Rows
from budwood.progress import SILENT, Progress

BOUNDARY = "pooling"
"""The layer after which the trainable part begins while the whole backbone is frozen."""


class FrozenFeatures:
    """A frozen model with all that decides what it yields for a photo, before the store that remembers it.

    Args:
        model: raw 0-255 pixels `(None, size, size, 3)` in, features out.
        size, resize: how a photo becomes those pixels (`budwood.data.images.view`).
        precision: "f32" or "bf16".
        engine: "auto", "openvino" or "keras".
        progress: told of the stage "features" and of damage in the store.
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        size: int,
        resize: str,
        precision: str = "f32",
        engine: str = "auto",
        progress: Progress = SILENT,
    ):
        self.model = model
        self.progress = progress
        self.size, self.resize = size, resize
        self.precision, self.engine = precision, engine
        self.shape = tuple(model.output.shape[1:])

    @cached_property
    def fingerprint(self) -> str:
        """Equal for two frozen parts exactly when their features may stand for one another."""
        return fingerprint(self.model, size=self.size, resize=self.resize, precision=self.precision)

    @cached_property
    def part(self) -> FrozenPart:
        """The engine that runs the model; made on first use."""
        return FrozenPart(
            self.model, engine=self.engine, precision=self.precision, fingerprint=self.fingerprint
        )

    def __enter__(self) -> "FrozenFeatures":
        # Open as long as its rows are read: what is in use is never evicted.
        self._shelf = FeatureStore(progress=self.progress).open(self.fingerprint, self.shape)
        self._shelf.__enter__()
        return self

    def __exit__(self, *failure) -> None:
        self._shelf.__exit__(*failure)

    def missing(self, photos: Sequence[Photo]) -> int:
        """How many distinct photos the store does not know."""
        return len(self._shelf.missing([key(photo) for photo in photos]))

    def compute(self, photos: Sequence[Photo]) -> Extraction:
        """Sends the photos that the store does not know through the frozen part."""
        return extract(
            photos, lambda: self.part, self._shelf, size=self.size, resize=self.resize, progress=self.progress
        )

    @property
    def notes(self) -> list[str]:
        """What the user should know of the engine and of the store, one line each."""
        return [*self._shelf.notes, *(self.part.notes if "part" in vars(self) else [])]

    def rows(self, photos: Sequence[Photo]) -> Rows:
        """The photos' features, read from disk as they are asked for. Compute them first."""
        return self._shelf.reader([key(photo) for photo in photos])

    def array(self, photos: Sequence[Photo]) -> Float[np.ndarray, "n ..."]:
        """The photos' features in memory. Compute them first."""
        return self._shelf.gather([key(photo) for photo in photos])


def with_pooling(backbone: keras.Model, pooling: str) -> keras.Model:
    """The backbone down to one vector per photo, `(None, features)`, float32.

    Pooling has nothing to train, so it stands on the frozen side of the boundary: the store then keeps
    1,280 numbers per photo instead of 62,720.
    """
    layer = {"avg": keras.layers.GlobalAveragePooling2D, "max": keras.layers.GlobalMaxPooling2D}[pooling]
    return keras.Model(backbone.input, layer(name=BOUNDARY)(backbone.output), name=backbone.name)
