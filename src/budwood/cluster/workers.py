"""What processes on the nodes of a cluster do.

Whatever is heavy is imported once they have been told how many threads to start.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from budwood.backbones.registry import get_backbone
from budwood.config.recipe import Recipe
from budwood.core.errors import ClusterError
from budwood.core.progress.base import SILENT
from budwood.core.tensorflow import load_keras
from budwood.data.check import Inspected, inspect_photos
from budwood.data.decoded import Decoded
from budwood.data.images import ImageLike
from budwood.data.manifest import Photo
from budwood.features.extract import Extraction
from budwood.inference.prediction import Prediction
from budwood.inference.prediction_files import PredictionColumns
from budwood.inference.prediction_parts import Part, Parts, write_part
from budwood.inference.rules import Asked


@dataclass(frozen=True)
class Extractors:
    """What a worker builds: the networks of a training."""

    recipe: Recipe
    """Resolved."""
    sizes: tuple[int, ...]
    boundaries: Mapping[str, str]
    run: Path | None
    """Whose networks are taken; None for those of the recipe."""
    fingerprint: str
    """As the driver has it."""


@dataclass(frozen=True)
class PhotosDone:
    """Photos whose features are in the store."""

    photos: int
    extraction: Extraction
    """Numbers of views, summed over the networks."""


class FeatureWorker:
    """Computes the features of photos into the store.

    Args:
        what: the networks.
        claimed: the driver holds the claims on the photos; else this process claims each piece.
    """

    def __init__(self, what: Extractors, claimed: bool):
        load_keras()
        from budwood.network.compose import take_apart
        from budwood.pipeline.features import build_backbones, open_features
        from budwood.run import Run

        self._claimed = claimed
        backbones = [get_backbone(name) for name in what.recipe.backbone.names]
        if what.run is None:
            networks = build_backbones(what.recipe, backbones, what.sizes)
        else:
            networks, _ = take_apart(Run(what.run).raw_model(), backbones)
        # Open as long as this process lives: what ends with it is its lease.
        self._open = ExitStack()
        self._features = self._open.enter_context(
            open_features(networks, what.recipe, SILENT, what.boundaries, fetch=False)
        )
        found = self._features.exact.fingerprint
        if found != what.fingerprint:
            raise ClusterError(
                f"a node of the cluster builds another network ({found}) than this machine ({what.fingerprint}). "
                "Give every node the same weights and the same version of Budwood"
            )

    def do(self, piece: Sequence[Photo]) -> PhotosDone:
        found = self._features.compute(piece, claimed=self._claimed)
        self._features.flush()
        return PhotosDone(len(piece), found)


@dataclass(frozen=True)
class Predictors:
    """What a worker loads, and what it writes."""

    run: Path
    asked: Asked
    folder: Path
    parts: Parts
    """What the folder says."""
    columns: PredictionColumns


@dataclass(frozen=True)
class PartToDo:
    """One part, with its pictures by their names."""

    number: int
    pictures: Sequence[tuple[str, ImageLike]]


@dataclass(frozen=True)
class PartDone:
    """A part that is written."""

    part: Part
    errors: Mapping[str, str]
    """Of each picture that could not be read, why."""
    out_of_distribution: int
    """Pictures that are none of the classes."""


class PredictionWorker:
    """Writes parts of predictions into a folder."""

    def __init__(self, what: Predictors):
        from budwood.run import load

        self._what = what
        self._run = load(what.run)

    def do(self, piece: PartToDo) -> PartDone:
        what, told = self._what, _Told()
        predictions = self._run.stream(
            [picture for _, picture in piece.pictures],
            names=[name for name, _ in piece.pictures],
            progress=SILENT,
            precision=what.asked.precision,
            acceptance=what.asked.acceptance,
            coverage=what.asked.coverage,
            sets=what.asked.sets,
            per_class=what.asked.per_class,
        )
        part = write_part(what.folder, piece.number, what.parts, told.passed(predictions), what.columns)
        return PartDone(part, told.errors, told.out_of_distribution)


class _Told:
    def __init__(self) -> None:
        self.errors: dict[str, str] = {}
        self.out_of_distribution = 0

    def passed(self, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
        for one in predictions:
            if one.error is not None:
                self.errors[one.name] = one.error
            self.out_of_distribution += one.out_of_distribution
            yield one


@dataclass(frozen=True)
class SomePhotos:
    """Photos of a data set, from a place in their order on."""

    first: int
    photos: Sequence[Photo]


@dataclass(frozen=True)
class SomeInspected:
    """Results of decoding those photos, in their order."""

    first: int
    found: Sequence[Inspected]


class CheckWorker:
    """Decodes photos, and says what that shows. It notes nothing: who asked does."""

    def __init__(self) -> None:
        self._decoded = Decoded()

    def do(self, piece: SomePhotos) -> SomeInspected:
        return SomeInspected(piece.first, inspect_photos(piece.photos, self._decoded))
