"""The features of an ensemble of backbones: each in the store under its own name, handed out as one."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import tee
from typing import SupportsIndex

import numpy as np
from jaxtyping import Float32, Shaped, UInt8

from budwood.core.notes import Note
from budwood.core.progress.base import Named, Progress
from budwood.data.manifest import Photo
from budwood.features.extract import Engine, Extraction, NamedRunner, Views
from budwood.features.extractor import FeatureExtractor, Pixels
from budwood.features.store.table import Rows, RowsPlace


class ExtractorEnsemble:
    """Several `FeatureExtractor` that see the same pixels, as one whose features are theirs joined along the last axis.

    A context manager, as each of them is; what its methods take and give is what theirs do. Views are counted for
    every part by itself.

    Args:
        parts: one or more, of one size, way of resizing and augmentation.
    """

    is_pixels = False

    def __init__(self, parts: Sequence[FeatureExtractor]):
        self.parts = list(parts)
        self.size, self.resize = parts[0].size, parts[0].resize
        self.shape = (*parts[0].shape[:-1], sum(part.shape[-1] for part in parts))

    @property
    def dtype(self) -> str:
        return str(np.result_type(*(part.dtype for part in self.parts)))

    @property
    def fingerprint(self) -> str:
        """The fingerprints of the parts, with `+` between them."""
        return "+".join(part.fingerprint for part in self.parts)

    @property
    def part(self) -> "Engine | Pixels | NamedRunner | EngineEnsemble":
        """What runs all parts."""
        return (
            self.parts[0].part if len(self.parts) == 1 else EngineEnsemble([part.part for part in self.parts])
        )

    @property
    def notes(self) -> list[Note]:
        return list(dict.fromkeys(note for part in self.parts for note in part.notes))

    def __enter__(self) -> "ExtractorEnsemble":
        with ExitStack() as opened:
            for part in self.parts:
                opened.enter_context(part)
            self._open = opened.pop_all()
        return self

    def __exit__(self, *failure) -> None:
        self._open.close()

    def missing(self, photos: Sequence[Photo], views: Views | None = None) -> int:
        return sum(part.missing(photos, views) for part in self.parts)

    def lacking(self, photos: Sequence[Photo]) -> list[Photo]:
        wanted = {photo.name for part in self.parts for photo in part.lacking(photos)}
        return [photo for photo in photos if photo.name in wanted]

    @property
    def shares(self) -> bool:
        return all(part.shares for part in self.parts)

    @contextmanager
    def claim(self, photos: Sequence[Photo], most: int) -> Iterator[list[Photo]]:
        with ExitStack() as claims:
            own: set[str] = set()
            others: set[str] = set()
            # In one order everywhere, so that no two processes hold what the other one wants.
            for part in sorted(self.parts, key=lambda part: part.fingerprint):
                # What another process computes under one network is left alone under all.
                lacking = part.lacking([photo for photo in photos if photo.name not in others])
                claimed = {photo.name for photo in claims.enter_context(part.claim(lacking, most))}
                own |= claimed
                others |= {photo.name for photo in lacking} - claimed
            yield [photo for photo in photos if photo.name in own - others]

    def compute(
        self,
        photos: Sequence[Photo],
        views: Views | None = None,
        *,
        claimed: bool = False,
        progress: Progress | None = None,
    ) -> Extraction:
        found = Extraction()
        for part in self.parts:
            display = progress or part.progress
            # One after the other: which network is at work is worth a word.
            if len(self.parts) > 1:
                display = Named(display, part.model.name)
            found += part.compute(photos, views, claimed=claimed, progress=display)
        return found

    def stream(
        self, photos: Sequence[Photo], views: Views
    ) -> Generator[Shaped[np.ndarray, "..."], None, None]:
        streams = [part.stream(photos, views) for part in self.parts]
        with ExitStack() as opened:
            for stream in streams:
                opened.enter_context(closing(stream))
            for rows in zip(*streams, strict=True):
                yield np.concatenate(rows, axis=-1)

    def rows(self, photos: Sequence[Photo], views: Views | None = None) -> "Rows | JoinedRows":
        rows = [part.rows(photos, views) for part in self.parts]
        return rows[0] if len(rows) == 1 else JoinedRows(rows)

    def array(self, photos: Sequence[Photo], views: Views | None = None) -> Shaped[np.ndarray, "n ..."]:
        return np.concatenate([part.array(photos, views) for part in self.parts], axis=-1)


Features = FeatureExtractor | ExtractorEnsemble
"""What can be asked for the features of photos."""


class JoinedRows(Rows):
    """Rows of several tables for the same photos, joined along the last axis as they are read."""

    def __init__(self, parts: Sequence[Rows]):
        self._parts = list(parts)
        self.dtype = np.result_type(*(part.dtype for part in parts))
        self.shape = (*parts[0].shape[:-1], sum(part.shape[-1] for part in parts))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(
        self, indices: SupportsIndex | slice | Sequence | np.ndarray
    ) -> Shaped[np.ndarray, "..."]:
        return np.concatenate([part[indices] for part in self._parts], axis=-1)

    def places(self, part: slice) -> list[RowsPlace]:
        return [place for rows in self._parts for place in rows.places(part)]


class EngineEnsemble:
    """Runs several feature extractors on the same pictures, read once."""

    def __init__(self, parts: Sequence[Engine | Pixels | NamedRunner]):
        self._parts = list(parts)
        self.engine = " and ".join(dict.fromkeys(part.engine for part in parts))
        self.notes = list(dict.fromkeys(note for part in parts for note in part.notes))

    def run(self, views: Iterable[UInt8[np.ndarray, "size size 3"]]) -> Iterator[Float32[np.ndarray, "..."]]:
        """Return the features of each picture, joined along the last axis, in order."""
        copies = tee(views, len(self._parts))
        for rows in zip(
            *(part.run(copy) for part, copy in zip(self._parts, copies, strict=True)), strict=True
        ):
            yield np.concatenate(rows, axis=-1)
